/* SPDX-License-Identifier: Apache-2.0 */
/* One connection: bytes in, requests to the methods, answers out in any order. It reads no more
 * while its answers are not taken, and costs little while it is idle. */
#ifndef TALLY_AGENT_IPC_SESSION_H
#define TALLY_AGENT_IPC_SESSION_H

#include "agent/count/counter.h"
#include "agent/count/denials.h"
#include "agent/ipc/latency.h"
#include "agent/ipc/socket_path.h"
#include "agent/loop.h"
#include "agent/ring.h"
#include "proto/buffer.h"
#include "proto/limits.h"

#include "proto/frame.h"
#include "proto/message.h"

#include <sys/socket.h>

struct server;
struct session;

/* What is done with the bytes of a connection: the protocol's part, so that the transport knows no
 * method. */
struct session_hooks {
    /* Answers a whole frame, now or later. False: it is no message that can be answered. */
    bool (*frame)(struct session *session, const uint8_t *frame, size_t len);

    /* Where a request that is answered by the session's `repeat` begins at `data`: answers it, and
     * returns its length. Else 0. */
    size_t (*repeated)(struct session *session, const uint8_t *data, size_t len);

    /* Its peer has taken its answers: what it was not told meanwhile goes out. */
    void (*caught_up)(struct session *session);

    /* It is closing: what is kept for its requests and watches goes. */
    void (*closing)(struct session *session);
};

struct server_options {
    struct loop *loop;
    struct counter *counter;
    struct identities *identities;
    struct aws_client *client;
    struct socket_path *socket_path; /* listening */
    const uid_t *uids;               /* --allow-uid; with none of both, the socket's mode decides */
    size_t uid_count;
    const gid_t *gids;
    size_t gid_count;
    size_t max_buffer; /* bytes kept over all connections: answers, requests not yet whole, and
                          what `query` asks */
    int64_t grace_ms;
    int64_t linger_ms;
    bool allow_query;
    const struct session_hooks *hooks;
    void (*drained)(
        void *data); /* after server_drain: no client asks any more, or the grace is over */
    void *data;
};

struct server_stats {
    uint64_t accepted;
    uint64_t refused; /* not allowed, or one too many */
    uint64_t requests;
    uint64_t answered;
    uint64_t errors;    /* of these, answers that were errors */
    uint64_t malformed; /* connections closed for what is not the protocol */
    uint64_t dropped;   /* connections closed for what had to be kept for them */
    uint64_t evicted;   /* idle connections closed to make room for others */
};

#define SERVER_READ_BYTES  (64u * 1024u)
#define SERVER_METHODS_MAX 16

/* The most memory of the kernel that unread answers on one connection take: what Linux charges it
 * with before it takes no more (twice SESSION_SEND_BYTES), and the block that goes beyond. */
#define SESSION_SEND_BYTES (16u * 1024u)
#define SESSION_UNREAD_MAX (4u * SESSION_SEND_BYTES)

/* Shared by server, sessions and methods; they are the only ones who look inside. */
struct server {
    struct server_options options;
    int64_t started_at; /* loop_now */
    int64_t started_wall;
    struct loop_watch *watch; /* of the listening socket; NULL while it is not accepted from */
    struct loop_timer *timer; /* a pause in accepting */
    struct loop_timer *grace;
    struct loop_timer *drain; /* the next look at which connections hold up the end */
    bool draining;
    int64_t busy_at;      /* loop_now when one did last */
    struct ring sessions; /* session::link, oldest first */
    unsigned session_count;
    unsigned refused_count;    /* of these, those that are not served: they take nobody's place */
    unsigned linger_count;     /* of these, those that are closed: session::lingers */
    unsigned cut_count;        /* of these, those that have more to ask: session::cut */
    unsigned connection_limit; /* for those that are served */
    unsigned descriptor_limit; /* descriptors from here on are not for clients */
    size_t output_bytes;       /* answers that may wait in a session before it is read no more */
    size_t queued_bytes;       /* answers that wait in sessions */
    size_t kept_bytes;         /* memory of requests that are not whole yet */
    size_t unread_bytes;       /* memory of the kernel: answers that peers have not read, at most */
    bool tight;                /* closed connections have much of it */
    size_t linger_bytes;       /* of these, those in connections that are closed */
    size_t shed_above;         /* so much may be kept before it is measured again */
    struct loop_timer *sweep;  /* looks at closed connections whose answers are not read */
    unsigned query_count;      /* unanswered ones of `query` */
    size_t query_bytes;        /* what they ask */
    struct denials denials;    /* of queries */
    struct session *batch;     /* the session whose bytes are being read, if any */
    struct buffer out;         /* the answers of that batch */
    uint64_t batches;
    int64_t batch_started_us; /* when its bytes had been read; 0: it is not timed */
    uint64_t batch_answered;  /* stats.answered at that time */
    uint64_t untimed;         /* answers since the last batch that was timed */
    struct latency latency;
    uint64_t method_requests[SERVER_METHODS_MAX]; /* as dispatch numbers them */
    struct identity *query_identity; /* of `query` without a trigger's; held from its first use */
    void (*session_closed)(struct server *server); /* a connection that was served ended */
    struct server_stats stats;
    uint8_t read_buffer[SERVER_READ_BYTES];
};

/* Most clients ask the same thing again and again. A request whose bytes are those of the
 * connection's last one, but for the msgid, means what that one meant: where the count is at
 * hand it is answered without being scanned, decoded and looked up again. */
#define REPEAT_BYTES 96 /* method and params of what is remembered, at most */

/* Zeroed: nothing to repeat. */
struct repeat {
    size_t len;
    size_t method;       /* as method_call's */
    unsigned generation; /* of the configuration that the state is of */
    int32_t replicas;
    struct trigger_state *state;
    int64_t max_age_ms;
    uint8_t bytes[REPEAT_BYTES]; /* behind the msgid */
};

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
void session_fail_with(
    struct session *session, uint32_t id, const struct failure *failure, const struct map *extra);

/* ---- memory over all sessions: session_memory.c ---- */

/* The connection is closed, and has unread answers. */
void server_session_lingers(struct server *server, struct session *session);

/* Looks again at those: what peers have not read of closed connections. */
void server_sweep(void *data);

/* Bounds what the kernel keeps of the answers on a new connection. */
void server_bound_send_buffer(const struct server *server, int fd);

/* Whether half of what may be kept for all connections is. */
bool server_is_filling(const struct server *server);

/* How long an answer may be that can be as long as it likes: it leaves room for others. */
size_t server_answer_room(const struct server *server);

/* After more is kept: where it is too much, closes those that have the most. */
void server_shed(struct server *server);

#endif
