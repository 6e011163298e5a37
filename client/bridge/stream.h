/* SPDX-License-Identifier: Apache-2.0 */
/* One request over HTTP/2, from its first header to the end of its answer: a call of gRPC, or a
 * page. scaler_call.h handles the calls of KEDA. */
#ifndef TALLY_BRIDGE_STREAM_H
#define TALLY_BRIDGE_STREAM_H

#include "client/bridge/activity.h"
#include "client/bridge/agent_link.h"
#include "client/bridge/bridge_stats.h"
#include "client/bridge/page.h"
#include "client/bridge/protocol.h"
#include "client/bridge/scaler.h"

#define STREAM_HEADER_BYTES  8192  /* of one request, names and values as HPACK counts them */
#define STREAM_REQUEST_BYTES 16384 /* of one gRPC request; KEDA's have some hundreds */
#define STREAM_ANSWER_BYTES  2048  /* of gRPC, that the peer has not taken */
#define GRPC_HEAD_BYTES      5     /* compressed flag, length */

/* What all streams share; zeroed, then filled. */
struct stream_shared {
    struct loop *loop;
    struct agent_link *link;
    struct page_shared *pages;
    struct bridge_stats *stats;
    const char *only_namespace; /* NULL: objects of any namespace are served */
    size_t request_bytes;       /* kept of requests that are not served yet, now */
};

struct nghttp2_session;

/* What the streams of one connection share. */
struct stream_host {
    struct stream_shared *shared;
    protocol_wake_fn *wake;
    void *wake_data;
    struct nghttp2_session *session;
    struct ring streams; /* all: nghttp2 closes none of them when the session ends */
    struct ring awaited; /* by `since`: calls that have no answer yet */
    struct ring untaken; /* by `since`: answers that the peer has not taken whole */
    size_t stream_count;
    unsigned answered; /* streams, since this was set to 0 */
};
void stream_host_init(struct stream_host *host, struct stream_shared *shared);

enum stream_state {
    STREAM_READING,
    STREAM_PENDING,  /* waits for the agent or a page */
    STREAM_WATCHING, /* StreamIsActive */
    STREAM_ENDING,   /* all is said but the trailers */
};

struct stream {
    struct ring all;
    struct ring due; /* of awaited or untaken */
    struct stream_host *host;
    int32_t id;
    enum stream_state state;
    enum scaler_method method;
    bool is_post, is_get, is_head, is_grpc;
    bool cut;      /* the answer comes before the request was whole: no more of it */
    bool begun;    /* the head of the answer was submitted */
    bool deferred; /* nghttp2 waits for nghttp2_session_resume_data */
    int64_t since;
    size_t header_bytes;
    char *path, *authorization; /* owned; for the page */
    size_t text_bytes;          /* of these two */
    char *message;              /* owned; percent-encoded, for the trailers */
    struct buffer request;      /* of gRPC: frame head and message */
    struct buffer answer;       /* what of it DATA frames are yet to take */
    enum grpc_code code;
    struct page *page;
    size_t page_sent;
    struct link_waiter waiter;
    struct link_watcher watcher;
    struct activity activity;
};

/* NULL: out of memory. */
struct stream *stream_create(struct stream_host *host, int32_t id);
void stream_destroy(struct stream *stream);

/* ---- the request ---- */

/* False: no memory. */
bool stream_take_header(struct stream *stream, struct text name, struct text value);
/* Of the body, which only calls have. */
void stream_take_data(struct stream *stream, const uint8_t *data, size_t len);
bool stream_is_call(const struct stream *stream);
void stream_drop_request(struct stream *stream);

/* ---- the answer ---- */

/* A page, or why there is none. */
void stream_open_page(struct stream *stream);

/* The head of StreamIsActive's answer, which messages follow. */
void stream_begin_pushes(struct stream *stream);

/* One of them. False: the peer takes none. */
bool stream_push(struct stream *stream, const struct buffer *message);

/* The only message, and the end. */
void stream_succeed(struct stream *stream, const struct buffer *message);

/* An error in place of an answer, or behind what was sent. `message` may be "". */
void stream_fail(struct stream *stream, enum grpc_code code, const char *message);
void stream_fail_error(struct stream *stream, int error, const char *message);

/* The call has waited for too long: for its client, or for the agent. */
void stream_expire(struct stream *stream);

/* There is something to be sent, outside of what the peer has sent. */
void stream_wake(const struct stream *stream);

#endif
