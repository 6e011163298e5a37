/* SPDX-License-Identifier: Apache-2.0 */
#include "client/bridge/stream.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_BYTES_ALL (4u * 1024u * 1024u) /* of requests that are not served yet */

/* ---- life ---- */

void stream_host_init(struct stream_host *host, struct stream_shared *shared)
{
    *host = (struct stream_host){.shared = shared};
    ring_init(&host->streams);
    ring_init(&host->awaited);
    ring_init(&host->untaken);
}

static void stream_await(struct stream *stream, struct ring *ring)
{
    ring_remove(&stream->due);
    stream->since = loop_now(stream->host->shared->loop);
    ring_add(ring, &stream->due);
}

struct stream *stream_create(struct stream_host *host, int32_t id)
{
    struct stream *stream = calloc(1, sizeof(*stream));

    if (stream == NULL)
        return NULL;
    stream->host = host;
    stream->id = id;
    ring_init(&stream->due);
    ring_add(&host->streams, &stream->all);
    link_waiter_init(&stream->waiter, NULL, stream);
    link_watcher_init(&stream->watcher, NULL, stream);
    activity_init(&stream->activity, host->shared->link, NULL, stream);
    buffer_init(&stream->request, STREAM_REQUEST_BYTES + GRPC_HEAD_BYTES);
    buffer_init(&stream->answer, STREAM_ANSWER_BYTES);
    stream_await(stream, &host->awaited);
    host->stream_count++;
    host->shared->stats->streams++;
    return stream;
}

/* No call is pending for it any more. */
static void stream_leave(struct stream *stream)
{
    link_waiter_cancel(&stream->waiter);
    link_unwatch(&stream->watcher);
    activity_cancel(&stream->activity);
}

void stream_drop_request(struct stream *stream)
{
    stream->host->shared->request_bytes -= stream->request.len;
    buffer_free(&stream->request);
}

/* The header fields that only a page needs. */
static void stream_drop_text(struct stream *stream)
{
    stream->host->shared->request_bytes -= stream->text_bytes;
    stream->text_bytes = 0;
    free(stream->path);
    if (stream->authorization != NULL)
        wipe(stream->authorization, strlen(stream->authorization));
    free(stream->authorization);
    stream->path = stream->authorization = NULL;
}

void stream_destroy(struct stream *stream)
{
    ring_remove(&stream->all);
    ring_remove(&stream->due);
    stream_leave(stream);
    page_close(stream->page);
    stream_drop_request(stream);
    stream_drop_text(stream);
    buffer_free(&stream->answer);
    free(stream->message);
    stream->host->stream_count--;
    stream->host->shared->stats->streams--;
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
        stream->host->shared->stats->calls[stream->method][code]++;
}

static void stream_reset(struct stream *stream, uint32_t error)
{
    nghttp2_submit_rst_stream(stream->host->session, NGHTTP2_FLAG_NONE, stream->id, error);
}

static void stream_answered(struct stream *stream)
{
    struct stream_host *host = stream->host;

    stream_drop_request(stream);
    stream_drop_text(stream);
    stream_await(stream, &host->untaken);
    host->answered++;
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
        stream->host->session, stream->id, trailers, stream->code == GRPC_OK ? 1 : 2);
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
    if (nghttp2_submit_response(stream->host->session, stream->id, head, 2, &provider) < 0)
        stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
}

static void stream_resume(struct stream *stream)
{
    if (!stream->deferred)
        return;
    stream->deferred = false;
    nghttp2_session_resume_data(stream->host->session, stream->id);
}

/* An error in place of an answer: one HEADERS frame; of a stream that has begun, its trailers. */
void stream_fail(struct stream *stream, enum grpc_code code, const char *message)
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
    if (nghttp2_submit_response(stream->host->session, stream->id, head, 4, NULL) < 0)
        stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
}

void stream_fail_error(struct stream *stream, int error, const char *message)
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
    buffer_append(&stream->answer, message->data, message->len);
    return !stream->answer.failed;
}

void stream_succeed(struct stream *stream, const struct buffer *message)
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

