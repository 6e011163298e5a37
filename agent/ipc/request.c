/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ipc/request.h"

#include "agent/count/decision.h"
#include "agent/ipc/client_values.h"
#include "proto/duration.h"
#include "proto/writer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_SHOWN 6

/* ---- the request ---- */

void method_fail(struct method_call *call, enum error_code code, const char *format, ...)
{
    struct failure failure;
    va_list arguments;

    va_start(arguments, format);
    failure_vset(&failure, code, format, arguments);
    va_end(arguments);
    session_fail(call->session, call->id, &failure);
}

/* "a, b, c, …": the first few names of `total`. */
static void list_names(char *text, size_t size, const char *const *names, size_t total)
{
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < total && i < NAMES_SHOWN && len < size; i++)
        len += (size_t)snprintf(text + len, size - len, "%s%s", i > 0 ? ", " : "", names[i]);
    if (total > NAMES_SHOWN && len < size)
        snprintf(text + len, size - len, ", … ('tally list' shows all)");
}

/* The first few trigger names, for a client that named an unknown trigger. */
static void list_triggers(char *text, size_t size, const struct config *config)
{
    const char *names[NAMES_SHOWN];

    for (size_t i = 0; i < config->trigger_count && i < NAMES_SHOWN; i++)
        names[i] = config->triggers[i].name;
    list_names(text, size, names, config->trigger_count);
}

const struct trigger *method_trigger(struct method_call *call, struct text name)
{
    const struct config *config = counter_config(call->session->server->options.counter);
    const char *candidates[NAMES_SHOWN];
    const struct trigger *trigger;
    char names[240];
    size_t matches = 0;
    int shown = (int)(name.len < 100 ? name.len : 100);

    trigger = config_find(config, name.data, name.len, &matches, candidates, NAMES_SHOWN);
    if (trigger != NULL)
        return trigger;
    if (config->trigger_count == 0) {
        method_fail(call, ERROR_UNKNOWN_TRIGGER,
            "the configuration has no aws-dynamodb trigger; add one, or see --config");
    } else if (matches == 0) {
        list_triggers(names, sizeof(names), config);
        method_fail(call, ERROR_UNKNOWN_TRIGGER, "no trigger is named \"%.*s\"; there are: %s",
            shown, name.data, names);
    } else {
        list_names(names, sizeof(names), candidates, matches);
        method_fail(
            call, ERROR_AMBIGUOUS_TRIGGER, "\"%.*s\" can be any of: %s", shown, name.data, names);
    }
    return NULL;
}

/* ---- params ---- */

void params_fail(struct params *params, const char *format, ...)
{
    va_list arguments;

    if (params->failed)
        return;
    params->failed = true;
    params->code = ERROR_INVALID_REQUEST;
    va_start(arguments, format);
    vsnprintf(params->why, sizeof(params->why), format, arguments);
    va_end(arguments);
}

void params_fail_memory(struct params *params)
{
    if (params->failed)
        return;
    params_fail(params, "no memory for the request");
    params->code = ERROR_INTERNAL;
}

void params_open(struct params *params, struct method_call *call)
{
    params->call = call;
    params->reader = call->params;
    params->pairs = 0;
    params->failed = false;
    if (call->has_params && !reader_map(&params->reader, &params->pairs))
        params_fail(params, "params must hold one map, such as [{\"trigger\": \"name\"}]");
}

bool params_next(struct params *params, struct text *name)
{
    while (!params->failed && params->pairs > 0) {
        params->pairs--;
        if (!reader_text(&params->reader, name))
            params_fail(params, "the names in params must be strings");
        else if (reader_peek(&params->reader) != VALUE_NIL)
            return true;
        else
            reader_nil(&params->reader);
    }
    return false;
}

void params_skip(struct params *params)
{
    if (!reader_skip(&params->reader, NULL))
        params_fail(params, "params are not valid");
}

void params_text(struct params *params, const char *name, struct text *value)
{
    if (!reader_text(&params->reader, value))
        params_fail(params, "%s must be a string", name);
}

void params_bool(struct params *params, const char *name, bool *value)
{
    if (!reader_bool(&params->reader, value))
        params_fail(params, "%s must be true or false", name);
}

void params_integer(
    struct params *params, const char *name, int64_t least, int64_t most, int64_t *value)
{
    uint64_t number = 0;

    if (reader_uint(&params->reader, &number) && number >= (uint64_t)least &&
        number <= (uint64_t)most)
        *value = (int64_t)number;
    else
        params_fail(
            params, "%s must be a whole number from %" PRId64 " to %" PRId64, name, least, most);
}

/* Milliseconds; values above DURATION_MAX_MS count as DURATION_MAX_MS. */
static void params_age(struct params *params, const char *name, int64_t *value)
{
    uint64_t number = 0;

    if (reader_uint(&params->reader, &number))
        *value = number < DURATION_MAX_MS ? (int64_t)number : DURATION_MAX_MS;
    else
        params_fail(params, "%s must be a whole number of milliseconds, 0 or more", name);
}

