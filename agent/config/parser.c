/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config/parser.h"

#include "agent/config/config.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_BLOCK    (32u * 1024u)
#define KEPT_MAX      (512u * 1024u * 1024u)
#define SCRATCH_BLOCK (256u * 1024u)
#define SCRATCH_MAX   (256u * 1024u * 1024u)

#define SECRETS_DIR "/var/run/secrets/tally"

static const char *environment(const char *name)
{
    return getenv(name);
}

void parser_free(struct parser *parser)
{
    findings_free(&parser->findings);
    documents_free(&parser->documents);
    arena_destroy(parser->scratch);
    arena_destroy(parser->kept);
    free(parser->triggers);
    free(parser->specs);
    free(parser->spec_hashes);
    free(parser);
}

struct parser *parser_create(const struct config_options *options, config_file_fn *read_file)
{
    struct parser *parser = calloc(1, sizeof(*parser));
    if (parser == NULL)
        return NULL;
    parser->secrets_dir = options->secrets_dir != NULL ? options->secrets_dir : SECRETS_DIR;
    parser->getenv = options->getenv != NULL ? options->getenv : environment;
    parser->environment.allow_http = options->allow_http;
    endpoint_environment_read(&parser->environment, parser->getenv);
    parser->read_file = read_file;
    parser->kept = arena_create(KEPT_BLOCK, KEPT_MAX);
    parser->scratch = arena_create(SCRATCH_BLOCK, SCRATCH_MAX);
    findings_init(&parser->findings, parser->kept);
    documents_init(&parser->documents, parser->scratch, &parser->findings);
    if (parser->kept == NULL || parser->scratch == NULL) {
        parser_free(parser);
        return NULL;
    }
    return parser;
}

const char *parser_keep(struct parser *parser, const char *text)
{
    const char *copy = arena_copy_string(parser->kept, text);
    if (copy == NULL)
        parser->failed = true;
    return copy;
}

const char *parser_printf(struct parser *parser, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = arena_vprintf(parser->kept, format, args);
    va_end(args);
    if (text == NULL)
        parser->failed = true;
    return text;
}

struct trigger *parser_add_trigger(struct parser *parser)
{
    if (parser->trigger_count == parser->trigger_capacity) {
        size_t capacity = parser->trigger_capacity > 0 ? parser->trigger_capacity * 2 : 16;
        struct trigger *triggers = realloc(parser->triggers, capacity * sizeof(*triggers));
        if (triggers == NULL) {
            parser->failed = true;
            return NULL;
        }
        parser->triggers = triggers;
        parser->trigger_capacity = capacity;
    }
    struct trigger *trigger = &parser->triggers[parser->trigger_count++];
    *trigger = (struct trigger){0};
    return trigger;
}

/* ---- identities: equal ones are shared ---- */

static bool grow(struct parser *parser)
{
    size_t capacity = parser->spec_capacity > 0 ? parser->spec_capacity * 2 : 16;
    const struct identity_spec **specs = realloc(
        parser->specs, capacity * sizeof(const struct identity_spec *));
    if (specs == NULL)
        return false;
    parser->specs = specs;
    uint32_t *hashes = realloc(parser->spec_hashes, capacity * sizeof(*hashes));
    if (hashes == NULL)
        return false;
    parser->spec_hashes = hashes;
    parser->spec_capacity = capacity;
    return true;
}

const struct identity_spec *parser_share(struct parser *parser, const struct identity_spec *spec)
{
    uint32_t hash = identity_spec_hash(spec);

    for (size_t i = 0; i < parser->spec_count; i++) {
        if (parser->spec_hashes[i] == hash && identity_spec_equal(parser->specs[i], spec) &&
            identity_spec_same_reason(parser->specs[i], spec))
            return parser->specs[i];
    }
    struct identity_spec *copy = arena_alloc(parser->kept, sizeof(*copy));
    if (copy == NULL || (parser->spec_count == parser->spec_capacity && !grow(parser))) {
        parser->failed = true;
        return NULL;
    }
    *copy = *spec;
    parser->specs[parser->spec_count] = copy;
    parser->spec_hashes[parser->spec_count++] = hash;
    return copy;
}