void stream_begin_pushes(struct stream *stream)
{
    stream->state = STREAM_WATCHING;
    stream_answered(stream);
    stream_begin(stream);
}

bool stream_push(struct stream *stream, const struct buffer *message)
{
    if (stream->answer.len > STREAM_ANSWER_BYTES / 2 || !stream_put(stream, message))
        return false;
    stream_answered(stream);
    stream_resume(stream);
    return true;
}

void stream_wake(const struct stream *stream)
{
    stream->host->wake(stream->host->wake_data);
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
    stream_await(stream, &stream->host->untaken);
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
    if (nghttp2_submit_response(stream->host->session, stream->id, headers, count,
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

/* The request is whole: from here on the page has deadlines of its own, one for each part of a
 * list. */
void stream_open_page(struct stream *stream)
{
    const struct page_request request = {.is_get = stream->is_get,
        .is_head = stream->is_head,
        .refusal = stream->is_post && !stream->is_grpc ? 415 : 0,
        .path = stream_text(stream->path),
        .authorization = stream_text(stream->authorization)};

    stream->page = page_open(stream->host->shared->pages, &request, on_page, stream);
    stream_drop_text(stream);
    if (stream->page == NULL) {
        stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    ring_remove(&stream->due);
    if (page_is_ready(stream->page))
        stream_submit_page(stream);
}

/* ---- the request ---- */

/* False: no memory, or too much is kept for all streams. */
static bool stream_keep_text(struct stream *stream, char **kept, struct text value)
{
    struct stream_shared *shared = stream->host->shared;

    if (*kept != NULL)
        return true;
    if (shared->request_bytes + value.len > REQUEST_BYTES_ALL)
        return false;
    *kept = strndup(value.data, value.len);
    if (*kept == NULL)
        return false;
    stream->text_bytes += value.len;
    shared->request_bytes += value.len;
    return true;
}

/* A request path as HTTP/1.1 has it, without the query. */
static struct text without_query(struct text path)
{
    const char *query = path.len > 0 ? memchr(path.data, '?', path.len) : NULL;

    return query != NULL ? (struct text){path.data, (size_t)(query - path.data)} : path;
}

bool stream_take_header(struct stream *stream, struct text name, struct text value)
{
    static const char grpc[] = "application/grpc";

    if (text_equals(name, ":method")) {
        stream->is_post = text_equals(value, "POST");
        stream->is_get = text_equals(value, "GET");
        stream->is_head = text_equals(value, "HEAD");
    } else if (text_equals(name, ":path")) {
        stream->method = scaler_method_of(value);
        return stream->method != SCALER_UNKNOWN ||
               stream_keep_text(stream, &stream->path, without_query(value));
    } else if (text_equals(name, "content-type")) {
        stream->is_grpc = value.len >= sizeof(grpc) - 1 &&
                          memcmp(value.data, grpc, sizeof(grpc) - 1) == 0;
    } else if (text_equals(name, "authorization")) {
        return stream_keep_text(stream, &stream->authorization, value);
    }
    return true;
}

bool stream_is_call(const struct stream *stream)
{
    return stream->is_post && stream->is_grpc;
}

void stream_take_data(struct stream *stream, const uint8_t *data, size_t len)
{
    struct stream_shared *shared = stream->host->shared;

    if (stream->state != STREAM_READING || !stream->is_grpc)
        return;
    if (shared->request_bytes + len > REQUEST_BYTES_ALL ||
        buffer_append(&stream->request, data, len) < 0)
        stream_fail(stream, GRPC_RESOURCE_EXHAUSTED, "the request is too long");
    else
        shared->request_bytes += len;
}

/* A call that has not got its answer in time: from the client, or from the agent. */
void stream_expire(struct stream *stream)
{
    bool reading = stream->state == STREAM_READING;

    ring_remove(&stream->due);
    if (stream_is_call(stream))
        stream_fail(stream, GRPC_DEADLINE_EXCEEDED,
            reading ? "the request did not arrive within 2 s" : "no answer within 2 s");
    else
        stream_reset(stream, NGHTTP2_CANCEL);
}