void params_map(struct params *params, const char *name, struct reader *value)
{
    struct reader probe = params->reader;
    uint32_t pairs;

    *value = params->reader;
    if (!reader_map(&probe, &pairs))
        params_fail(params, "%s must be a map", name);
    else
        params_skip(params);
}

bool params_close(struct params *params)
{
    if (params->failed)
        method_fail(params->call, params->code, "%s", params->why);
    return !params->failed;
}

bool params_only_text(struct method_call *call, const char *name, struct text *value)
{
    struct params params;
    struct text key;

    params_open(&params, call);
    while (params_next(&params, &key)) {
        if (text_equals(key, name))
            params_text(&params, name, value);
        else
            params_skip(&params);
    }
    return params_close(&params);
}

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
    if (!pending->session->channel.in_use) {
        now = loop_microseconds(server->options.loop);
        latency_add(&server->latency, now, now - pending->started_us, 1);
    }
    take_out(pending);
}

void pending_cancel_all(struct session *session)
{
    while (!ring_is_empty(&session->pending)) {
        struct pending *pending = RING_MEMBER(session->pending.next, struct pending, link);

        take_out(pending);
        pending->leave(pending);
    }
}

/* ---- the trigger, and the params that go with it ---- */

/* The params as given, before they are resolved. */
struct given_params {
    struct text trigger;
    bool has_trigger;
    struct reader values;
    bool has_values;
};

static void request_read_one(struct trigger_params *wanted, struct given_params *given,
    struct params *params, struct text name, unsigned accepted)
{
    int64_t number = 0;

    if (text_equals(name, "trigger")) {
        params_text(params, "trigger", &given->trigger);
        given->has_trigger = true;
    } else if ((accepted & PARAM_MAX_AGE) && text_equals(name, "max_age_ms")) {
        params_age(params, "max_age_ms", &wanted->max_age_ms);
    } else if ((accepted & PARAM_TIMEOUT) && text_equals(name, "timeout_ms")) {
        params_integer(params, "timeout_ms", 1, TIMEOUT_MAX_MS, &wanted->timeout_ms);
    } else if ((accepted & PARAM_REPLICAS) && text_equals(name, "replicas")) {
        params_integer(params, "replicas", 0, INT32_MAX, &number);
        wanted->replicas = (int32_t)number;
    } else if ((accepted & PARAM_ENOUGH) && text_equals(name, "enough")) {
        params_integer(params, "enough", 1, INT64_MAX, &number);
        wanted->enough = (uint64_t)number;
    } else if ((accepted & PARAM_VALUES) && text_equals(name, "values")) {
        params_map(params, "values", &given->values);
        given->has_values = true;
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
static bool request_read_params(struct trigger_params *wanted, struct given_params *given,
    struct method_call *call, unsigned accepted)
{
    struct params params;
    struct text name;

    if ((accepted & PARAM_NAME_ALONE) && request_is_text(call)) {
        reader_text(&call->params, &given->trigger);
        return true;
    }
    params_open(&params, call);
    while (params_next(&params, &name))
        request_read_one(wanted, given, &params, name, accepted);
    if (!given->has_trigger)
        params_fail(&params, TRIGGER_MISSING);
    return params_close(&params);
}

/* False: answered. */
static bool merge_values(
    struct trigger_params *wanted, const struct given_params *given, struct method_call *call)
{
    char why[300];
    int r;

    if (wanted->trigger->query.client_value_count == 0 && !given->has_values)
        return true;
    r = client_values_merge(&wanted->trigger->query, given->has_values ? &given->values : NULL,
        &wanted->values, why, sizeof(why));
    if (r == -ENOMEM)
        method_fail(call, ERROR_INTERNAL, "no memory for the values");
    else if (r < 0)
        method_fail(call, ERROR_INVALID_REQUEST, "trigger %s: %s", wanted->trigger->name, why);
    return r == 0;
}

bool trigger_params_read(struct trigger_params *wanted, struct method_call *call, unsigned params)
{
    struct given_params given = {.has_trigger = false};

    *wanted = (struct trigger_params){.max_age_ms = COUNT_AGE_DEFAULT,
        .timeout_ms = TIMEOUT_DEFAULT_MS,
        .replicas = REPLICAS_UNKNOWN};
    if (!request_read_params(wanted, &given, call, params))
        return false;
    wanted->trigger = method_trigger(call, given.trigger);
    return wanted->trigger != NULL && merge_values(wanted, &given, call);
}

void trigger_params_clear(struct trigger_params *wanted)
{
    free(wanted->values);
    wanted->values = NULL;
}

struct trigger_state *trigger_params_state(
    const struct trigger_params *wanted, struct method_call *call)
{
    struct counter *counter = call->session->server->options.counter;
    struct trigger_state *state = NULL;
    int r = counter_state(counter, wanted->trigger, wanted->values, &state);

    if (r == -EBUSY)
        method_fail(call, ERROR_BUSY,
            "trigger %s: %d sets of values are being counted, its limit; ask again when some are "
            "done",
            wanted->trigger->name, COUNTER_VARIANTS_MAX);
    else if (r < 0)
        method_fail(call, ERROR_INTERNAL, "no memory for the trigger's state");
    return r == 0 ? state : NULL;
}
