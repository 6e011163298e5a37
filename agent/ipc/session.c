/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ipc/session.h"

#include "agent/log.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define TIMED_BATCHES 16 /* one in this many is timed */

/* One turn of the loop serves each connection for at most this long, so that one with endless or
 * expensive requests delays the others by no more. With many of them the shares get smaller, down
 * to one request. */
#define SHARE_US       250
#define SHARE_ALL_US   4000 /* for all sessions together that have more requests */
#define SHARE_LEAST_US 30
#define SHARE_REPEATS  32 /* cached answers between two reads of the clock */

#define READ_LEAST_BYTES 512u
#define READ_FIRST_BYTES 4096u

static void session_update(struct session *session);

/* ---- answers ---- */

/* Whether the bytes of this session are being handled: their answers are sent together. */
static bool session_is_in_batch(const struct session *session)
{
    return session->channel.in_use;
}

struct session_answer session_begin(struct session *session)
{
    struct server *server = session->server;
    struct session_answer answer;

    answer.buffer = session_is_in_batch(session) ? &server->out : &session->channel.output;
    answer.start = answer.buffer->len;
    return answer;
}

/* Removes what was packed since session_begin, if it could not be packed completely. */
static bool session_answer_undo(struct session_answer answer)
{
    if (!answer.buffer->failed)
        return false;
    buffer_truncate(answer.buffer, answer.start);
    answer.buffer->failed = false;
    return true;
}

/* Sends what was packed, or defers it to the end of the batch. */
static void send_packed(struct session *session, struct session_answer answer)
{
    struct server *server = session->server;

    if (answer.buffer == &server->out) {
        if (answer.buffer->len >= server->channels.output_most)
            channel_send(&session->channel, &server->out);
        return;
    }
    channel_flush(&session->channel, answer.buffer->len - answer.start);
    session_update(session);
    channels_shed(&server->channels);
}

static void session_pack_error(const struct session *session, struct buffer *buffer, uint32_t id,
    const struct failure *failure, const struct map *extra)
{
    if (session->errors_as_string)
        message_error_string(buffer, id, failure);
    else
        message_error(buffer, id, failure, extra);
}

void session_end(struct session *session, struct session_answer answer, uint32_t id)
{
    struct failure failure;

    if (session_answer_undo(answer)) {
        failure_set_buffer(&failure, "the answer", answer.buffer);
        session_pack_error(session, answer.buffer, id, &failure, NULL);
        if (session_answer_undo(answer))
            session->channel.closing = true;
    }
    session->server->stats.answered++;
    send_packed(session, answer);
}

bool session_end_notification(struct session *session, struct session_answer answer)
{
    bool packed = !session_answer_undo(answer);

    if (packed)
        send_packed(session, answer);
    return packed;
}

/* A session whose share is used up has nothing queued while it waits for the kernel's buffer, which
 * accepts more when three quarters of it are free. */
bool session_is_slow(struct session *session)
{
    struct channel *channel = &session->channel;

    if (channel->output.len > 0 || !session->share_used)
        return channel->output.len > 0;
    channel_measure_unread(channel);
    return channel->unread_bytes > CHANNEL_SEND_BYTES / 2;
}

void session_fail(struct session *session, uint32_t id, const struct failure *failure)
{
    session_fail_with(session, id, failure, NULL);
}

void session_fail_with(
    struct session *session, uint32_t id, const struct failure *failure, const struct map *extra)
{
    struct session_answer answer = session_begin(session);

    session->server->stats.errors++;
    session_pack_error(session, answer.buffer, id, failure, extra);
    session_end(session, answer, id);
}

/* ---- requests ---- */

/* The used part of the session's share of this turn. */
struct share {
    int64_t started_us; /* 0: the clock was not read yet */
    int64_t us;
    unsigned repeats;
};

static int64_t share_of(const struct server *server)
{
    int64_t us = SHARE_ALL_US / ((int64_t)server->share_used_count + 1);

    return us > SHARE_US ? SHARE_US : us < SHARE_LEAST_US ? SHARE_LEAST_US : us;
}

/* Starts when the clock is first read. A single request, or a batch from the cache, needs none. */
static bool share_is_used(struct share *share, const struct server *server)
{
    int64_t now = loop_microseconds(server->options.loop);

    share->repeats = 0;
    if (share->started_us == 0) {
        share->started_us = now;
        share->us = share_of(server);
    }
    return now - share->started_us >= share->us;
}

static bool session_may_go_on(const struct session *session)
{
    return !session->channel.closing && !channel_is_blocked(&session->channel);
}

