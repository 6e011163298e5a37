/* SPDX-License-Identifier: Apache-2.0 */
#include "client/bridge/http2.h"

#include "client/bridge/activity.h"
#include "client/bridge/scaler.h"
#include "proto/saturating.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STREAMS_MAX        12000 /* of one connection: KEDA keeps one open for each object */
#define STREAMS_MAX_OF_ALL 24000
#define HEADER_BYTES       8192  /* of one request, names and values */
#define REQUEST_BYTES      16384 /* of one gRPC request; KEDA's have some hundreds */
#define REQUEST_BYTES_ALL  (4u * 1024u * 1024u)
#define ANSWER_BYTES       2048
#define GRPC_HEAD_BYTES    5     /* compressed flag, length */
#define ANSWER_MS          2000  /* from the first byte of a call to its answer */
#define TAKE_MS            15000 /* in which a peer must take an answer */
#define QUIET_MS           30000 /* without a byte of the peer: is it still there? */
#define PONG_MS            10000 /* in which it must say so */
#define CREDIT_MAX         20000 /* frames that ask for nothing, beyond those that an answer allows */
#define CREDIT_FIRST       1000
#define CREDIT_MS          10   /* in which one more is allowed */
#define CREDIT_ANSWER      4    /* and for each answer */
#define CREDIT_BYTES       4096 /* that cost as much as one frame */

struct http2 {
    struct http2_room *room;
    protocol_wake_fn *wake;
    void *wake_data;
    nghttp2_session *session;
    struct ring streams; /* all: nghttp2 closes none of them when the session ends */
    struct ring awaited; /* by `since`: calls that have no answer yet */
    struct ring untaken; /* by `since`: answers that the peer has not taken whole */
    size_t stream_count;
    int64_t credit, credit_at;
    size_t unpaid_bytes;
    int64_t heard_at;
    bool pinged, draining, abused;
};

enum stream_state {
    STREAM_READING,
    STREAM_ASKING,   /* the agent or a page is asked */
    STREAM_WATCHING, /* StreamIsActive */
    STREAM_ENDING,   /* all is said but the trailers */
};

struct stream {
    struct ring all;
    struct ring due; /* of awaited or untaken */
    struct http2 *http2;
    int32_t id;
    enum stream_state state;
    enum scaler_method method;
    bool is_post, is_get, is_head, is_grpc;
    bool cut;      /* the answer comes before the request was whole: no more of it */
    bool begun;    /* the head of the answer was submitted */
    bool deferred; /* nghttp2 waits for nghttp2_session_resume_data */
    int64_t since;
    size_t header_bytes;
    char *path, *authorization; /* owned; of GET and HEAD */
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

/* ---- streams ---- */

static void stream_await(struct stream *stream, struct ring *ring)
{
    ring_remove(&stream->due);
    stream->since = loop_now(stream->http2->room->loop);
    ring_add(ring, &stream->due);
}

static void on_found(const struct tally_answer *answer, void *data);
static void on_news(const struct watch_news *news, void *data);
static void on_activity(const struct watch_news *news, void *data);

static struct stream *stream_create(struct http2 *http2, int32_t id)
{
    struct stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL)
        return NULL;
    stream->http2 = http2;
    stream->id = id;
    ring_init(&stream->due);
    ring_add(&http2->streams, &stream->all);
    link_waiter_init(&stream->waiter, on_found, stream);
    link_watcher_init(&stream->watcher, on_news, stream);
    activity_init(&stream->activity, http2->room->link, on_activity, stream);
    buffer_init(&stream->request, REQUEST_BYTES + GRPC_HEAD_BYTES);
    buffer_init(&stream->answer, ANSWER_BYTES);
    stream_await(stream, &http2->awaited);
    http2->stream_count++;
    http2->room->stats->streams++;
    return stream;
}

/* Nothing is asked for it any more. */
static void stream_leave(struct stream *stream)
{
    link_leave(&stream->waiter);
    link_unwatch(&stream->watcher);
    activity_leave(&stream->activity);
}

static void stream_drop_request(struct stream *stream)
{
    stream->http2->room->request_bytes -= stream->request.len;
    buffer_free(&stream->request);
}

static void stream_destroy(struct stream *stream)
{
    ring_remove(&stream->all);
    ring_remove(&stream->due);
    stream_leave(stream);
    page_close(stream->page);
    stream_drop_request(stream);
    buffer_free(&stream->answer);
    free(stream->path);
    free(stream->message);
    if (stream->authorization != NULL)
        wipe(stream->authorization, strlen(stream->authorization));
    free(stream->authorization);
    stream->http2->stream_count--;
    stream->http2->room->stats->streams--;
    free(stream);
}

