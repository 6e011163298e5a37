/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ipc/methods.h"

#include "agent/ipc/pending_request.h"
#include "proto/writer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NAMES_SHOWN 6

static const struct {
    const char *name;
    method_fn *fn;
} methods[] = {
    {"count", method_count},
    {"ping", method_ping},
    {"hello", method_hello},
    {"list", method_list},
    {"status", method_status},
    {"whoami", method_whoami},
    {"watch", method_watch},
    {"unwatch", method_unwatch},
    {"explain", method_explain},
    {"query", method_query},
    {"diagnose", method_diagnose},
};

#define METHOD_COUNT (sizeof(methods) / sizeof(methods[0]))
_Static_assert(METHOD_COUNT <= SERVER_METHODS_MAX, "a counter for each method");

void dispatch_pack_requests(struct buffer *buffer, const struct server *server)
{
    struct map map = map_begin(buffer);

    for (size_t i = 0; i < METHOD_COUNT; i++) {
        if (server->method_requests[i] > 0)
            map_uint(&map, methods[i].name, server->method_requests[i]);
    }
    map_end(&map);
}

void dispatch_pack_names(struct buffer *buffer, bool allow_query)
{
    size_t array = write_array_begin(buffer);
    uint16_t count = 0;

    for (size_t i = 0; i < METHOD_COUNT; i++) {
        if (!allow_query && strcmp(methods[i].name, "query") == 0)
            continue;
        write_string(buffer, methods[i].name);
        count++;
    }
    write_array_end(buffer, array, count);
}

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

/* params: an array that holds one map, or nothing. Only `count` also accepts the trigger's name. */
static bool open_params(struct method_call *call, struct reader params)
{
    uint32_t count = 0;

    call->has_params = false;
    if (!reader_array(&params, &count))
        return false;
    call->params = params;
    call->has_params = count > 0 && reader_peek(&params) != VALUE_NIL;
    return count <= 1;
}

static void call_method(struct session *session, const struct message *message)
{
    struct method_call call = {.session = session, .id = message->id, .body = message->body};

    session->server->stats.requests++;
    session->requests++;
    if (session->refused) {
        session_fail(session, message->id, session->refusal);
        return;
    }
    if (message->flaw != NULL) {
        method_fail(&call, ERROR_INVALID_REQUEST, "%s", message->flaw);
        return;
    }
    if (!open_params(&call, message->params)) {
        method_fail(&call, ERROR_INVALID_REQUEST,
            "params must be an array that holds one map, such as [{\"trigger\": \"name\"}]");
        return;
    }
    for (size_t i = 0; i < METHOD_COUNT; i++) {
        if (text_equals(message->method, methods[i].name)) {
            session->server->method_requests[i]++;
            call.method = i;
            methods[i].fn(&call);
            return;
        }
    }
    method_fail(&call, ERROR_UNKNOWN_METHOD, "there is no method \"%.*s\"; 'hello' lists them",
        (int)(message->method.len < 80 ? message->method.len : 80), message->method.data);
}

static bool dispatch_frame(struct session *session, const uint8_t *frame, size_t len)
{
    struct message message;

    if (message_decode(&message, frame, len) < 0 || message.kind == MESSAGE_ANSWER)
        return false;
    if (message.kind == MESSAGE_REQUEST)
        call_method(session, &message);
    /* A notification gets no answer, and the agent ignores all of them. */
    return true;
}

static void dispatch_closing(struct session *session)
{
    pending_forget(session);
    method_watch_forget(session);
}

const struct session_hooks dispatch_hooks = {.frame = dispatch_frame,
    .repeated = method_count_repeated,
    .caught_up = method_watch_catch_up,
    .closing = dispatch_closing};
