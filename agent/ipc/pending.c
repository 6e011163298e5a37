#include "agent/ipc/pending.h"

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

    /* One that is answered while its batch is read is measured with the batch. */
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