/* ---- answers ---- */

static nghttp2_nv header(const char *name, const char *value, size_t len)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
        .value = (uint8_t *)(uintptr_t)value,
        .namelen = strlen(name),
        .valuelen = len,
        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME};
}

static nghttp2_nv header_text(const char *name, const char *value)
{
    return header(name, value, strlen(value));
}

static void stream_count_call(const struct stream *stream, enum grpc_code code)
{
    if (code < STATS_CODES)
        stream->http2->room->stats->calls[stream->method][code]++;
}

static void stream_reset(struct stream *stream, uint32_t error)
{
    nghttp2_submit_rst_stream(stream->http2->session, NGHTTP2_FLAG_NONE, stream->id, error);
}

static void stream_answered(struct stream *stream)
{
    struct http2 *http2 = stream->http2;
    stream_drop_request(stream);
    stream_await(stream, &http2->untaken);
    http2->credit += CREDIT_ANSWER;
    if (http2->credit > CREDIT_MAX)
        http2->credit = CREDIT_MAX;
}

/* The trailers of a call whose head was sent. */
static int stream_submit_trailers(struct stream *stream)
{
    char code[12];
    snprintf(code, sizeof(code), "%d", (int)stream->code);
    const char *message = stream->message != NULL ? stream->message : "";
    const nghttp2_nv trailers[] = {
        header_text("grpc-status", code), header_text("grpc-message", message)};
    return nghttp2_submit_trailer(
        stream->http2->session, stream->id, trailers, stream->code == GRPC_OK ? 1 : 2);
}

