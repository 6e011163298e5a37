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
    ring_add(&call->session->pending, &pending->link);
    call->session->in_flight++;
}

void pending_end(struct pending *pending)
{
    ring_remove(&pending->link);
    pending->session->in_flight--;
}

void pending_forget(struct session *session)
{
    while (!ring_is_empty(&session->pending)) {
        struct pending *pending = RING_MEMBER(session->pending.next, struct pending, link);

        pending_end(pending);
        pending->leave(pending);
    }
}
