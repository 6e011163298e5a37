/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ipc/dispatch.h"

#include "agent/ipc/methods.h"
#include "proto/message.h"

static const struct method methods[] = {
    {.name = "count", .fn = method_count},
    {.name = "ping", .fn = method_ping},
    {.name = "hello", .fn = method_hello},
    {.name = "list", .fn = method_list},
    {.name = "status", .fn = method_status},
    {.name = "whoami", .fn = method_whoami},
    {.name = "watch", .fn = method_watch},
    {.name = "unwatch", .fn = method_unwatch},
    {.name = "explain", .fn = method_explain},
    {.name = "query", .fn = method_query, .is_optional = true},
    {.name = "diagnose", .fn = method_diagnose},
    {.name = NULL},
};

_Static_assert(
    sizeof(methods) / sizeof(methods[0]) - 1 <= SERVER_METHODS_MAX, "a counter for each method");

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
    struct method_call call = {
        .session = session, .id = message->id, .body = message->body, .methods = methods};

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
    for (size_t i = 0; methods[i].name != NULL; i++) {
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
    pending_cancel_all(session);
    method_watch_forget(session);
}

const struct session_hooks dispatch_hooks = {.frame = dispatch_frame,
    .repeated = method_count_repeated,
    .caught_up = method_watch_catch_up,
    .closing = dispatch_closing};
