#include "agent/identity/spec.h"

#include "proto/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REF_COUNT 5

static void list_refs(struct identity_spec *spec, struct value_ref *refs[REF_COUNT])
{
    refs[0] = &spec->role;
    refs[1] = &spec->external_id;
    refs[2] = &spec->key_id;
    refs[3] = &spec->secret_key;
    refs[4] = &spec->session_token;
}

static bool text_copy(const char **copy, const char *text)
{
    *copy = text != NULL ? strdup(text) : NULL;
    return text == NULL || *copy != NULL;
}

static void text_clear(const char **text)
{
    /* The copy is ours: it is const only for its readers. */
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

int spec_copy(struct identity_spec *copy, const struct identity_spec *spec)
{
    struct identity_spec source = *spec;
    struct value_ref *from[REF_COUNT];
    struct value_ref *to[REF_COUNT];
    bool ok;

    *copy = (struct identity_spec){.kind = spec->kind};
    ok = text_copy(&copy->reason, spec->reason) && text_copy(&copy->region, spec->region);
    list_refs(&source, from);
    list_refs(copy, to);
    for (int i = 0; i < REF_COUNT && ok; i++) {
        to[i]->source = from[i]->source;
        ok = text_copy(&to[i]->text, from[i]->text) && text_copy(&to[i]->key, from[i]->key) &&
             text_copy(&to[i]->origin, from[i]->origin);
    }
    if (ok)
        return 0;
    spec_clear(copy);
    return -ENOMEM;
}

void spec_clear(struct identity_spec *spec)
{
    struct value_ref *refs[REF_COUNT];

    text_clear(&spec->reason);
    text_clear(&spec->region);
    list_refs(spec, refs);
    for (int i = 0; i < REF_COUNT; i++) {
        text_clear(&refs[i]->text);
        text_clear(&refs[i]->key);
        text_clear(&refs[i]->origin);
        refs[i]->source = SOURCE_ABSENT;
    }
}

static bool ref_equal(const struct value_ref *a, const struct value_ref *b)
{
    return a->source == b->source && text_equal(a->text, b->text) && text_equal(a->key, b->key);
}

bool spec_equal(const struct identity_spec *a, const struct identity_spec *b)
{
    return a->kind == b->kind && text_equal(a->region, b->region) &&
           ref_equal(&a->role, &b->role) && ref_equal(&a->external_id, &b->external_id) &&
           ref_equal(&a->key_id, &b->key_id) && ref_equal(&a->secret_key, &b->secret_key) &&
           ref_equal(&a->session_token, &b->session_token);
}