static ssize_t on_give_call(nghttp2_session *session, int32_t id, uint8_t *to, size_t size,
    uint32_t *flags, nghttp2_data_source *source, void *data)
{
    struct stream *stream = source->ptr;
    (void)session;
    (void)id;
    (void)data;
    size_t len = stream->answer.len < size ? stream->answer.len : size;
    if (len == 0 && stream->state != STREAM_ENDING) {
        stream->deferred = true;
        ring_remove(&stream->due); /* all is taken */
        return NGHTTP2_ERR_DEFERRED;
    }
    if (len > 0)
        memcpy(to, stream->answer.data, len);
    buffer_consume(&stream->answer, len);
    if (stream->answer.len == 0 && stream->state == STREAM_ENDING) {
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (stream_submit_trailers(stream) < 0)
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    return (ssize_t)len;
}

static void stream_begin(struct stream *stream)
{
    const nghttp2_nv head[] = {
        header_text(":status", "200"), header_text("content-type", "application/grpc")};
    const nghttp2_data_provider provider = {
        .source = {.ptr = stream}, .read_callback = on_give_call};
    stream->begun = true;
    if (nghttp2_submit_response(stream->http2->session, stream->id, head, 2, &provider) < 0)
        stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
}

static void stream_resume(struct stream *stream)
{
    if (!stream->deferred)
        return;
    stream->deferred = false;
    nghttp2_session_resume_data(stream->http2->session, stream->id);
}

/* An error in place of an answer: one HEADERS frame; of a stream that has begun, its trailers. */
static void stream_fail(struct stream *stream, enum grpc_code code, const char *message)
{
    char number[12], encoded[1600];
    size_t len = status_message(encoded, sizeof(encoded), message);
    snprintf(number, sizeof(number), "%d", (int)code);
    stream->cut = stream->state == STREAM_READING;
    stream_count_call(stream, code);
    stream_leave(stream);
    stream->state = STREAM_ENDING;
    stream->code = code;
    stream_answered(stream);
    if (stream->begun) {
        free(stream->message);
        stream->message = strdup(encoded); /* NULL: the code alone */
        stream_resume(stream);
        return;
    }
    const nghttp2_nv head[] = {header_text(":status", "200"),
        header_text("content-type", "application/grpc"), header_text("grpc-status", number),
        header("grpc-message", encoded, len)};
    stream->begun = true;
    if (nghttp2_submit_response(stream->http2->session, stream->id, head, 4, NULL) < 0)
        stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
}

static void stream_fail_error(struct stream *stream, int error, const char *message)
{
    stream_fail(stream, status_grpc(error), *message != '\0' ? message : tally_strerror(error));
}

/* Puts a message behind what the stream is yet to send. False: it does not fit. */
static bool stream_put(struct stream *stream, const struct buffer *message)
{
    const uint8_t head[GRPC_HEAD_BYTES] = {0, (uint8_t)(message->len >> 24),
        (uint8_t)(message->len >> 16), (uint8_t)(message->len >> 8), (uint8_t)message->len};
    if (message->failed)
        return false;
    buffer_append(&stream->answer, head, sizeof(head));
    return message->len == 0 || buffer_append(&stream->answer, message->data, message->len) == 0
               ? !stream->answer.failed
               : false;
}

static void stream_succeed(struct stream *stream, const struct buffer *message)
{
    if (!stream_put(stream, message)) {
        stream_fail(stream, GRPC_RESOURCE_EXHAUSTED, "no memory for the answer");
        return;
    }
    stream_count_call(stream, GRPC_OK);
    stream->state = STREAM_ENDING;
    stream->code = GRPC_OK;
    stream_answered(stream);
    stream_begin(stream);
}

/* ---- calls ---- */

static void stream_answer_active(struct stream *stream, bool active)
{
    struct buffer message;
    buffer_init(&message, ANSWER_BYTES);
    scaler_write_active(&message, active);
    stream_succeed(stream, &message);
    buffer_free(&message);
}

/* The fields that an answer must have: without one of them there is no number, and not a 0. */
static void stream_answer_count(struct stream *stream, const struct tally_answer *answer)
{
    int64_t count = 0;
    char name[512];
    struct buffer message;
    if (tally_answer_integer(answer, "count", &count) < 0 || count < 0 ||
        tally_answer_string(answer, "metric_name", name, sizeof(name)) < 0) {
        stream_fail(stream, GRPC_INTERNAL, "the agent's answer has no count");
        return;
    }
    buffer_init(&message, ANSWER_BYTES);
    scaler_write_metric(&message, name, count);
    stream_succeed(stream, &message);
    buffer_free(&message);
}

static void stream_answer_spec(struct stream *stream, const struct tally_answer *row)
{
    double target = 0;
    char name[512];
    struct buffer message;
    if (tally_answer_number(row, "triggers.0.target", &target) < 0 ||
        tally_answer_string(row, "triggers.0.metric_name", name, sizeof(name)) < 0) {
        stream_fail(stream, GRPC_INTERNAL, "the agent's answer has no target");
        return;
    }
    buffer_init(&message, ANSWER_BYTES);
    scaler_write_spec(&message, name, target);
    stream_succeed(stream, &message);
    buffer_free(&message);
}

/* The first state: a watch that begins counts all items, which takes longer than to know whether
 * there are enough. Where it fails, the watch tells the state later. */
static void stream_ask_first(struct stream *stream, const char *trigger)
{
    bool active;
    if (!agent_link_knows(stream->http2->room->link, trigger, &active))
        activity_ask(&stream->activity, trigger, &active);
}

/* StreamIsActive: the head at once, so that the client knows that it is served. */
static void stream_watch(struct stream *stream, const struct tally_answer *row)
{
    char trigger[SCALER_TRIGGER_BYTES];
    if (tally_answer_string(row, "triggers.0.name", trigger, sizeof(trigger)) < 0 ||
        !activity_note_row(stream->http2->room->link, trigger, row)) {
        stream_fail(stream, GRPC_INTERNAL, "the agent's answer has no name");
        return;
    }
    int r = agent_link_watch(stream->http2->room->link, trigger, &stream->watcher);
    if (r < 0) {
        stream_fail_error(stream, r, "");
        return;
    }
    stream->state = STREAM_WATCHING;
    stream_answered(stream);
    stream_begin(stream);
    stream_ask_first(stream, trigger);
}

static void stream_wake(const struct stream *stream)
{
    stream->http2->wake(stream->http2->wake_data);
}

/* An agent that does not know `trigger` of `list` answers all of them: the first is another one. */
static bool answer_is_row(const struct tally_answer *answer)
{
    size_t rows = 0;
    return tally_answer_size(answer, "triggers", &rows) == 0 && rows == 1;
}

/* The answer of the agent to whatever was asked of it. */
static void on_found(const struct tally_answer *answer, void *data)
{
    struct stream *stream = data;
    int error = tally_answer_error(answer);
    if (error < 0)
        stream_fail_error(stream, error, tally_answer_error_message(answer));
    else if (stream->method == SCALER_GET_METRICS)
        stream_answer_count(stream, answer);
    else if (!answer_is_row(answer))
        stream_fail(stream, GRPC_INTERNAL, "the agent is too old to list one trigger");
    else if (stream->method == SCALER_GET_METRIC_SPEC)
        stream_answer_spec(stream, answer);
    else
        stream_watch(stream, answer);
    stream_wake(stream);
}

static void on_news(const struct watch_news *news, void *data)
{
    struct stream *stream = data;
    struct buffer message;
    if (news->error < 0) {
        stream_fail_error(stream, news->error, news->message);
        stream_wake(stream);
        return;
    }
    buffer_init(&message, ANSWER_BYTES);
    scaler_write_active(&message, news->active);
    if (stream->answer.len > ANSWER_BYTES / 2 || !stream_put(stream, &message))
        stream_fail(stream, GRPC_RESOURCE_EXHAUSTED, "the client does not read");
    else
        stream_answered(stream);
    buffer_free(&message);
    stream_resume(stream);
    stream_wake(stream);
}

/* Of IsActive the answer, of StreamIsActive the first state. */
static void on_activity(const struct watch_news *news, void *data)
{
    struct stream *stream = data;
    if (stream->state == STREAM_WATCHING) {
        if (news->error == 0)
            link_watcher_learn(&stream->watcher, news->active);
        return;
    }
    if (news->error < 0)
        stream_fail_error(stream, news->error, news->message);
    else
        stream_answer_active(stream, news->active);
    stream_wake(stream);
}

static int stream_ask_active(struct stream *stream, const char *trigger)
{
    bool active = false;
    int r = activity_ask(&stream->activity, trigger, &active);
    if (r == ACTIVITY_KNOWN)
        stream_answer_active(stream, active);
    return r;
}

static int stream_ask(struct stream *stream, const char *trigger)
{
    struct agent_link *link = stream->http2->room->link;
    switch (stream->method) {
    case SCALER_IS_ACTIVE:
        return stream_ask_active(stream, trigger);
    case SCALER_GET_METRICS:
        return agent_link_count(link, trigger, 0, &stream->waiter);
    default:
        return agent_link_find(link, trigger, &stream->waiter);
    }
}

/* The request is whole: frame head and message. */
static void stream_call(struct stream *stream)
{
    char trigger[SCALER_TRIGGER_BYTES], why[512];
    const uint8_t *data = stream->request.data;
    size_t len = stream->request.len;
    if (stream->method == SCALER_UNKNOWN) {
        stream_fail(stream, GRPC_UNIMPLEMENTED, "tally-bridge has no such method");
        return;
    }
    if (len < GRPC_HEAD_BYTES) {
        stream_fail(stream, GRPC_INVALID_ARGUMENT, "the request has no message");
        return;
    }
    if (data[0] != 0) {
        stream_fail(stream, GRPC_UNIMPLEMENTED, "the request is compressed, which is not served");
        return;
    }
    size_t told = (size_t)data[1] << 24 | (size_t)data[2] << 16 | (size_t)data[3] << 8 | data[4];
    if (told != len - GRPC_HEAD_BYTES) {
        stream_fail(stream, GRPC_INVALID_ARGUMENT, "the request must be one whole message");
        return;
    }
    struct text message = {(const char *)data + GRPC_HEAD_BYTES, told};
    enum grpc_code code = scaler_read(
        stream->method, message, stream->http2->room->only_namespace, trigger, why, sizeof(why));
    if (code != GRPC_OK) {
        stream_fail(stream, code, why);
        return;
    }
    int r = stream_ask(stream, trigger);
    if (r < 0)
        stream_fail_error(stream, r, "");
    else
        stream_drop_request(stream);
}

/* ---- pages ---- */

static ssize_t on_give_page(nghttp2_session *session, int32_t id, uint8_t *to, size_t size,
    uint32_t *flags, nghttp2_data_source *source, void *data)
{
    struct stream *stream = source->ptr;
    const struct buffer *body = page_body(stream->page);
    size_t len = body->len - stream->page_sent;
    (void)session;
    (void)id;
    (void)data;
    if (len > size)
        len = size;
    if (len > 0)
        memcpy(to, body->data + stream->page_sent, len);
    stream->page_sent += len;
    if (stream->page_sent == body->len)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    stream_await(stream, &stream->http2->untaken);
    return (ssize_t)len;
}

static void stream_submit_page(struct stream *stream)
{
    const struct page_head *head = page_head(stream->page);
    const nghttp2_data_provider provider = {
        .source = {.ptr = stream}, .read_callback = on_give_page};
    char status[12], len[24], retry[12];
    nghttp2_nv headers[5];
    size_t count = 0;
    snprintf(status, sizeof(status), "%d", head->status);
    snprintf(len, sizeof(len), "%zu", page_body(stream->page)->len);
    snprintf(retry, sizeof(retry), "%d", head->retry_after);
    headers[count++] = header_text(":status", status);
    headers[count++] = header_text("content-type", head->type);
    headers[count++] = header_text("content-length", len);
    headers[count++] = header_text("cache-control", "no-store");
    if (head->retry_after > 0)
        headers[count++] = header_text("retry-after", retry);
    stream_answered(stream);
    if (nghttp2_submit_response(stream->http2->session, stream->id, headers, count,
            stream->is_head ? NULL : &provider) < 0)
        stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
}

static void on_page(void *data)
{
    struct stream *stream = data;
    stream_submit_page(stream);
    stream_wake(stream);
}

static struct text stream_text(const char *text)
{
    return (struct text){text != NULL ? text : "", text != NULL ? strlen(text) : 0};
}

static void stream_open_page(struct stream *stream)
{
    const struct page_request request = {.is_get = stream->is_get,
        .is_head = stream->is_head,
        .refusal = stream->is_post && !stream->is_grpc ? 415 : 0,
        .path = stream_text(stream->path),
        .authorization = stream_text(stream->authorization)};
    stream->page = page_open(stream->http2->room->pages, &request, on_page, stream);
    if (stream->page == NULL)
        stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
    else if (page_is_ready(stream->page))
        stream_submit_page(stream);
}

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
    struct stream *stream = http2->room->stats->streams < STREAMS_MAX_OF_ALL
                                ? stream_create(http2, frame->hd.stream_id)
                                : NULL;
    if (stream == NULL) {
        nghttp2_submit_rst_stream(
            session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
        return 0;
    }
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream);
    return 0;
}

