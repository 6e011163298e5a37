#include "agent/ipc/params.h"
#include "agent/ipc/server.h"
#include "agent/log.h"
#include "proto/utf8.h"
#include "proto/writer.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLIENT_NAME_BYTES 64 /* of what a program calls itself, the rest is cut off */

static void pack_limit(struct buffer *buffer, const char *name, uint64_t value)
{
    write_string(buffer, name);
    write_uint(buffer, value);
}

/* Remembers and logs what the program calls itself; the log tells it once a minute for each uid.
 * Without memory it stays without a name. */
static void name_client(struct session *session, struct text name)
{
    char text[CLIENT_NAME_BYTES + 1];

    utf8_copy(text, sizeof(text), name.data, name.len);
    if (session->client != NULL && strcmp(session->client, text) == 0)
        return;
    free(session->client);
    session->client = text[0] != '\0' ? strdup(text) : NULL;
    log_often(LOG_LEVEL_INFO, "client", LOG_TEXT("client", text), LOG_NUMBER("uid", session->uid),
        LOG_NUMBER("pid", session->pid));
}

static void read_error_form(struct params *params, bool *as_string)
{
    struct text form = {NULL, 0};

    params_text(params, "errors", &form);
    if (params->failed)
        return;
    *as_string = text_equals(form, "string");
    if (!*as_string && !text_equals(form, "map"))
        params_fail(params, "errors must be \"map\" or \"string\"");
}

void method_hello(struct method_call *call)
{
    const struct server *server = call->session->server;
    struct text client = {NULL, 0};
    bool as_string = call->session->errors_as_string;
    struct params params;
    struct text name;
    struct session_answer out;
    struct buffer *buffer;

    params_open(&params, call);
    while (params_next(&params, &name)) {
        if (text_equals(name, "client"))
            params_text(&params, "client", &client);
        else if (text_equals(name, "errors"))
            read_error_form(&params, &as_string);
        else
            params_skip(&params);
    }
    if (!params_close(&params))
        return;
    call->session->errors_as_string = as_string;
    if (client.data != NULL)
        name_client(call->session, client);
    out = session_begin(call->session);
    buffer = out.buffer;
    message_begin_answer(buffer, call->id);
    write_map(buffer, 6);
    write_string(buffer, "protocol");
    write_string(buffer, PROTOCOL_NAME);
    pack_limit(buffer, "version", PROTOCOL_VERSION);
    write_string(buffer, "agent");
    write_string(buffer, TALLY_VERSION);
    write_string(buffer, "errors");
    write_string(buffer, call->session->errors_as_string ? "string" : "map");
    write_string(buffer, "methods");
    dispatch_pack_names(buffer, server->options.allow_query);
    write_string(buffer, "limits");
    write_map(buffer, 9);
    pack_limit(buffer, "request_bytes", LIMIT_REQUEST_BYTES);
    pack_limit(buffer, "depth", LIMIT_DEPTH);
    pack_limit(buffer, "in_flight", LIMIT_IN_FLIGHT);
    pack_limit(buffer, "watches", LIMIT_WATCHES);
    pack_limit(buffer, "connections", server->connection_limit);
    pack_limit(buffer, "connections_of_user", server_user_limit(server));
    pack_limit(buffer, "output_bytes", server->output_bytes);
    pack_limit(buffer, "timeout_ms_default", TIMEOUT_DEFAULT_MS);
    pack_limit(buffer, "timeout_ms_max", TIMEOUT_MAX_MS);
    session_end(call->session, out, call->id);
}

void method_ping(struct method_call *call)
{
    struct server *server = call->session->server;
    struct session_answer out = session_begin(call->session);

    message_begin_answer(out.buffer, call->id);
    write_map(out.buffer, 2);
    write_string(out.buffer, "pid");
    write_int(out.buffer, getpid());
    write_string(out.buffer, "uptime_ms");
    write_int(out.buffer, loop_now(server->options.loop) - server->started_at);
    session_end(call->session, out, call->id);
}
