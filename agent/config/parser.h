/* SPDX-License-Identifier: Apache-2.0 */
/* Builds a configuration: documents go in one after another, then triggers and findings come out.
 * Pure except for the two callbacks it is given. */
#ifndef TALLY_AGENT_CONFIG_PARSER_H
#define TALLY_AGENT_CONFIG_PARSER_H

#include "agent/config/documents.h"
#include "agent/config/trigger.h"
#include "agent/endpoint.h"
#include "proto/buffer.h"

struct config_options {
    const char *const *paths; /* files or folders, in order */
    size_t path_count;
    const char *secrets_dir;
    bool streams;                            /* "-" and pipes are read, too */
    bool allow_http;                         /* plain http to endpoints that are not loopback */
    const char *(*getenv)(const char *name); /* NULL: the process's own environment */
};

/* Appends a mounted value (a Secret's file) to `content`. 0 or a negative errno. */
typedef int config_file_fn(const char *path, struct buffer *content);

struct parser {
    const char *secrets_dir;
    struct endpoint_environment environment;
    const char *(*getenv)(const char *name);
    config_file_fn *read_file;
    struct arena *kept;    /* what the config keeps */
    struct arena *scratch; /* trees; freed when the config is complete */
    struct findings findings;
    struct documents documents;
    unsigned file_count;
    const char *first_file;
    struct trigger *triggers;
    size_t trigger_count, trigger_capacity;
    struct parser_spec {
        uint64_t hash;
        const struct identity_spec *spec;
    } * specs; /* each distinct one */
    size_t spec_count, spec_capacity;
    bool too_many;             /* triggers */
    bool page_reported;        /* the note on one-page counting is given once */
    bool useless_reported;     /* a file or folder without a trigger is reported, so no summary */
    bool environment_reported; /* a problem of a variable is reported once */
    bool failed;               /* out of memory: no config is returned */
};

/* NULL: no memory. */
struct parser *parser_create(const struct config_options *options, config_file_fn *read_file);
void parser_free(struct parser *parser);

/* A copy that the config keeps; NULL sets `failed`. */
const char *parser_keep(struct parser *parser, const char *text);
const char *parser_keep_part(struct parser *parser, const char *text, size_t len);
const char *parser_printf(struct parser *parser, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A zeroed array in one of its arenas. NULL sets `failed`. */
void *parser_array(struct parser *parser, struct arena *arena, size_t count, size_t size);

/* A zeroed trigger at the end of the list; NULL sets `failed`. */
struct trigger *parser_add_trigger(struct parser *parser);

/* ---- scaled object ---- */

/* The part of a ScaledObject, ScaledJob or bare list of triggers that its triggers share. */
struct scaled_object {
    struct parser *parser;
    const struct tree *tree;
    const struct node *spec;
    enum trigger_owner owner;
    const char *namespace_, *name, *file; /* kept */
    int64_t polling_ms;
    bool has_modifiers; /* advanced.scalingModifiers: KEDA scales by a formula of its metrics */
    struct trigger_scaling scaling; /* all but metric type, target and activation */
    size_t dynamodb_count;          /* its aws-dynamodb triggers */
};

/* ---- parameters ---- */

/* The `metadata` of a trigger: texts by name. */

struct parameters {
    struct parser *parser;
    const struct tree *tree;
    const struct node *metadata; /* a map, or NULL */
    const struct node *trigger;  /* where a missing parameter is reported */
};

/* Reports unknown names, values that are not texts, and values that KEDA's CRD refuses. */
void parameters_check(const struct parameters *parameters);

/* The trimmed text; NULL if it is absent or blank, as in KEDA. Lives as long as the tree. */
const char *parameter_text(const struct parameters *parameters, const char *name);

/* The next item of a list with commas, without the blanks around it; moves *list behind its comma,
 * or to NULL where it was the last one. */
const char *parameter_next_item(const char **list, size_t *len);

/* As parameter_text, kept by the config. */
const char *parameter_keep(const struct parameters *parameters, const char *name);

void parameter_error(const struct parameters *parameters, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void parameter_warning(const struct parameters *parameters, const char *name, const char *format,
    ...) __attribute__((format(printf, 3, 4)));
void parameter_note(const struct parameters *parameters, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The texts "true" and "false"; `fallback` if it is absent, or anything else (an error). */
bool parameter_bool(const struct parameters *parameters, const char *name, bool fallback);

/* Whether it is a whole number; adds no finding. */
bool parameter_to_int64(const struct parameters *parameters, const char *name, int64_t *value);

/* A whole number from `least`; `fallback` if it is absent, or anything else (an error). */
int64_t parameter_integer(
    const struct parameters *parameters, const char *name, int64_t least, int64_t fallback);

#endif
