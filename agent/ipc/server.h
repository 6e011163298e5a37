/* The socket side of the agent: who may connect, the open sessions, and their shared limits. */
#ifndef TALLY_AGENT_IPC_SERVER_H
#define TALLY_AGENT_IPC_SERVER_H

#include "agent/count/counter.h"
#include "agent/count/denials.h"
#include "agent/ipc/latency.h"
#include "agent/ipc/socket_path.h"
#include "agent/loop.h"
#include "agent/ring.h"
#include "proto/buffer.h"
#include "proto/limits.h"

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

/* Shared by listener, sessions and methods; they are the only ones who look inside. */
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
    struct server_stats stats;
    uint8_t read_buffer[SERVER_READ_BYTES];
};

/* NULL: no memory. */
struct server *server_create(const struct server_options *options);

/* From now on: serve clients that ask something, also new ones, until none did for linger_ms or
 * grace_ms have passed; then `drained` is called. Clients that are idle or only watch get the
 * notification `draining`, and are disconnected. */
void server_drain(struct server *server);

/* Closes all connections; what is queued is sent as far as the kernel takes it. */
void server_destroy(struct server *server); /* NULL is allowed */

/* For sessions: a connection that was served ended. */
void server_session_closed(struct server *server);

/* For sessions: the connection is closed, and has unread answers. */
void server_session_lingers(struct server *server, struct session *session);

/* How many connections one user may have, but for root and the agent's own. */
unsigned server_user_limit(const struct server *server);

/* Whether half of what may be kept for all connections is. */
bool server_is_filling(const struct server *server);

/* How long an answer may be that can be as long as it likes: it leaves room for others. */
size_t server_answer_room(const struct server *server);

/* For sessions: more may be kept now; where it is too much, closes those that have the most. */
void server_shed(struct server *server);

#endif