/* offset: of the error, in the bytes of the request. */
static void close_malformed(struct session *session, const char *reason, size_t offset)
{
    session->server->stats.malformed++;
    log_often(LOG_LEVEL_WARN, "malformed", LOG_NUMBER("uid", session->channel.peer.uid),
        LOG_NUMBER("pid", session->channel.peer.pid), LOG_TEXT("reason", reason),
        LOG_NUMBER("offset", (int64_t)offset), LOG_TEXT("action", "connection closed"));
    session->channel.closing = true;
}

/* Handles the frame at the front if it is complete; returns its length, or 0. */
static size_t session_process_frame(
    struct session *session, const uint8_t *data, size_t len, struct share *share)
{
    enum frame_status status = frame_scan_feed(&session->scan, data, len);
    size_t taken = session->scan.offset;

    if (status == FRAME_MORE)
        return 0;
    if (taken < len && share->started_us == 0)
        share_is_used(share, session->server);
    if (status == FRAME_REFUSED) {
        close_malformed(session, frame_refusal(&session->scan, data, len), taken);
        return 0;
    }
    if (!session->server->options.hooks->frame(session, data, taken)) {
        close_malformed(session, "no_request", 0);
        return 0;
    }
    frame_scan_init(&session->scan, LIMIT_REQUEST_BYTES, LIMIT_DEPTH);
    if (session->refused)
        session->channel.closing = true;
    return taken;
}

static void session_set_share_used(struct session *session, bool used)
{
    session->server->share_used_count += used;
    session->server->share_used_count -= session->share_used;
    session->share_used = used;
}

/* Handles the complete frames at the front of `data`; returns the bytes they took. Stops early when
 * the peer does not read its answers, or when its share of the turn is used up. */
static size_t session_process(struct session *session, const uint8_t *data, size_t len)
{
    const struct session_hooks *hooks = session->server->options.hooks;
    struct share share = {.started_us = 0};
    bool is_over = false;
    size_t taken = 0;

    while (taken < len && session_may_go_on(session) && !is_over) {
        size_t n = session->scan.offset == 0 ? hooks->repeated(session, data + taken, len - taken)
                                             : 0;

        if (n > 0) {
            is_over = ++share.repeats == SHARE_REPEATS && share_is_used(&share, session->server);
        } else {
            n = session_process_frame(session, data + taken, len - taken, &share);
            if (n == 0)
                break;
            is_over = taken + n < len && share_is_used(&share, session->server);
        }
        taken += n;
    }
    session_set_share_used(session, taken < len && is_over);
    session->deferred = taken < len && (is_over || channel_is_blocked(&session->channel));
    return taken;
}

static void batch_begin(struct session *session)
{
    struct server *server = session->server;

    session->channel.in_use = true;
    session->used_at = loop_now(server->options.loop);
    server->batch_started_us =
        server->batches++ % TIMED_BATCHES == 0 ? loop_microseconds(server->options.loop) : 0;
    server->batch_answered = server->stats.answered;
}

/* Sends the answers of the batch at once; each has the latency of the whole batch. Two reads of the
 * clock are expensive beside a cached answer, so one batch of some stands for the others. */
static void batch_end(struct session *session)
{
    struct server *server = session->server;

    session->channel.in_use = false;
    channel_send(&session->channel, &server->out);
    channel_settle_input(&session->channel);
    server->untimed += server->stats.answered - server->batch_answered;
    if (server->batch_started_us == 0)
        return;
    int64_t now = loop_microseconds(server->options.loop);
    latency_add(&server->latency, now, now - server->batch_started_us, server->untimed);
    server->untimed = 0;
}

static void process_input(struct session *session)
{
    struct buffer *input = &session->channel.input;

    buffer_consume(input, session_process(session, input->data, input->len));
}

/* New bytes are handled where they were read; only an incomplete frame is kept. */
static void session_take_bytes(struct session *session, const uint8_t *data, size_t len)
{
    struct channel *channel = &session->channel;
    size_t taken;

    batch_begin(session);
    if (channel->input.len == 0) {
        taken = session_process(session, data, len);
        if (taken < len && buffer_append(&channel->input, data + taken, len - taken) < 0)
            channel->closing = true;
    } else if (buffer_append(&channel->input, data, len) < 0) {
        channel->closing = true;
    } else {
        process_input(session);
    }
    batch_end(session);
}

/* After a blocked peer has read its answers: handles the deferred frames. */
static void process_deferred(struct session *session)
{
    if (session->channel.input.len == 0)
        return;
    batch_begin(session);
    process_input(session);
    batch_end(session);
}

/* Input beyond the share of a session has to be kept, so a session that uses its share up reads
 * less; the rest stays in the memory of the peer. */
static void adapt_read(struct session *session, size_t n)
{
    if (session->share_used && session->read_bytes > READ_LEAST_BYTES)
        session->read_bytes /= 2;
    else if (!session->share_used && n == session->read_bytes && n < SERVER_READ_BYTES)
        session->read_bytes *= 2;
}

