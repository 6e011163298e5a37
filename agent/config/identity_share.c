#include "agent/config/reading.h"

#include <stdlib.h>
#include <string.h>

static uint32_t hash_text(uint32_t hash, const char *text)
{
    for (; text != NULL && *text != '\0'; text++)
        hash = (hash ^ (uint8_t)*text) * 16777619u; /* FNV-1a */
    return hash * 31 + (text == NULL);
}

static uint32_t hash_value(uint32_t hash, const struct value_ref *value)
{
    hash = hash_text(hash * 31 + (uint32_t)value->source, value->text);
    return hash_text(hash, value->key);
}

static uint32_t hash_spec(const struct identity_spec *spec)
{
    uint32_t hash = hash_text(2166136261u + (uint32_t)spec->kind, spec->region);

    hash = hash_text(hash, spec->reason);
    hash = hash_value(hash, &spec->role);
    hash = hash_value(hash, &spec->external_id);
    hash = hash_value(hash, &spec->key_id);
    hash = hash_value(hash, &spec->secret_key);
    return hash_value(hash, &spec->session_token);
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_value(const struct value_ref *a, const struct value_ref *b)
{
    return a->source == b->source && same_text(a->text, b->text) && same_text(a->key, b->key);
}

/* All that the credentials depend on, and the reason: `whoami` of a trigger tells its own.
 * (Identities of different reasons share the credentials.) Origins are for people. */
static bool same_spec(const struct identity_spec *a, const struct identity_spec *b)
{
    return a->kind == b->kind && same_text(a->reason, b->reason) &&
           same_text(a->region, b->region) && same_value(&a->role, &b->role) &&
           same_value(&a->external_id, &b->external_id) && same_value(&a->key_id, &b->key_id) &&
           same_value(&a->secret_key, &b->secret_key) &&
           same_value(&a->session_token, &b->session_token);
}

static bool grow(struct reading *reading)
{
    size_t capacity = reading->spec_capacity > 0 ? reading->spec_capacity * 2 : 16;
    const struct identity_spec **specs = realloc(
        reading->specs, capacity * sizeof(const struct identity_spec *));
    if (specs == NULL)
        return false;
    reading->specs = specs;
    uint32_t *hashes = realloc(reading->spec_hashes, capacity * sizeof(*hashes));
    if (hashes == NULL)
        return false;
    reading->spec_hashes = hashes;
    reading->spec_capacity = capacity;
    return true;
}

const struct identity_spec *reading_share(struct reading *reading, const struct identity_spec *spec)
{
    uint32_t hash = hash_spec(spec);

    for (size_t i = 0; i < reading->spec_count; i++) {
        if (reading->spec_hashes[i] == hash && same_spec(reading->specs[i], spec))
            return reading->specs[i];
    }
    struct identity_spec *copy = arena_alloc(reading->kept, sizeof(*copy));
    if (copy == NULL || (reading->spec_count == reading->spec_capacity && !grow(reading))) {
        reading->failed = true;
        return NULL;
    }
    *copy = *spec;
    reading->specs[reading->spec_count] = copy;
    reading->spec_hashes[reading->spec_count++] = hash;
    return copy;
}
