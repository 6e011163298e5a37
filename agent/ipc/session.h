/* SPDX-License-Identifier: Apache-2.0 */
/* One connection: bytes in, requests to the methods, answers out in any order. It stops reading
 * while its answers are not read, and costs little while it is idle. */
#ifndef TALLY_AGENT_IPC_SESSION_H
#define TALLY_AGENT_IPC_SESSION_H

#include "agent/count/cache.h"
#include "agent/count/counter.h"
#include "agent/ipc/channel.h"
#include "agent/ipc/latency.h"
#include "agent/ipc/socket_path.h"
#include "agent/loop.h"
#include "agent/ring.h"
#include "proto/buffer.h"
#include "proto/limits.h"
#include "proto/message.h"
#include "proto/reader.h"

struct server;
struct session;

/* What handles the bytes of a connection: the protocol's part, so that the transport does not
 * depend on any method. */
struct session_hooks {
    /* Answers a whole frame, now or later. False: it is not a message that can be answered. */
    bool (*frame)(struct session *session, const uint8_t *frame, size_t len);

    /* If `data` begins with a request that the session's `repeat` answers: answers it, and returns
     * its length. Else 0. */
    size_t (*repeated)(struct session *session, const uint8_t *data, size_t len);

    /* The peer has read its answers: sends the deferred notifications. */
    void (*caught_up)(struct session *session);

    /* The session is closing: frees what is kept for its requests and watches. */
    void (*closing)(struct session *session);
};

struct server_options {
    struct loop *loop;
    struct counter *counter;
    struct identities *identities;
    struct aws_client *client;
    struct socket_path *socket_path; /* listening */
    const uid_t *uids;               /* --allow-uid; with neither list, the socket's mode decides */
    size_t uid_count;
    const gid_t *gids;
    size_t gid_count;
    size_t max_buffer; /* bytes kept over all connections: answers, incomplete requests, and
                          the params of `query` */
    int64_t grace_ms;
    int64_t linger_ms;
    bool allow_query;
    const struct proxy_environment *proxies; /* for `diagnose`, as is the next */
    const char *ca_bundle;                   /* the chosen CA file; NULL: the default one */
    const struct session_hooks *hooks;
    void (*drained)(
        void *data); /* after server_drain: no client has requests any more, or the grace is over */
    void *data;
};

struct server_stats {
    uint64_t accepted;
    uint64_t refused; /* not allowed, or beyond a limit */
    uint64_t requests;
    uint64_t answered;
    uint64_t errors;    /* of these, answers that were errors */
    uint64_t malformed; /* connections closed for protocol errors */
    uint64_t evicted;   /* idle connections closed to make room for others */
};

#define SERVER_READ_BYTES  (64u * 1024u)
#define SERVER_METHODS_MAX 16
#define SWEEP_MS           1000 /* between two checks of closed connections with unread answers */

/* Shared by server, sessions and methods; no other module reads its fields. */
struct server {
    struct server_options options;
    int64_t started_at; /* loop_now */
    int64_t started_wall;
    struct loop_watch *watch; /* of the listening socket; NULL while accepting is paused */
    struct loop_timer *timer; /* a pause in accepting */
    struct loop_timer *grace;
    struct loop_timer *drain; /* the next check of which connections delay the end */
    bool draining;
    int64_t busy_at;          /* loop_now when one last did */
    struct channels channels; /* of the sessions */
    unsigned session_count;
    unsigned refused_count;    /* of these, those not served: the limit does not count them */
    unsigned linger_count;     /* of these, those that are closed: session::lingers */
    unsigned share_used_count; /* of these, those that have more requests: session::share_used */
    unsigned connection_limit; /* for those that are served */
    unsigned descriptor_limit; /* descriptors from this one on are not for clients */
    struct loop_timer *sweep;  /* checks closed connections with unread answers */
    unsigned query_count;      /* pending requests of `query` */
    struct denials denials;    /* of queries */
    struct buffer out;         /* the answers of the batch that is being read */
    uint64_t batches;
    int64_t batch_started_us; /* when its bytes were read; 0: it is not timed */
    uint64_t batch_answered;  /* stats.answered at that time */
    uint64_t untimed;         /* answers since the last batch that was timed */
    struct latency latency;
    uint64_t method_requests[SERVER_METHODS_MAX]; /* as dispatch numbers them */
    struct identity *query_identity; /* of `query` without a trigger's; held from its first use */
    struct server_stats stats;
    uint8_t read_buffer[SERVER_READ_BYTES];
};

/* Most clients repeat the same request. A request whose bytes equal the connection's last one,
 * except for the msgid, has the same meaning: if the count is cached, it is answered without being
 * scanned, decoded and looked up again. */
#define REPEAT_BYTES 96 /* method and params of the remembered request, at most */

/* Zeroed: no request to repeat. */
struct repeat {
    uint16_t len;
    uint16_t method;     /* as method_call's */
    unsigned generation; /* of the configuration that the state is of */
    int32_t replicas;
    struct trigger_state *state;
    int64_t max_age_ms;
    uint64_t enough;
    uint8_t bytes[REPEAT_BYTES]; /* behind the msgid */
};

/* The fields that a cached answer uses come first and together: with many connections, the memory
 * that is fetched for each is much of the cost of an answer. */
struct session {
    struct server *server;
    struct channel channel;
    unsigned events; /* currently watched */
    unsigned in_flight;
    uint32_t read_bytes; /* the most bytes per read */
    unsigned watch_count;
    bool deferred;   /* whole frames may be in the input: the peer did not read its answers, or: */
    bool share_used; /* its share of the turn was used up */
    bool behind;     /* some watch has an unsent newer state, because answers are queued */
    bool refused; /* every request is answered with `refusal`, and then the connection is closed */
    bool errors_as_string; /* as requested by hello; else they are maps */
    bool lingers;          /* closed, but the kernel keeps answers that the peer has not read */
    uint64_t requests;
    int64_t used_at; /* loop_now of the last bytes */
    struct repeat repeat;
    struct frame_scan scan; /* of the incomplete frame */

    struct loop_watch *watch;
    struct ring pending; /* pending::link: unanswered requests */
    struct ring watches; /* trigger_watch::link */
    int64_t opened_at;
    struct failure *refusal; /* owned */
    char *client;            /* the program's name from hello; owned; NULL: not given */
};

/* Takes ownership of the descriptor, also on failure (NULL). refusal: why this peer is not served;
 * copied; NULL: it is served. */
struct session *session_create(
    struct server *server, int fd, const struct ucred *peer, const struct failure *refusal);
void session_destroy(struct session *session);

/* Closes the connection. While the kernel keeps answers that the peer has not read, their memory is
 * charged to the agent, so the session stays, and is counted, until the peer has read them or is
 * gone: server::sweep destroys it. */
void session_close(struct session *session);

/* The session of a channel in channels::list. */
static inline struct session *session_of(struct ring *link)
{
    return RING_MEMBER(link, struct session, channel.link);
}

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

/* Whether queued answers wait for the peer to read. */
bool session_is_slow(struct session *session);

/* A whole error answer, in the form that the client requested. `extra`: as message_error. */
void session_fail(struct session *session, uint32_t id, const struct failure *failure);
void session_fail_with(
    struct session *session, uint32_t id, const struct failure *failure, const struct map *extra);

#endif
