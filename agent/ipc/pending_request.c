/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ipc/pending_request.h"

#include "agent/count/decision.h"
#include "agent/ipc/client_values.h"
#include "agent/ipc/params.h"

#include <errno.h>
#include <stdlib.h>

/* ---- pending ---- */

bool pending_may_begin(struct method_call *call)
{
    if (call->session->in_flight < LIMIT_IN_FLIGHT)
        return true;
    method_fail(call, ERROR_BUSY,
        "%u requests of this connection are unanswered, its limit; wait for answers",
        LIMIT_IN_FLIGHT);
    return false;
}

void pending_begin(struct pending *pending, const struct method_call *call, pending_leave_fn *leave)
{
    pending->session = call->session;
    pending->id = call->id;
    pending->leave = leave;
    pending->started_us = loop_microseconds(call->session->server->options.loop);
    ring_add(&call->session->pending, &pending->link);
    call->session->in_flight++;
}

static void take_out(struct pending *pending)
{
    ring_remove(&pending->link);
    pending->session->in_flight--;
}

void pending_end(struct pending *pending)
{
    struct server *server = pending->session->server;
    int64_t now;

    /* An answer that is sent while its batch is read is measured with the batch. */
    if (server->batch != pending->session) {
        now = loop_microseconds(server->options.loop);
        latency_add(&server->latency, now, now - pending->started_us, 1);
    }
    take_out(pending);
}

void pending_forget(struct session *session)
{
    while (!ring_is_empty(&session->pending)) {
        struct pending *pending = RING_MEMBER(session->pending.next, struct pending, link);

        take_out(pending);
        pending->leave(pending);
    }
}

/* ---- ask ---- */

/* The params as given, before they are resolved. */
struct said {
    struct text trigger;
    bool has_trigger;
    struct reader values;
    bool has_values;
};

static void request_read_one(
    struct ask *ask, struct said *said, struct params *params, struct text name, unsigned accepted)
{
    int64_t number = 0;

    if (text_equals(name, "trigger")) {
        params_text(params, "trigger", &said->trigger);
        said->has_trigger = true;
    } else if ((accepted & ASK_MAX_AGE) && text_equals(name, "max_age_ms")) {
        params_age(params, "max_age_ms", &ask->max_age_ms);
    } else if ((accepted & ASK_TIMEOUT) && text_equals(name, "timeout_ms")) {
        params_integer(params, "timeout_ms", 1, TIMEOUT_MAX_MS, &ask->timeout_ms);
    } else if ((accepted & ASK_REPLICAS) && text_equals(name, "replicas")) {
        params_integer(params, "replicas", 0, INT32_MAX, &number);
        ask->replicas = (int32_t)number;
    } else if ((accepted & ASK_ENOUGH) && text_equals(name, "enough")) {
        params_integer(params, "enough", 1, INT64_MAX, &number);
        ask->enough = (uint64_t)number;
    } else if ((accepted & ASK_VALUES) && text_equals(name, "values")) {
        params_map(params, "values", &said->values);
        said->has_values = true;
    } else {
        params_skip(params);
    }
}

static bool request_is_text(const struct method_call *call)
{
    enum value_type type = call->has_params ? reader_peek(&call->params) : VALUE_NONE;

    return type == VALUE_STRING || type == VALUE_BINARY;
}

/* False: answered. */
static bool request_read_params(
    struct ask *ask, struct said *said, struct method_call *call, unsigned accepted)
{
    struct params params;
    struct text name;

    if ((accepted & ASK_NAME_ALONE) && request_is_text(call)) {
        reader_text(&call->params, &said->trigger);
        return true;
    }
    params_open(&params, call);
    while (params_next(&params, &name))
        request_read_one(ask, said, &params, name, accepted);
    if (!said->has_trigger)
        params_fail(&params, ASK_TRIGGER_MISSING);
    return params_close(&params);
}

/* False: answered. */
static bool merge_values(struct ask *ask, const struct said *said, struct method_call *call)
{
    char why[300];
    int r;

    if (ask->trigger->query.client_value_count == 0 && !said->has_values)
        return true;
    r = client_values_merge(&ask->trigger->query, said->has_values ? &said->values : NULL,
        &ask->values, why, sizeof(why));
    if (r == -ENOMEM)
        method_fail(call, ERROR_INTERNAL, "no memory for the values");
    else if (r < 0)
        method_fail(call, ERROR_INVALID_REQUEST, "trigger %s: %s", ask->trigger->name, why);
    return r == 0;
}

bool ask_read(struct ask *ask, struct method_call *call, unsigned params)
{
    struct said said = {.has_trigger = false};

    *ask = (struct ask){.max_age_ms = COUNT_AGE_DEFAULT,
        .timeout_ms = TIMEOUT_DEFAULT_MS,
        .replicas = REPLICAS_UNKNOWN};
    if (!request_read_params(ask, &said, call, params))
        return false;
    ask->trigger = method_trigger(call, said.trigger);
    return ask->trigger != NULL && merge_values(ask, &said, call);
}

void ask_clear(struct ask *ask)
{
    free(ask->values);
    ask->values = NULL;
}

struct trigger_state *ask_state(const struct ask *ask, struct method_call *call)
{
    struct counter *counter = call->session->server->options.counter;
    struct trigger_state *state = counter_state(counter, ask->trigger, ask->values);

    if (state == NULL && ask->values != NULL && counter_is_crowded(counter, ask->trigger))
        method_fail(call, ERROR_BUSY,
            "trigger %s: %d sets of values are being counted, its limit; ask again when some are "
            "done",
            ask->trigger->name, COUNTER_VARIANTS_MAX);
    else if (state == NULL)
        method_fail(call, ERROR_INTERNAL, "no memory for the trigger's state");
    return state;
}
