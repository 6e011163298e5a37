#include "agent/ipc/session.h"

#include "agent/ipc/methods.h"
#include "agent/ipc/pending.h"
#include "agent/log.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define TIMED_BATCHES 16 /* one of so many is timed */

static void session_update(struct session *session);

/* ---- answers --------------------------------------------------------------------------------- */

static bool is_blocked(const struct session *session)
{
    return session->output.len >= LIMIT_OUTPUT_BYTES;
}

/* Sends what it can from the start of `data`: the number of bytes, or -1 where the peer is gone. */
static ssize_t send_some(struct session *session, const uint8_t *data, size_t len)
{
    size_t sent = 0;

    while (sent < len) {
        ssize_t n = send(session->fd, data + sent, len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n > 0)
            sent += (size_t)n;
        else if (errno != EINTR)
            return errno == EAGAIN || errno == EWOULDBLOCK ? (ssize_t)sent : -1;
    }
    return (ssize_t)sent;
}

/* Sends what is queued. */
static void flush_output(struct session *session)
{
    size_t before = session->output.len;
    ssize_t sent;

    if (before == 0)
        return;
    sent = send_some(session, session->output.data, before);
    if (sent < 0) {
        session->closing = true;
        sent = (ssize_t)before; /* nobody takes the rest: others need the room */
    }
    if ((size_t)sent == before)
        buffer_free(&session->output); /* idle again: it costs no memory */
    else
        buffer_consume(&session->output, (size_t)sent);
    session->server->queued_bytes -= (size_t)sent;
}

/* Sends the answers of a batch at once; what the kernel does not take is queued. */
static void flush_batch(struct session *session)
{
    struct buffer *out = &session->server->out;
    ssize_t sent = 0;

    if (out->len > 0 && session->output.len == 0) {
        sent = send_some(session, out->data, out->len);
        if (sent < 0)
            session->closing = true;
    }
    if (sent >= 0 && (size_t)sent < out->len) {
        if (buffer_append(&session->output, out->data + sent, out->len - (size_t)sent) == 0)
            session->server->queued_bytes += out->len - (size_t)sent;
        else
            session->closing = true; /* an answer would be lost: better no connection */
    }
    buffer_clear(out);
}

struct session_answer session_begin(struct session *session)
{
    struct server *server = session->server;
    struct session_answer answer;

    answer.buffer = server->batch == session ? &server->out : &session->output;
    answer.start = answer.buffer->len;
    return answer;
}

/* Takes back what was packed since session_begin, if it could not be packed to the end. */
static bool take_back(struct session_answer answer)
{
    if (!answer.buffer->failed)
        return false;
    buffer_truncate(answer.buffer, answer.start);
    answer.buffer->failed = false;
    return true;
}

/* Sends what was packed, or leaves it to the end of the batch. */
static void send_packed(struct session *session, struct session_answer answer)
{
    struct server *server = session->server;

    if (answer.buffer == &server->out) {
        if (answer.buffer->len >= LIMIT_OUTPUT_BYTES)
            flush_batch(session);
        return;
    }
    server->queued_bytes += answer.buffer->len - answer.start;
    flush_output(session);
    session_update(session);
    server_shed(server);
}

void session_end(struct session *session, struct session_answer answer, uint32_t id)
{
    struct failure failure;

    if (take_back(answer)) {
        failure_set_buffer(&failure, "the answer", answer.buffer);
        message_error(answer.buffer, id, &failure, NULL, 0);
        if (take_back(answer))
            session->closing = true;
    }
    session->server->stats.answered++;
    send_packed(session, answer);
}

bool session_end_notification(struct session *session, struct session_answer answer)
{
    bool packed = !take_back(answer);

    if (packed)
        send_packed(session, answer);
    return packed;
}

bool session_is_slow(const struct session *session)
{
    return session->output.len > 0;
}

void session_fail(struct session *session, uint32_t id, const struct failure *failure)
{
    struct session_answer answer = session_begin(session);

    session->server->stats.errors++;
    message_error(answer.buffer, id, failure, NULL, 0);
    session_end(session, answer, id);
}

/* ---- requests -------------------------------------------------------------------------------- */

/* Handles the whole frames at the front of `data`; returns the bytes they took. Stops early where
 * the peer does not take its answers. */
static size_t process(struct session *session, const uint8_t *data, size_t len)
{
    size_t taken = 0;

    while (taken < len && !session->closing && !is_blocked(session)) {
        size_t repeated =
            session->scan.offset == 0 ? repeat_answer(session, data + taken, len - taken) : 0;
        enum frame_status status;

        taken += repeated;
        if (repeated > 0)
            continue;
        status = frame_scan_feed(&session->scan, data + taken, len - taken);
        if (status == FRAME_MORE)
            break;
        if (status == FRAME_REFUSED ||
            !dispatch_frame(session, data + taken, session->scan.offset)) {
            session->server->stats.malformed++;
            log_often(LOG_LEVEL_WARN, "malformed", LOG_NUMBER("uid", session->uid),
                LOG_NUMBER("pid", session->pid), LOG_TEXT("action", "connection closed"));
            session->closing = true;
            break;
        }
        taken += session->scan.offset;
        frame_scan_init(&session->scan, LIMIT_REQUEST_BYTES, LIMIT_DEPTH);
        if (session->refused)
            session->closing = true;
    }
    session->held = taken < len && is_blocked(session);
    return taken;
}

