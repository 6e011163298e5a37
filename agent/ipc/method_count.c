/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ipc/pending_request.h"
#include "agent/ipc/reply.h"

#include <stdlib.h>

/* A request that has to wait for its count. */
struct count_call {
    struct pending pending;
    struct count_request request;
    int32_t replicas;
};

/* ---- answers ---- */

void method_count_answer(
    struct session *session, uint32_t id, const struct count_answer *answer, int32_t replicas)
{
    struct session_answer out = session_begin(session);

    pack_count_answer(out.buffer, id, answer, replicas);
    session_end(session, out, id);
}

static void answer_failure(
    struct session *session, uint32_t id, const struct count_answer *answer, int32_t replicas)
{
    struct buffer buffer;
    struct map extra;

    buffer_init(&buffer, 256);
    extra = map_begin(&buffer);
    pack_failed_decision(&extra, answer, replicas);
    session_fail_with(session, id, answer->failure, &extra);
    buffer_free(&buffer);
}

/* ---- calls ---- */

static struct count_call *count_call_of(struct pending *pending)
{
    return RING_MEMBER(pending, struct count_call, pending);
}

static void leave(struct pending *pending)
{
    struct count_call *call = count_call_of(pending);

    trigger_state_leave(&call->request);
    free(call);
}

static void on_answer(void *data, const struct count_answer *answer)
{
    struct count_call *call = data;
    struct session *session = call->pending.session;
    uint32_t id = call->pending.id;
    int32_t replicas = call->replicas;

    pending_end(&call->pending);
    free(call);
    if (answer->value != NULL)
        method_count_answer(session, id, answer, replicas);
    else
        answer_failure(session, id, answer, replicas);
}

static void count_call_ask(
    struct trigger_state *state, struct method_call *call, const struct ask *asked)
{
    struct count_call *waiting = calloc(1, sizeof(*waiting));

    if (waiting == NULL) {
        method_fail(call, ERROR_INTERNAL, "no memory for the request");
        return;
    }
    waiting->replicas = asked->replicas;
    waiting->request.max_age_ms = asked->max_age_ms;
    waiting->request.timeout_ms = asked->timeout_ms;
    waiting->request.enough = asked->enough;
    waiting->request.done = on_answer;
    waiting->request.data = waiting;
    pending_begin(&waiting->pending, call, leave);
    trigger_state_ask(state, &waiting->request);
}

void method_count(struct method_call *call)
{
    struct count_answer answer;
    struct trigger_state *state;
    struct ask asked;

    if (!pending_may_begin(call) ||
        !ask_read(&asked, call,
            ASK_MAX_AGE | ASK_TIMEOUT | ASK_REPLICAS | ASK_VALUES | ASK_ENOUGH | ASK_NAME_ALONE))
        return;
    state = ask_state(&asked, call);
    if (state != NULL && trigger_state_answer(state, asked.max_age_ms, asked.enough, &answer)) {
        method_count_answer(call->session, call->id, &answer, asked.replicas);
        method_count_remember(call, &asked, state);
    } else if (state != NULL) {
        count_call_ask(state, call, &asked);
    }
    ask_clear(&asked);
}

/* ---- repeated requests ---- */

void method_count_remember(
    const struct method_call *call, const struct ask *asked, struct trigger_state *state)
{
    struct session *session = call->session;
    struct repeat *repeat = &session->repeat;

    repeat->len = 0;
    if (call->body.len > sizeof(repeat->bytes) || asked->values != NULL)
        return;
    memcpy(repeat->bytes, call->body.data, call->body.len);
    repeat->len = call->body.len;
    repeat->method = call->method;
    repeat->generation = counter_generation(session->server->options.counter);
    repeat->state = state;
    repeat->max_age_ms = asked->max_age_ms;
    repeat->enough = asked->enough;
    repeat->replicas = asked->replicas;
}

/* The length of the request at the front if it is the remembered one, and its msgid; else 0. */
static size_t repeat_match(
    const struct repeat *repeat, const uint8_t *data, size_t len, uint64_t *id)
{
    static const uint8_t start[] = {0x94, MESSAGE_REQUEST};
    struct reader reader;

    if (repeat->len == 0 || len < sizeof(start) || memcmp(data, start, sizeof(start)) != 0)
        return 0;
    reader_init(&reader, data + sizeof(start), len - sizeof(start));
    if (!reader_uint(&reader, id) || *id > MSGID_MAX ||
        (size_t)(reader.end - reader.at) < repeat->len ||
        memcmp(reader.at, repeat->bytes, repeat->len) != 0)
        return 0;
    return (size_t)(reader.at - data) + repeat->len;
}

size_t method_count_repeated(struct session *session, const uint8_t *data, size_t len)
{
    const struct repeat *repeat = &session->repeat;
    struct server *server = session->server;
    struct counter *counter = server->options.counter;
    struct count_answer answer;
    uint64_t id;
    size_t taken = repeat_match(repeat, data, len, &id);

    if (taken == 0 || repeat->generation != counter_generation(counter) ||
        session->in_flight >= LIMIT_IN_FLIGHT)
        return 0;
    if (!trigger_state_answer(repeat->state, repeat->max_age_ms, repeat->enough, &answer))
        return 0;
    server->stats.requests++;
    session->requests++;
    server->method_requests[repeat->method]++;
    method_count_answer(session, (uint32_t)id, &answer, repeat->replicas);
    return taken;
}
