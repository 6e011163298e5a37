/* A request that is answered later: from when it was decoded until then its session knows it, so
 * that it ends with the session, and so that one connection cannot have too many. The methods put
 * it into what they keep for the request. */
#ifndef TALLY_AGENT_IPC_PENDING_H
#define TALLY_AGENT_IPC_PENDING_H

#include "agent/ipc/methods.h"

struct pending;

/* The client is gone: stop what is under way and free what was kept. The pending request has
 * been taken out of its session already. */
typedef void pending_leave_fn(struct pending *pending);

struct pending {
    struct ring link; /* session::pending */
    struct session *session;
    uint32_t id;
    int64_t started_us;
    pending_leave_fn *leave;
};

/* Whether the connection may have one more; else BUSY was answered. */
bool pending_may_begin(struct method_call *call);

void pending_begin(
    struct pending *pending, const struct method_call *call, pending_leave_fn *leave);

/* Before the answer, which may close the session. */
void pending_end(struct pending *pending);

/* The session is closing. */
void pending_forget(struct session *session);

#endif
