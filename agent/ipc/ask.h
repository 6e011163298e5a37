/* What a request asks about: the params that count, explain, watch and unwatch share. */
#ifndef TALLY_AGENT_IPC_ASK_H
#define TALLY_AGENT_IPC_ASK_H

#include "agent/ipc/methods.h"

#define ASK_TRIGGER_MISSING "trigger is missing; name one, such as [{\"trigger\": \"name\"}]"

/* Params that a method takes besides `trigger`. */
enum ask_param {
    ASK_MAX_AGE = 1 << 0,
    ASK_TIMEOUT = 1 << 1,
    ASK_REPLICAS = 1 << 2,
    ASK_VALUES = 1 << 3,
    ASK_NAME_ALONE = 1 << 4, /* the trigger's name in place of the map */
};

struct ask {
    const struct trigger *trigger; /* of the configuration in force */
    int64_t max_age_ms;            /* COUNT_AGE_DEFAULT: not said */
    int64_t timeout_ms;
    int32_t replicas; /* REPLICAS_UNKNOWN: not said */
    char *values;     /* for counter_state; owned; NULL: the trigger's own */
};

/* False: an error was answered, and there is nothing to clear. A trigger that takes no values of
 * clients costs no allocation. */
bool ask_read(struct ask *ask, struct method_call *call, unsigned params);
void ask_clear(struct ask *ask);

/* Only the trigger's name; where there is none, *name is left alone. For methods that can do
 * without. False: an error was answered. */
bool ask_read_name(struct method_call *call, struct text *name);

/* The state that is asked. Or an error was answered (NULL). */
struct trigger_state *ask_state(const struct ask *ask, struct method_call *call);

#endif