/* False: no memory. */
static bool keep_text(char **kept, struct text value)
{
    if (*kept != NULL)
        return true;
    *kept = strndup(value.data, value.len);
    return *kept != NULL;
}

/* A request path as HTTP/1.1 has it, without the query. */
static struct text without_query(struct text path)
{
    const char *query = path.len > 0 ? memchr(path.data, '?', path.len) : NULL;
    return query != NULL ? (struct text){path.data, (size_t)(query - path.data)} : path;
}

static bool stream_take_header(struct stream *stream, struct text name, struct text value)
{
    static const char grpc[] = "application/grpc";
    if (text_equals(name, ":method")) {
        stream->is_post = text_equals(value, "POST");
        stream->is_get = text_equals(value, "GET");
        stream->is_head = text_equals(value, "HEAD");
    } else if (text_equals(name, ":path")) {
        stream->method = scaler_method_of(value);
        return stream->method != SCALER_UNKNOWN || keep_text(&stream->path, without_query(value));
    } else if (text_equals(name, "content-type")) {
        stream->is_grpc = value.len >= sizeof(grpc) - 1 &&
                          memcmp(value.data, grpc, sizeof(grpc) - 1) == 0;
    } else if (text_equals(name, "authorization")) {
        return keep_text(&stream->authorization, value);
    }
    return true;
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
    if (stream->header_bytes > HEADER_BYTES) {
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
    struct http2 *http2 = data;
    struct stream *stream = stream_of(session, id);
    (void)flags;
    if (stream == NULL || stream->state != STREAM_READING || !stream->is_grpc)
        return 0;
    if (http2->room->request_bytes + len > REQUEST_BYTES_ALL ||
        buffer_append(&stream->request, bytes, len) < 0) {
        stream_fail(stream, GRPC_RESOURCE_EXHAUSTED, "the request is too long");
        return 0;
    }
    http2->room->request_bytes += len;
    return 0;
}

/* Frames that ask for nothing are paid from a credit that answers and time refill: else one peer
 * could keep this program busy for ever. */
static bool http2_pay(struct http2 *http2, int64_t price)
{
    int64_t now = loop_now(http2->room->loop);
    int64_t earned = (now - http2->credit_at) / CREDIT_MS;
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
    stream->state = STREAM_ASKING;
    if (stream->is_post && stream->is_grpc)
        stream_call(stream);
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
    http2->heard_at = loop_now(http2->room->loop);
    http2->pinged = false;
    /* Frames of unknown types are passed over unseen: they are paid by their bytes. */
    http2->unpaid_bytes += len;
    http2->abused = !http2_pay(http2, (int64_t)(http2->unpaid_bytes / CREDIT_BYTES));
    http2->unpaid_bytes %= CREDIT_BYTES;
    if (!http2->abused && nghttp2_session_mem_recv(http2->session, data, len) == (ssize_t)len)
        return true;
    if (http2->abused)
        nghttp2_session_terminate_session(http2->session, NGHTTP2_ENHANCE_YOUR_CALM);
    http2->room->stats->abused++;
    return false;
}

static size_t http2_give(void *self, const uint8_t **data)
{
    struct http2 *http2 = self;
    ssize_t len = nghttp2_session_mem_send(http2->session, data);
    return len > 0 ? (size_t)len : 0;
}

static bool http2_is_over(const void *self)
{
    const struct http2 *http2 = self;
    if (http2->draining && http2->stream_count == 0)
        return nghttp2_session_want_write(http2->session) == 0;
    return nghttp2_session_want_read(http2->session) == 0 &&
           nghttp2_session_want_write(http2->session) == 0;
}

static bool http2_is_idle(const void *self)
{
    const struct http2 *http2 = self;
    return http2->stream_count == 0;
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
    int64_t answer = http2_first_due(&http2->awaited, ANSWER_MS);
    int64_t taken = http2_first_due(&http2->untaken, TAKE_MS);
    int64_t first = answer < taken ? answer : taken;
    return first < quiet ? first : quiet;
}

/* A call that has not got its answer in time: from the client, or from the agent. */
static void stream_expire(struct stream *stream)
{
    bool reading = stream->state == STREAM_READING;
    ring_remove(&stream->due);
    if (stream->is_post && stream->is_grpc)
        stream_fail(stream, GRPC_DEADLINE_EXCEEDED,
            reading ? "the request did not arrive within 2 s" : "no answer within 2 s");
    else
        stream_reset(stream, NGHTTP2_CANCEL);
}

static bool http2_tick(void *self)
{
    struct http2 *http2 = self;
    int64_t now = loop_now(http2->room->loop);
    while (http2_first_due(&http2->awaited, ANSWER_MS) <= now)
        stream_expire(RING_MEMBER(http2->awaited.next, struct stream, due));
    if (http2_first_due(&http2->untaken, TAKE_MS) <= now)
        return false;
    if (now < http2->heard_at + QUIET_MS)
        return true;
    if (http2->pinged)
        return now < http2->heard_at + QUIET_MS + PONG_MS;
    http2->pinged = true;
    return nghttp2_submit_ping(http2->session, NGHTTP2_FLAG_NONE, NULL) == 0;
}

/* Streams that only watch end at once; calls have their two seconds. */
static void http2_drain(void *self)
{
    struct http2 *http2 = self;
    http2->draining = true;
    nghttp2_submit_goaway(http2->session, NGHTTP2_FLAG_NONE,
        nghttp2_session_get_last_proc_stream_id(http2->session), NGHTTP2_NO_ERROR, NULL, 0);
    for (struct ring *at = http2->streams.next, *next; at != &http2->streams; at = next) {
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
    nghttp2_session_del(http2->session);
    while (!ring_is_empty(&http2->streams))
        stream_destroy(RING_MEMBER(ring_pop(&http2->streams), struct stream, all));
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
        nghttp2_option_set_max_deflate_dynamic_table_size(option, 1024);
        r = nghttp2_session_server_new2(&http2->session, callbacks, http2, option);
    }
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    return r;
}

static int http2_greet(struct http2 *http2)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_MAX},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEADER_BYTES},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 2 * REQUEST_BYTES},
    };
    return nghttp2_submit_settings(
        http2->session, NGHTTP2_FLAG_NONE, settings, sizeof(settings) / sizeof(settings[0]));
}

void *http2_create(struct http2_room *room, protocol_wake_fn *wake, void *data)
{
    struct http2 *http2 = calloc(1, sizeof(*http2));
    if (http2 == NULL)
        return NULL;
    http2->room = room;
    http2->wake = wake;
    http2->wake_data = data;
    http2->heard_at = http2->credit_at = loop_now(room->loop);
    http2->credit = CREDIT_FIRST;
    ring_init(&http2->streams);
    ring_init(&http2->awaited);
    ring_init(&http2->untaken);
    if (http2_make_session(http2) == 0 && http2_greet(http2) == 0)
        return http2;
    http2_destroy(http2);
    return NULL;
}
