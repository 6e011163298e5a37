/* SPDX-License-Identifier: Apache-2.0 */
/* The `metadata` of a trigger: texts by name. */
#ifndef TALLY_AGENT_CONFIG_PARAMETERS_H
#define TALLY_AGENT_CONFIG_PARAMETERS_H

#include "agent/config/parser.h"

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

/* As parameter_text, kept by the config. */
const char *parameter_keep(const struct parameters *parameters, const char *name);

/* The place of the parameter, or of the trigger if it is absent. */
struct place parameter_place(const struct parameters *parameters, const char *name);

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
