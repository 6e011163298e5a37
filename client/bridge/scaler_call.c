/* SPDX-License-Identifier: Apache-2.0 */
#include "client/bridge/scaler_call.h"

#define NAME_BYTES 512 /* of a metric */

/* ---- answers ---- */

static void call_answer_active(struct stream *stream, bool active)
{
    struct buffer message;

    buffer_init(&message, STREAM_ANSWER_BYTES);
    scaler_write_active(&message, active);
    stream_succeed(stream, &message);
    buffer_free(&message);
}

/* The fields that an answer must have: without one of them there is no number, and not a 0. */
static void call_answer_count(struct stream *stream, const struct tally_answer *answer)
{
    int64_t count = 0;
    char name[NAME_BYTES];
    struct buffer message;

    if (tally_answer_integer(answer, "count", &count) < 0 || count < 0 ||
        tally_answer_string(answer, "metric_name", name, sizeof(name)) < 0) {
        stream_fail(stream, GRPC_INTERNAL, "the agent's answer has no count");
        return;
    }
    buffer_init(&message, STREAM_ANSWER_BYTES);
    scaler_write_metric(&message, name, count);
    stream_succeed(stream, &message);
    buffer_free(&message);
}

static void call_answer_spec(struct stream *stream, const struct tally_answer *row)
{
    double target = 0;
    char name[NAME_BYTES];
    struct buffer message;

    if (tally_answer_number(row, "triggers.0.target", &target) < 0 ||
        tally_answer_string(row, "triggers.0.metric_name", name, sizeof(name)) < 0) {
        stream_fail(stream, GRPC_INTERNAL, "the agent's answer has no target");
        return;
    }
    buffer_init(&message, STREAM_ANSWER_BYTES);
    scaler_write_spec(&message, name, target);
    stream_succeed(stream, &message);
    buffer_free(&message);
}

/* ---- IsActive ---- */

static void on_activity(const struct watch_state *state, void *data)
{
    struct stream *stream = data;

    if (state->error < 0)
        stream_fail_error(stream, state->error, state->message);
    else
        call_answer_active(stream, state->active);
    stream_wake(stream);
}

static int call_start_active(struct stream *stream, const char *trigger)
{
    bool active = false;

    activity_init(&stream->activity, stream->host->shared->link, on_activity, stream);
    int r = activity_start(&stream->activity, trigger, &active);
    if (r == ACTIVITY_KNOWN)
        call_answer_active(stream, active);
    return r;
}

/* ---- StreamIsActive ---- */

static void on_watch_state(const struct watch_state *state, void *data)
{
    struct stream *stream = data;
    struct buffer message;

    if (state->error < 0) {
        stream_fail_error(stream, state->error, state->message);
        stream_wake(stream);
        return;
    }
    buffer_init(&message, STREAM_ANSWER_BYTES);
    scaler_write_active(&message, state->active);
    if (!stream_push(stream, &message))
        stream_fail(stream, GRPC_RESOURCE_EXHAUSTED, "the client does not read");
    buffer_free(&message);
    stream_wake(stream);
}

/* Where it fails, the state comes from the watch, later. */
static void on_first_activity(const struct watch_state *state, void *data)
{
    struct stream *stream = data;

    if (state->error == 0)
        link_watcher_learn(&stream->watcher, state->active);
}

/* The first state: a watch that begins counts all items, which takes longer than to know whether
 * there are enough. */
static void call_start_first(struct stream *stream, const char *trigger)
{
    struct agent_link *link = stream->host->shared->link;
    bool active;

    activity_init(&stream->activity, link, on_first_activity, stream);
    if (!agent_link_knows(link, trigger, &active))
        activity_start(&stream->activity, trigger, &active);
}

/* The head is sent at once, so that the client knows that it is served. */
static void call_watch(struct stream *stream, const struct tally_answer *row)
{
    struct agent_link *link = stream->host->shared->link;
    char trigger[SCALER_TRIGGER_BYTES];
    struct trigger_entry entry;

    if (!activity_read_row(row, &entry, trigger)) {
        stream_fail(stream, GRPC_INTERNAL, "the agent's answer has no name");
        return;
    }
    agent_link_note(link, trigger, &entry);
    link_watcher_init(&stream->watcher, on_watch_state, stream);
    int r = agent_link_watch(link, trigger, &stream->watcher);
    if (r < 0) {
        stream_fail_error(stream, r, "");
        return;
    }
    stream_begin_pushes(stream);
    call_start_first(stream, trigger);
}

/* ---- requests ---- */

static void on_found(const struct tally_answer *answer, void *data)
{
    struct stream *stream = data;
    int error = tally_answer_error(answer);

    if (error < 0)
        stream_fail_error(stream, error, tally_answer_error_message(answer));
    else if (stream->method == SCALER_GET_METRICS)
        call_answer_count(stream, answer);
    else if (!activity_is_row(answer))
        stream_fail(stream, GRPC_INTERNAL, "the agent is too old to list one trigger");
    else if (stream->method == SCALER_GET_METRIC_SPEC)
        call_answer_spec(stream, answer);
    else
        call_watch(stream, answer);
    stream_wake(stream);
}

static int call_start(struct stream *stream, const char *trigger)
{
    struct agent_link *link = stream->host->shared->link;

    if (stream->method == SCALER_IS_ACTIVE)
        return call_start_active(stream, trigger);
    link_waiter_init(&stream->waiter, on_found, stream);
    return stream->method == SCALER_GET_METRICS
               ? agent_link_count(link, trigger, 0, &stream->waiter)
               : agent_link_find(link, trigger, &stream->waiter);
}

/* The message behind the frame head. GRPC_OK, or what is wrong with it, in `why`. */
static enum grpc_code call_read_message(
    const struct buffer *request, struct text *message, const char **why)
{
    const uint8_t *data = request->data;

    if (request->len < GRPC_HEAD_BYTES) {
        *why = "the request has no message";
        return GRPC_INVALID_ARGUMENT;
    }
    if (data[0] != 0) {
        *why = "the request is compressed, which is not served";
        return GRPC_UNIMPLEMENTED;
    }
    message->data = (const char *)data + GRPC_HEAD_BYTES;
    message->len = (size_t)data[1] << 24 | (size_t)data[2] << 16 | (size_t)data[3] << 8 | data[4];
    *why = "the request must be one whole message";
    return message->len == request->len - GRPC_HEAD_BYTES ? GRPC_OK : GRPC_INVALID_ARGUMENT;
}

void scaler_call_begin(struct stream *stream)
{
    char trigger[SCALER_TRIGGER_BYTES], refusal[512];
    const char *why = refusal;
    struct text message;

    if (stream->method == SCALER_UNKNOWN) {
        stream_fail(stream, GRPC_UNIMPLEMENTED, "tally-bridge has no such method");
        return;
    }
    enum grpc_code code = call_read_message(&stream->request, &message, &why);
    if (code == GRPC_OK) {
        why = refusal;
        code = scaler_read(stream->method, message, stream->host->shared->only_namespace, trigger,
            refusal, sizeof(refusal));
    }
    if (code != GRPC_OK) {
        stream_fail(stream, code, why);
        return;
    }
    int r = call_start(stream, trigger);
    if (r < 0)
        stream_fail_error(stream, r, "");
    else
        stream_drop_request(stream);
}
