/* SPDX-License-Identifier: Apache-2.0 */
/* One request, for the method that answers it: its params, the trigger that it names, and that it
 * is unanswered as long as its method needs. */
#ifndef TALLY_AGENT_IPC_REQUEST_H
#define TALLY_AGENT_IPC_REQUEST_H

#include "agent/ipc/session.h"

struct method_call;
typedef void method_fn(struct method_call *call);

struct method {
    const char *name;
    method_fn *fn;
    bool is_optional; /* answered only with --allow-query */
};

/* One decoded request. `params` is positioned at the map of parameters; without one (no params, or
 * an empty array), has_params is false. */
struct method_call {
    struct session *session;
    uint32_t id;
    struct text body;             /* the bytes behind the msgid */
    const struct method *methods; /* all of the protocol; name NULL: behind the last */
    size_t method;                /* its index in them, and in server::method_requests */
    bool has_params;
    struct reader params;
};

/* Answers an error. */
void method_fail(struct method_call *call, enum error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Finds the trigger of this name, or answers why there is none (NULL). */
const struct trigger *method_trigger(struct method_call *call, struct text name);

/* ---- params ---- */

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

/* ---- pending request ---- */

/* A request that is answered later. Its session knows it from decoding until the answer, so that it
 * ends with the session, and one connection cannot have too many. The methods embed it in the state
 * that they keep for the request. */

struct pending;

/* The client is gone: cancel the work and free the state of the request. The pending request is
 * already removed from its session. */
typedef void pending_leave_fn(struct pending *pending);

struct pending {
    struct ring link; /* session::pending */
    struct session *session;
    uint32_t id;
    int64_t started_us;
    pending_leave_fn *leave;
};

/* Whether the connection may have one more; else BUSY was answered. */
bool pending_may_begin(struct method_call *call);

void pending_begin(
    struct pending *pending, const struct method_call *call, pending_leave_fn *leave);

/* Call it before the answer, which may close the session. */
void pending_end(struct pending *pending);

/* The session is closing: cancels all of its pending requests. */
void pending_cancel_all(struct session *session);

/* ---- the trigger, and the params that go with it ---- */

/* What a request refers to: the params that count, explain and watch share. */

#define TRIGGER_MISSING "trigger is missing; name one, such as [{\"trigger\": \"name\"}]"

/* Params that a method takes besides `trigger`. */
enum trigger_param {
    PARAM_MAX_AGE = 1 << 0,
    PARAM_TIMEOUT = 1 << 1,
    PARAM_REPLICAS = 1 << 2,
    PARAM_VALUES = 1 << 3,
    PARAM_NAME_ALONE = 1 << 4, /* the trigger's name instead of the map */
    PARAM_ENOUGH = 1 << 5,
};

struct trigger_params {
    const struct trigger *trigger; /* of the configuration in force */
    int64_t max_age_ms;            /* COUNT_AGE_DEFAULT: not given */
    int64_t timeout_ms;
    int32_t replicas; /* REPLICAS_UNKNOWN: not given */
    uint64_t enough;  /* 0: not given */
    char *values;     /* for counter_state; owned; NULL: the trigger's own */
};

/* False: an error was answered, and there is nothing to clear. A trigger without clientValues costs
 * no allocation. */
bool trigger_params_read(struct trigger_params *wanted, struct method_call *call, unsigned params);
void trigger_params_clear(struct trigger_params *wanted);

/* The state that the request refers to, or NULL: an error was answered. */
struct trigger_state *trigger_params_state(
    const struct trigger_params *wanted, struct method_call *call);

#endif
