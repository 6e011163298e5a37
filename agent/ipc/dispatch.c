#include "agent/ipc/methods.h"

#include "proto/writer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CANDIDATES_SHOWN 6

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
};

#define METHOD_COUNT (sizeof(methods) / sizeof(methods[0]))

void dispatch_pack_names(struct buffer *buffer)
{
    write_array(buffer, (uint32_t)METHOD_COUNT);
    for (size_t i = 0; i < METHOD_COUNT; i++)
        write_string(buffer, methods[i].name);
}

void method_fail(struct method_call *call, enum error_code code, const char *format, ...)
{
    struct failure failure;
    char message[sizeof(failure.message)];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    failure_set(&failure, code, "%s", message);
    session_fail(call->session, call->id, &failure);
}

const struct trigger *method_trigger(struct method_call *call, struct text name)
{
    const struct config *config = counter_config(call->session->server->options.counter);
    const char *candidates[CANDIDATES_SHOWN];
    const struct trigger *trigger;
    struct failure failure;
    size_t matches = 0;

    trigger = config_find(config, name.data, name.len, &matches, candidates, CANDIDATES_SHOWN);
    if (trigger != NULL)
        return trigger;
    if (matches == 0) {
        failure_set(&failure, ERROR_UNKNOWN_TRIGGER,
            "no trigger is named \"%.*s\"; 'tally list' shows the %zu there are",
            (int)(name.len < 120 ? name.len : 120), name.data, config->trigger_count);
    } else {
        char names[240] = "";

        for (size_t i = 0; i < matches && i < CANDIDATES_SHOWN; i++) {
            size_t len = strlen(names);

            snprintf(names + len, sizeof(names) - len, "%s%s", i > 0 ? ", " : "", candidates[i]);
        }
        failure_set(&failure, ERROR_AMBIGUOUS_TRIGGER, "\"%.*s\" can be any of %zu triggers: %s%s",
            (int)(name.len < 80 ? name.len : 80), name.data, matches, names,
            matches > CANDIDATES_SHOWN ? ", …" : "");
    }
    session_fail(call->session, call->id, &failure);
    return NULL;
}

/* params: an array that holds one map, or nothing. `count` alone also takes its trigger's name. */
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
    struct method_call call = {.session = session, .id = message->id};

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
            methods[i].fn(&call);
            return;
        }
    }
    method_fail(&call, ERROR_UNKNOWN_METHOD, "there is no method \"%.*s\"; 'hello' lists them",
        (int)(message->method.len < 80 ? message->method.len : 80), message->method.data);
}

bool dispatch_frame(struct session *session, const uint8_t *frame, size_t len)
{
    struct message message;

    if (message_decode(&message, frame, len) < 0 || message.kind == MESSAGE_ANSWER)
        return false;
    if (message.kind == MESSAGE_REQUEST)
        call_method(session, &message);
    /* A notification gets no answer, and the agent acts on none. */
    return true;
}
