/* SPDX-License-Identifier: Apache-2.0 */
#include "client/bridge/http2.h"

#include "client/bridge/scaler_call.h"
#include "proto/saturating.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#define STREAMS_MAX        12000 /* of one connection: KEDA keeps one open for each object */
#define STREAMS_MAX_OF_ALL 24000
#define ANSWER_MS          2000  /* from the first byte of a call to its answer */
#define TAKE_MS            15000 /* in which a peer must take an answer */
#define QUIET_MS           30000 /* without a byte of the peer: is it still there? */
#define PONG_MS            10000 /* in which it must say so */
#define CREDIT_MAX         20000 /* frames that request nothing, beyond those that an answer allows */
#define CREDIT_FIRST       1000
#define CREDIT_MS          10   /* in which one more is allowed */
#define CREDIT_ANSWER      4    /* and for each answer */
#define CREDIT_BYTES       4096 /* that cost as much as one frame */

struct http2 {
    struct stream_host host;
    int64_t credit, credit_at;
    size_t unpaid_bytes;
    int64_t heard_at;
    bool pinged, draining, abused;
};

/* ---- what nghttp2 calls ---- */

static struct stream *stream_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
    struct http2 *http2 = data;

    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct stream *stream = http2->host.shared->stats->streams < STREAMS_MAX_OF_ALL
                                ? stream_create(&http2->host, frame->hd.stream_id)
                                : NULL;
    if (stream == NULL) {
        nghttp2_submit_rst_stream(
            session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
        return 0;
    }
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
    size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags, void *data)
{
    struct http2 *http2 = data;
    struct stream *stream = stream_of(session, frame->hd.stream_id);

    (void)flags;
    if (stream == NULL)
        return 0;
    stream->header_bytes += name_len + value_len + 32; /* as HPACK counts them */
    if (stream->header_bytes > STREAM_HEADER_BYTES) {
        http2->abused = true;
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    return stream_take_header(stream, (struct text){(const char *)name, name_len},
               (struct text){(const char *)value, value_len})
               ? 0
               : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
    size_t len, void *data)
{
    struct stream *stream = stream_of(session, id);

    (void)flags;
    (void)data;
    if (stream != NULL)
        stream_take_data(stream, bytes, len);
    return 0;
}

/* Frames that request nothing are paid from a credit that answers and time refill: else one peer
 * could keep this program busy for ever. */
static bool http2_pay(struct http2 *http2, int64_t price)
{
    int64_t now = loop_now(http2->host.shared->loop);
    int64_t earned = (now - http2->credit_at) / CREDIT_MS;

    http2->credit += (int64_t)http2->host.answered * CREDIT_ANSWER;
    if (http2->credit > CREDIT_MAX)
        http2->credit = CREDIT_MAX;
    http2->host.answered = 0;
    if (earned > 0) {
        http2->credit_at = now;
        if (http2->credit < CREDIT_FIRST)
            http2->credit = http2->credit + earned < CREDIT_FIRST ? http2->credit + earned
                                                                  : CREDIT_FIRST;
    }
    http2->credit -= price;
    return http2->credit >= 0;
}

static int on_frame_head(nghttp2_session *session, const nghttp2_frame_hd *head, void *data)
{
    struct http2 *http2 = data;
    bool ends = (head->flags & NGHTTP2_FLAG_END_STREAM) != 0;
    bool is_free = head->type == NGHTTP2_HEADERS || head->type == NGHTTP2_CONTINUATION ||
                   head->type == NGHTTP2_WINDOW_UPDATE ||
                   (head->type == NGHTTP2_DATA && (head->length > 0 || ends));

    (void)session;
    if (is_free || http2_pay(http2, 1))
        return 0;
    http2->abused = true;
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
    struct stream *stream = stream_of(session, frame->hd.stream_id);

    (void)data;
    if (stream == NULL || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0 ||
        (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) ||
        stream->state != STREAM_READING)
        return 0;
    stream->state = STREAM_PENDING;
    if (stream_is_call(stream))
        scaler_call_begin(stream);
    else
        stream_open_page(stream);
    return 0;
}

/* A reset overtakes what was submitted before it: so it waits until the answer is on its way. */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
    const struct stream *stream = stream_of(session, frame->hd.stream_id);

    (void)data;
    if (stream != NULL && stream->cut && frame->hd.type == NGHTTP2_HEADERS &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        nghttp2_submit_rst_stream(
            session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *data)
{
    struct stream *stream = stream_of(session, id);

    (void)error;
    (void)data;
    if (stream != NULL)
        stream_destroy(stream);
    return 0;
}

/* ---- the protocol ---- */

static bool http2_take(void *self, const uint8_t *data, size_t len)
{
    struct http2 *http2 = self;

    http2->heard_at = loop_now(http2->host.shared->loop);
    http2->pinged = false;
    /* Frames of unknown types are passed over unseen: they are paid by their bytes. */
    http2->unpaid_bytes += len;
    http2->abused = !http2_pay(http2, (int64_t)(http2->unpaid_bytes / CREDIT_BYTES));
    http2->unpaid_bytes %= CREDIT_BYTES;
    if (!http2->abused && nghttp2_session_mem_recv(http2->host.session, data, len) == (ssize_t)len)
        return true;
    if (http2->abused)
        nghttp2_session_terminate_session(http2->host.session, NGHTTP2_ENHANCE_YOUR_CALM);
    return false;
}

static size_t http2_give(void *self, const uint8_t **data)
{
    struct http2 *http2 = self;
    ssize_t len = nghttp2_session_mem_send(http2->host.session, data);

    return len > 0 ? (size_t)len : 0;
}

static bool http2_is_over(const void *self)
{
    const struct http2 *http2 = self;

    if (http2->draining && http2->host.stream_count == 0)
        return nghttp2_session_want_write(http2->host.session) == 0;
    return nghttp2_session_want_read(http2->host.session) == 0 &&
           nghttp2_session_want_write(http2->host.session) == 0;
}

static bool http2_is_idle(const void *self)
{
    const struct http2 *http2 = self;

    return http2->host.stream_count == 0;
}

static int64_t http2_first_due(const struct ring *ring, int64_t wait)
{
    if (ring_is_empty(ring))
        return PROTOCOL_NEVER;
    return saturating_add(RING_MEMBER(ring->next, struct stream, due)->since, wait);
}

static int64_t http2_deadline(const void *self)
{
    const struct http2 *http2 = self;
    int64_t quiet = http2->heard_at + QUIET_MS + (http2->pinged ? PONG_MS : 0);
    int64_t answer = http2_first_due(&http2->host.awaited, ANSWER_MS);
    int64_t taken = http2_first_due(&http2->host.untaken, TAKE_MS);
    int64_t first = answer < taken ? answer : taken;

    return first < quiet ? first : quiet;
}

static bool http2_tick(void *self)
{
    struct http2 *http2 = self;
    int64_t now = loop_now(http2->host.shared->loop);

    while (http2_first_due(&http2->host.awaited, ANSWER_MS) <= now)
        stream_expire(RING_MEMBER(http2->host.awaited.next, struct stream, due));
    if (http2_first_due(&http2->host.untaken, TAKE_MS) <= now)
        return false;
    if (now < http2->heard_at + QUIET_MS)
        return true;
    if (http2->pinged)
        return now < http2->heard_at + QUIET_MS + PONG_MS;
    http2->pinged = true;
    return nghttp2_submit_ping(http2->host.session, NGHTTP2_FLAG_NONE, NULL) == 0;
}

/* Streams that only watch end at once; calls have their two seconds. */
static void http2_drain(void *self)
{
    struct http2 *http2 = self;

    http2->draining = true;
    nghttp2_submit_goaway(http2->host.session, NGHTTP2_FLAG_NONE,
        nghttp2_session_get_last_proc_stream_id(http2->host.session), NGHTTP2_NO_ERROR, NULL, 0);
    for (struct ring *at = http2->host.streams.next, *next; at != &http2->host.streams; at = next) {
        struct stream *stream = RING_MEMBER(at, struct stream, all);

        next = at->next;
        if (stream->state == STREAM_WATCHING)
            stream_fail(stream, GRPC_UNAVAILABLE, "tally-bridge is about to end");
    }
}

static void http2_destroy(void *self)
{
    struct http2 *http2 = self;

    if (http2 == NULL)
        return;
    nghttp2_session_del(http2->host.session);
    while (!ring_is_empty(&http2->host.streams))
        stream_destroy(RING_MEMBER(ring_pop(&http2->host.streams), struct stream, all));
    free(http2);
}

const struct protocol http2_protocol = {
    .take = http2_take,
    .give = http2_give,
    .is_over = http2_is_over,
    .is_idle = http2_is_idle,
    .deadline = http2_deadline,
    .tick = http2_tick,
    .drain = http2_drain,
    .destroy = http2_destroy,
};

/* ---- making one ---- */

static int http2_make_session(struct http2 *http2)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    int r = nghttp2_session_callbacks_new(&callbacks);

    if (r == 0)
        r = nghttp2_option_new(&option);
    if (r == 0) {
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
        nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_frame_head);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
        nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
        nghttp2_option_set_no_closed_streams(option, 1);
        nghttp2_option_set_max_deflate_dynamic_table_size(option, 0);
        r = nghttp2_session_server_new2(&http2->host.session, callbacks, http2, option);
    }
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    return r;
}

static int http2_greet(struct http2 *http2)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 0}, /* 2 kB, which would save a call 100 bytes */
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_MAX},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, STREAM_HEADER_BYTES},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 2 * STREAM_REQUEST_BYTES},
    };

    return nghttp2_submit_settings(
        http2->host.session, NGHTTP2_FLAG_NONE, settings, sizeof(settings) / sizeof(settings[0]));
}

void *http2_create(struct stream_shared *shared, protocol_wake_fn *wake, void *data)
{
    struct http2 *http2 = calloc(1, sizeof(*http2));

    if (http2 == NULL)
        return NULL;
    stream_host_init(&http2->host, shared);
    http2->host.wake = wake;
    http2->host.wake_data = data;
    http2->heard_at = http2->credit_at = loop_now(shared->loop);
    http2->credit = CREDIT_FIRST;
    if (http2_make_session(http2) == 0 && http2_greet(http2) == 0)
        return http2;
    http2_destroy(http2);
    return NULL;
}