/* An idle session keeps nothing; what others keep counts. */
static void settle_input(struct session *session)
{
    struct server *server = session->server;

    if (session->input.len == 0 && session->input.data != NULL)
        buffer_free(&session->input);
    server->kept_bytes += session->input.capacity;
    server->kept_bytes -= session->kept_bytes;
    session->kept_bytes = session->input.capacity;
}

void session_forget_input(struct session *session)
{
    buffer_free(&session->input);
    settle_input(session);
}

static void batch_begin(struct session *session)
{
    struct server *server = session->server;

    server->batch = session;
    server->batch_started_us =
        server->batches++ % TIMED_BATCHES == 0 ? loop_microseconds(server->options.loop) : 0;
    server->batch_answered = server->stats.answered;
}

/* What the batch answered is sent at once, and took as long as all of it. Two looks at the clock
 * are dear beside an answer from the cache, so one batch of some stands for the others. */
static void batch_end(struct session *session)
{
    struct server *server = session->server;

    server->batch = NULL;
    flush_batch(session);
    settle_input(session);
    server->untimed += server->stats.answered - server->batch_answered;
    if (server->batch_started_us == 0)
        return;
    int64_t now = loop_microseconds(server->options.loop);
    latency_add(&server->latency, now, now - server->batch_started_us, server->untimed);
    server->untimed = 0;
}

/* New bytes are handled where they were read; only an incomplete frame is kept. */
static void take_bytes(struct session *session, const uint8_t *data, size_t len)
{
    size_t taken;

    batch_begin(session);
    if (session->input.len == 0) {
        taken = process(session, data, len);
        if (taken < len && buffer_append(&session->input, data + taken, len - taken) < 0)
            session->closing = true;
    } else if (buffer_append(&session->input, data, len) < 0) {
        session->closing = true;
    } else {
        taken = process(session, session->input.data, session->input.len);
        buffer_consume(&session->input, taken);
    }
    batch_end(session);
}

/* After a blocked peer took its answers: the frames that had to wait. */
static void process_kept(struct session *session)
{
    size_t taken;

    if (session->input.len == 0)
        return;
    batch_begin(session);
    taken = process(session, session->input.data, session->input.len);
    buffer_consume(&session->input, taken);
    batch_end(session);
}

static void on_readable(struct session *session)
{
    uint8_t *data = session->server->read_buffer;
    ssize_t n = recv(session->fd, data, SERVER_READ_BYTES, MSG_DONTWAIT);

    if (n > 0) {
        /* Descriptors and out-of-band data that a peer sends along cut the stream in pieces: what
         * comes behind them waits for its next bytes. */
        if (n < SERVER_READ_BYTES)
            loop_watch_drained(session->watch);
        take_bytes(session, data, (size_t)n);
    } else if (n == 0 || (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK)) {
        session->closing = true;
    }
}

static void on_events(void *data, unsigned events)
{
    struct session *session = data;

    if (events & LOOP_WRITABLE) {
        flush_output(session);
        if (!session->closing && !is_blocked(session))
            process_kept(session);
        if (!session->closing && session->behind && !session_is_slow(session))
            method_watch_catch_up(session);
    }
    if ((events & LOOP_READABLE) && !session->closing && !is_blocked(session))
        on_readable(session);
    if (session->closing) {
        struct server *server = session->server;

        session_destroy(session);
        server_session_closed(server);
        return;
    }
    session_update(session);
    server_shed(session->server);
}

/* Watches for what the session can use now. A session that is to close is woken to do so, and so
 * is one that has something to catch up with: what waits may have gone out in another's turn. */
static void session_update(struct session *session)
{
    unsigned events = 0;

    if (!is_blocked(session))
        events |= LOOP_READABLE;
    if (session->output.len > 0 || session->closing || session->held || session->behind)
        events |= LOOP_WRITABLE;
    if (events == session->events)
        return;
    if (loop_watch_set(session->watch, events) < 0)
        session->closing = true;
    session->events = events;
}

/* ---- life ------------------------------------------------------------------------------------ */

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
    session->fd = fd;
    session->events = LOOP_READABLE;
    session->refused = refusal != NULL;
    session->uid = peer->uid;
    session->gid = peer->gid;
    session->pid = peer->pid;
    session->opened_at = loop_now(server->options.loop);
    frame_scan_init(&session->scan, LIMIT_REQUEST_BYTES, LIMIT_DEPTH);
    buffer_init(&session->input, LIMIT_REQUEST_BYTES + SERVER_READ_BYTES);
    buffer_init(&session->output, 2 * (size_t)LIMIT_ANSWER_BYTES);
    ring_init(&session->pending);
    ring_init(&session->watches);
    ring_add(&server->sessions, &session->link);
    server->session_count++;
    server->refused_count += session->refused;
    return session;
}

void session_destroy(struct session *session)
{
    struct server *server = session->server;

    pending_forget(session);
    method_watch_forget(session);
    server->queued_bytes -= session->output.len;
    server->kept_bytes -= session->kept_bytes;
    server->session_count--;
    server->refused_count -= session->refused;
    ring_remove(&session->link);
    loop_watch_destroy(session->watch);
    close(session->fd);
    buffer_free(&session->input);
    buffer_free(&session->output);
    free(session->refusal);
    free(session->client);
    free(session);
}