static void on_readable(struct session *session)
{
    struct server *server = session->server;
    bool is_tight = server->channels.input_bytes > server->channels.max / 4;
    size_t size = is_tight ? READ_LEAST_BYTES : session->read_bytes;
    ssize_t n = recv(session->channel.fd, server->read_buffer, size, MSG_DONTWAIT);

    if (n > 0) {
        session_take_bytes(session, server->read_buffer, (size_t)n);
        adapt_read(session, (size_t)n);
    } else if (n == 0 || (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK)) {
        session->channel.closing = true;
    }
}

/* The end of a connection that was served may be what a draining agent waits for. */
static void session_end_closing(struct session *session)
{
    struct server *server = session->server;
    bool served = !session->refused;

    session_close(session);
    if (!served || !server->draining)
        return;
    server->busy_at = loop_now(server->options.loop);
    loop_timer_start(server->drain, 0);
}

static void on_events(void *data, unsigned events)
{
    struct session *session = data;

    if (events & LOOP_WRITABLE) {
        channel_flush(&session->channel, 0);
        if (session_may_go_on(session))
            process_deferred(session);
        if (!session->channel.closing && session->behind && !session_is_slow(session))
            session->server->options.hooks->caught_up(session);
    }
    if ((events & LOOP_READABLE) && !session->deferred && session_may_go_on(session))
        on_readable(session);
    if (session->channel.closing) {
        session_end_closing(session);
        return;
    }
    session_update(session);
    channels_shed(&session->server->channels);
}

/* Watches for the events that the session can use now. A session that is to close is woken to do
 * so, and so is one that has to catch up: its queue may have been sent in another's turn. */
static void session_update(struct session *session)
{
    unsigned events = 0;

    if (!channel_is_blocked(&session->channel) && !session->deferred)
        events |= LOOP_READABLE;
    if (session->channel.output.len > 0 || session->channel.closing || session->deferred ||
        session->behind)
        events |= LOOP_WRITABLE;
    if (events == session->events)
        return;
    if (loop_watch_set(session->watch, events) < 0)
        session->channel.closing = true;
    session->events = events;
}

/* ---- life ---- */

struct session *session_create(
    struct server *server, int fd, const struct ucred *peer, const struct failure *refusal)
{
    struct session *session = calloc(1, sizeof(*session));

    if (session != NULL) {
        session->watch = loop_watch_create(server->options.loop, fd, on_events, session);
        if (refusal != NULL)
            session->refusal = malloc(sizeof(*refusal));
    }
    if (session == NULL || session->watch == NULL ||
        (refusal != NULL && session->refusal == NULL) ||
        loop_watch_set(session->watch, LOOP_READABLE) < 0) {
        if (session != NULL) {
            loop_watch_destroy(session->watch);
            free(session->refusal);
        }
        free(session);
        close(fd);
        return NULL;
    }
    if (refusal != NULL)
        *session->refusal = *refusal;
    session->server = server;
    channel_open(
        &session->channel, &server->channels, fd, peer, LIMIT_REQUEST_BYTES + SERVER_READ_BYTES);
    session->events = LOOP_READABLE;
    session->refused = refusal != NULL;
    session->opened_at = session->used_at = loop_now(server->options.loop);
    session->read_bytes = READ_FIRST_BYTES;
    frame_scan_init(&session->scan, LIMIT_REQUEST_BYTES, LIMIT_DEPTH);
    ring_init(&session->pending);
    ring_init(&session->watches);
    server->session_count++;
    server->refused_count += session->refused;
    return session;
}

/* Frees what an open connection holds. */
static void session_detach(struct session *session)
{
    struct server *server = session->server;

    server->options.hooks->closing(session);
    session_set_share_used(session, false);
    channel_empty(&session->channel);
    loop_watch_destroy(session->watch);
    session->watch = NULL;
    server->refused_count -= session->refused;
    session->refused = false;
    free(session->refusal);
    session->refusal = NULL;
    free(session->client);
    session->client = NULL;
}

void session_close(struct session *session)
{
    struct server *server = session->server;
    struct channel *channel = &session->channel;

    channel_measure_unread(channel);
    if (channel->unread_bytes == 0) {
        session_destroy(session);
        return;
    }
    session_detach(session);
    shutdown(channel->fd, SHUT_RDWR); /* the peer reads the remaining bytes, and then the end */
    channel->closing = session->lingers = true;
    server->channels.lingering += channel->unread_bytes;
    if (server->linger_count++ == 0)
        loop_timer_start(server->sweep, SWEEP_MS);
}

void session_destroy(struct session *session)
{
    struct server *server = session->server;

    session_detach(session);
    channel_close(&session->channel);
    server->session_count--;
    server->linger_count -= session->lingers;
    free(session);
}
