#include "agent/ipc/methods.h"
#include "proto/writer.h"

#include <unistd.h>

static void pack_limit(struct buffer *buffer, const char *name, uint64_t value)
{
    write_string(buffer, name);
    write_uint(buffer, value);
}

void method_hello(struct method_call *call)
{
    struct session_answer out = session_begin(call->session);
    struct buffer *buffer = out.buffer;

    message_begin_answer(buffer, call->id);
    write_map(buffer, 5);
    write_string(buffer, "protocol");
    write_string(buffer, PROTOCOL_NAME);
    pack_limit(buffer, "version", PROTOCOL_VERSION);
    write_string(buffer, "agent");
    write_string(buffer, TALLY_VERSION);
    write_string(buffer, "methods");
    dispatch_pack_names(buffer, call->session->server->options.allow_query);
    write_string(buffer, "limits");
    write_map(buffer, 8);
    pack_limit(buffer, "request_bytes", LIMIT_REQUEST_BYTES);
    pack_limit(buffer, "depth", LIMIT_DEPTH);
    pack_limit(buffer, "in_flight", LIMIT_IN_FLIGHT);
    pack_limit(buffer, "watches", LIMIT_WATCHES);
    pack_limit(buffer, "connections", LIMIT_CONNECTIONS);
    pack_limit(buffer, "output_bytes", LIMIT_OUTPUT_BYTES);
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
