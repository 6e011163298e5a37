/* SPDX-License-Identifier: Apache-2.0 */
/* A request that is answered later. Its session knows it from decoding until the answer, so that it
 * ends with the session, and one connection cannot have too many. The methods embed it in the state
 * that they keep for the request. */
#ifndef TALLY_AGENT_IPC_PENDING_REQUEST_H
#define TALLY_AGENT_IPC_PENDING_REQUEST_H

#include "agent/ipc/methods.h"

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

/* The session is closing. */
void pending_forget(struct session *session);

/* What a request refers to: the params that count, explain, watch and unwatch share. */

#define ASK_TRIGGER_MISSING "trigger is missing; name one, such as [{\"trigger\": \"name\"}]"

/* Params that a method takes besides `trigger`. */
enum ask_param {
    ASK_MAX_AGE = 1 << 0,
    ASK_TIMEOUT = 1 << 1,
    ASK_REPLICAS = 1 << 2,
    ASK_VALUES = 1 << 3,
    ASK_NAME_ALONE = 1 << 4, /* the trigger's name instead of the map */
    ASK_ENOUGH = 1 << 5,
};

struct ask {
    const struct trigger *trigger; /* of the configuration in force */
    int64_t max_age_ms;            /* COUNT_AGE_DEFAULT: not given */
    int64_t timeout_ms;
    int32_t replicas; /* REPLICAS_UNKNOWN: not given */
    uint64_t enough;  /* 0: not given */
    char *values;     /* for counter_state; owned; NULL: the trigger's own */
};

/* False: an error was answered, and there is nothing to clear. A trigger without clientValues costs
 * no allocation. */
bool ask_read(struct ask *ask, struct method_call *call, unsigned params);
void ask_clear(struct ask *ask);

/* The state that the request refers to, or NULL: an error was answered. */
struct trigger_state *ask_state(const struct ask *ask, struct method_call *call);

#endif
