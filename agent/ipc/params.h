/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the params of a request: a map, name by name. Errors are sticky, so one check at
 * the end is enough:
 *
 *     params_open(&params, call);
 *     while (params_next(&params, &name)) {
 *         if (text_equals(name, "after"))
 *             params_text(&params, "after", &after);
 *         else
 *             params_skip(&params);
 *     }
 *     if (!params_close(&params)) return; // an error was answered
 */
#ifndef TALLY_AGENT_IPC_PARAMS_H
#define TALLY_AGENT_IPC_PARAMS_H

#include "agent/ipc/methods.h"

struct params {
    struct method_call *call;
    struct reader reader; /* at the value of the name that params_next gave */
    uint32_t pairs;       /* still to come */
    bool failed;
    enum error_code code; /* where `failed` */
    char why[300];
};

/* No params are equivalent to an empty map. */
void params_open(struct params *params, struct method_call *call);

/* The next name that has a value: nil counts as absent. False: no more, or failed. */
bool params_next(struct params *params, struct text *name);

/* Call exactly one of these for each name. */
void params_skip(struct params *params);
void params_text(struct params *params, const char *name, struct text *value);
void params_bool(struct params *params, const char *name, bool *value);
void params_integer(
    struct params *params, const char *name, int64_t least, int64_t most, int64_t *value);

/* Milliseconds; values above DURATION_MAX_MS count as DURATION_MAX_MS. */
void params_age(struct params *params, const char *name, int64_t *value);
void params_map(struct params *params, const char *name, struct reader *value); /* at the map */

void params_fail(struct params *params, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* An error that the client did not cause. */
void params_fail_memory(struct params *params);

/* False on an error, which was then answered: INVALID_REQUEST, or INTERNAL. */
bool params_close(struct params *params);

/* For a method with one parameter, an optional string; *value stays unchanged if it is absent.
 * False: an error was answered. */
bool params_only_text(struct method_call *call, const char *name, struct text *value);

#endif
