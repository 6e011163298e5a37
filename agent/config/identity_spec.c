/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config/identity_spec.h"

#include "proto/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *identity_kind_name(enum identity_kind kind)
{
    switch (kind) {
    case IDENTITY_CHAIN:
        return "chain";
    case IDENTITY_STATIC:
        return "static";
    case IDENTITY_WEB_IDENTITY:
        return "web-identity";
    case IDENTITY_AWS:
        return "aws";
    case IDENTITY_ASSUME_ROLE:
        return "assume-role";
    case IDENTITY_KIAM:
        return "kiam";
    }
    return "unknown";
}

/* ---- copies ---- */

#define REF_COUNT 5

static void list_refs(struct identity_spec *spec, struct value_ref *refs[REF_COUNT])
{
    refs[0] = &spec->role;
    refs[1] = &spec->external_id;
    refs[2] = &spec->key_id;
    refs[3] = &spec->secret_key;
    refs[4] = &spec->session_token;
}

static bool spec_text_copy(const char **copy, const char *text)
{
    *copy = text != NULL ? strdup(text) : NULL;
    return text == NULL || *copy != NULL;
}

static void spec_text_clear(const char **text)
{
    /* This module owns the copy: it is const only for its readers. */
    char *own = (char *)(uintptr_t)*text;

    if (own != NULL)
        wipe(own, strlen(own));
    free(own);
    *text = NULL;
}

static bool text_equal(const char *a, const char *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return strcmp(a, b) == 0;
}

int identity_spec_copy(struct identity_spec *copy, const struct identity_spec *spec)
{
    struct identity_spec source = *spec;
    struct value_ref *from[REF_COUNT];
    struct value_ref *to[REF_COUNT];
    bool ok;

    *copy = (struct identity_spec){.kind = spec->kind};
    ok = spec_text_copy(&copy->reason, spec->reason) && spec_text_copy(&copy->region, spec->region);
    list_refs(&source, from);
    list_refs(copy, to);
    for (int i = 0; i < REF_COUNT && ok; i++) {
        to[i]->source = from[i]->source;
        ok = spec_text_copy(&to[i]->text, from[i]->text) &&
             spec_text_copy(&to[i]->key, from[i]->key) &&
             spec_text_copy(&to[i]->origin, from[i]->origin);
    }
    if (ok)
        return 0;
    identity_spec_clear(copy);
    return -ENOMEM;
}

void identity_spec_clear(struct identity_spec *spec)
{
    struct value_ref *refs[REF_COUNT];

    spec_text_clear(&spec->reason);
    spec_text_clear(&spec->region);
    list_refs(spec, refs);
    for (int i = 0; i < REF_COUNT; i++) {
        spec_text_clear(&refs[i]->text);
        spec_text_clear(&refs[i]->key);
        spec_text_clear(&refs[i]->origin);
        refs[i]->source = SOURCE_ABSENT;
    }
}

static bool ref_equal(const struct value_ref *a, const struct value_ref *b)
{
    return a->source == b->source && text_equal(a->text, b->text) && text_equal(a->key, b->key);
}

bool identity_spec_equal(const struct identity_spec *a, const struct identity_spec *b)
{
    return a->kind == b->kind && text_equal(a->region, b->region) &&
           ref_equal(&a->role, &b->role) && ref_equal(&a->external_id, &b->external_id) &&
           ref_equal(&a->key_id, &b->key_id) && ref_equal(&a->secret_key, &b->secret_key) &&
           ref_equal(&a->session_token, &b->session_token);
}

bool identity_spec_same_reason(const struct identity_spec *a, const struct identity_spec *b)
{
    return text_equal(a->reason, b->reason);
}

static uint32_t spec_hash_text(uint32_t hash, const char *text)
{
    for (; text != NULL && *text != '\0'; text++)
        hash = (hash ^ (uint8_t)*text) * 16777619u; /* FNV-1a */
    return hash * 31 + (text == NULL);
}

static uint32_t spec_hash_value(uint32_t hash, const struct value_ref *value)
{
    hash = spec_hash_text(hash * 31 + (uint32_t)value->source, value->text);
    return spec_hash_text(hash, value->key);
}

uint32_t identity_spec_hash(const struct identity_spec *spec)
{
    uint32_t hash = spec_hash_text(2166136261u + (uint32_t)spec->kind, spec->region);

    hash = spec_hash_text(hash, spec->reason);
    hash = spec_hash_value(hash, &spec->role);
    hash = spec_hash_value(hash, &spec->external_id);
    hash = spec_hash_value(hash, &spec->key_id);
    hash = spec_hash_value(hash, &spec->secret_key);
    return spec_hash_value(hash, &spec->session_token);
}
