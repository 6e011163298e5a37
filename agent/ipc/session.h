/* One connection: bytes in, requests to the methods, answers out in any order. It reads no more
 * while its answers are not taken, and costs little while it is idle. */
#ifndef TALLY_AGENT_IPC_SESSION_H
#define TALLY_AGENT_IPC_SESSION_H

#include "agent/ipc/repeat.h"
#include "agent/ipc/server.h"
#include "proto/frame.h"
#include "proto/message.h"

#include <sys/socket.h>

/* What an answer from the cache touches stands first and together: with many connections, the
 * memory that is fetched for each is much of what an answer costs. */
struct session {
    struct server *server;
    int fd;
    unsigned events; /* watched for now */
    unsigned in_flight;
    bool held;    /* whole frames may be among the input: the peer took no answers, or: */
    bool cut;     /* its share of the turn was used up */
    bool behind;  /* some watch was not told the newest, because answers wait to be taken */
    bool refused; /* every request is answered with `refusal`, and then the connection closed */
    bool errors_as_string; /* as hello asked; else they are maps */
    bool closing;          /* to be closed when the present batch is over */
    bool lingers;          /* closed, but the kernel keeps answers that the peer has not read */
    uint32_t read_bytes;   /* the most to be read at once */
    uint64_t requests;
    int64_t used_at;      /* loop_now of the last bytes */
    size_t unread_bytes;  /* memory of the kernel that answers take, at most */
    size_t kept_bytes;    /* memory that the input takes, as server::kept_bytes has it */
    struct buffer output; /* answers that the kernel did not take */
    struct buffer input;  /* bytes behind the last frame that was handled */
    struct repeat repeat;
    struct frame_scan scan; /* of the frame that is incomplete */

    struct loop_watch *watch;
    struct ring link;    /* server::sessions */
    struct ring pending; /* pending::link: unanswered requests */
    struct ring watches; /* trigger_watch::link */
    unsigned watch_count;
    uid_t uid;
    gid_t gid;
    pid_t pid; /* a hint only: 0 or another namespace's where pods do not share pids */
    int64_t opened_at;
    struct failure *refusal; /* owned */
    char *client;            /* what hello called the program; owned; NULL: it said nothing */
};

/* Takes the descriptor over, also where it fails (NULL). refusal: why this peer is not served;
 * copied; NULL: it is. */
struct session *session_create(
    struct server *server, int fd, const struct ucred *peer, const struct failure *refusal);
void session_destroy(struct session *session);

/* Closes the connection. While the kernel keeps answers that the peer has not read, its memory is
 * charged to the agent, so the session stays, and is counted, until the peer has read them or is
 * gone: server::sweep destroys it. */
void session_close(struct session *session);

/* Asks the kernel how much memory the answers take that the peer has not read. */
void session_measure_unread(struct session *session);

/* Frees the bytes of the request that is not whole; the session is closing. */
void session_forget_input(struct session *session);

/* An answer is packed between these two, as message_begin_answer and the result. What cannot be
 * packed (no memory, too long) becomes the error INTERNAL for `id`. */
struct session_answer {
    struct buffer *buffer;
    size_t start;
};
struct session_answer session_begin(struct session *session);
void session_end(struct session *session, struct session_answer answer, uint32_t id);

/* After session_begin, for a notification. False: it could not be packed, and is not sent. */
bool session_end_notification(struct session *session, struct session_answer answer);

/* Whether answers wait to be taken by the peer. */
bool session_is_slow(struct session *session);

/* A whole error answer, in the form that the client asked for. `extra`: as message_error. */
void session_fail(struct session *session, uint32_t id, const struct failure *failure);
void session_fail_with(struct session *session, uint32_t id, const struct failure *failure,
    const struct buffer *extra, uint32_t extra_pairs);

#endif
