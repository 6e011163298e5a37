#include "agent/ipc/ask.h"
#include "agent/ipc/pack_count.h"
#include "agent/ipc/pending.h"

#include <stdlib.h>

#define SPARE_MAX 64 /* answered requests kept for the next ones */

/* A request for a count, from when it was decoded until it is answered. */
struct count_call {
    struct pending pending; /* its link is in server::spare afterwards */
    struct count_request request;
    int32_t replicas;
};

/* ---- answers --------------------------------------------------------------------------------- */

static void answer_failure(struct session *session, uint32_t id, const struct count_answer *answer)
{
    struct session_answer out;
    struct buffer extra;
    uint32_t pairs;

    buffer_init(&extra, 256);
    pairs = pack_failed_decision(&extra, answer);
    out = session_begin(session);
    session->server->stats.errors++;
    message_error(out.buffer, id, answer->failure, &extra, pairs);
    session_end(session, out, id);
    buffer_free(&extra);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static struct count_call *call_of(struct pending *pending)
{
    return RING_MEMBER(pending, struct count_call, pending);
}

/* NULL: no memory. */
static struct count_call *call_take(struct server *server)
{
    struct count_call *call;

    if (ring_is_empty(&server->spare))
        return calloc(1, sizeof(*call));
    call = call_of(RING_MEMBER(server->spare.next, struct pending, link));
    ring_remove(&call->pending.link);
    server->spare_count--;
    return call;
}

static void call_give_back(struct count_call *call)
{
    struct server *server = call->pending.session->server;

    if (server->spare_count == SPARE_MAX) {
        free(call);
        return;
    }
    ring_add(&server->spare, &call->pending.link);
    server->spare_count++;
}

static void leave(struct pending *pending)
{
    struct count_call *call = call_of(pending);

    question_leave(&call->request);
    call_give_back(call);
}

static void on_answer(void *data, const struct count_answer *answer)
{
    struct count_call *call = data;
    struct session *session = call->pending.session;
    uint32_t id = call->pending.id;
    int32_t replicas = call->replicas;
    struct session_answer out;

    pending_end(&call->pending);
    call_give_back(call);
    if (answer->value == NULL) {
        answer_failure(session, id, answer);
        return;
    }
    out = session_begin(session);
    message_begin_answer(out.buffer, id);
    pack_count(out.buffer, answer, replicas);
    session_end(session, out, id);
}

void method_count_clear(struct server *server)
{
    while (!ring_is_empty(&server->spare)) {
        struct pending *pending = RING_MEMBER(ring_pop(&server->spare), struct pending, link);

        free(call_of(pending));
    }
    server->spare_count = 0;
}

static void ask(struct question *question, struct count_call *call, const struct ask *asked)
{
    call->replicas = asked->replicas;
    call->request.max_age_ms = asked->max_age_ms;
    call->request.timeout_ms = asked->timeout_ms;
    call->request.done = on_answer;
    call->request.data = call;
    question_ask(question, &call->request);
}

void method_count(struct method_call *call)
{
    struct count_call *counting;
    struct question *question;
    struct ask asked;

    if (!pending_may_begin(call) ||
        !ask_read(
            &asked, call, ASK_MAX_AGE | ASK_TIMEOUT | ASK_REPLICAS | ASK_VALUES | ASK_NAME_ALONE))
        return;
    question = ask_question(&asked, call);
    if (question == NULL)
        goto finish;
    counting = call_take(call->session->server);
    if (counting == NULL) {
        method_fail(call, ERROR_INTERNAL, "no memory for the request");
        goto finish;
    }
    pending_begin(&counting->pending, call, leave);
    ask(question, counting, &asked);
finish:
    ask_clear(&asked);
}
