#include "agent/ipc/ask.h"
#include "agent/ipc/pack_count.h"
#include "agent/ipc/pending.h"

#include <stdlib.h>

/* A request that has to wait for its count. */
struct count_call {
    struct pending pending;
    struct count_request request;
    int32_t replicas;
};

/* ---- answers --------------------------------------------------------------------------------- */

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
    struct buffer extra;
    uint32_t pairs;

    buffer_init(&extra, 256);
    pairs = pack_failed_decision(&extra, answer, replicas);
    session_fail_with(session, id, answer->failure, &extra, pairs);
    buffer_free(&extra);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static struct count_call *call_of(struct pending *pending)
{
    return RING_MEMBER(pending, struct count_call, pending);
}

static void leave(struct pending *pending)
{
    struct count_call *call = call_of(pending);

    question_leave(&call->request);
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

static void ask(struct question *question, struct method_call *call, const struct ask *asked)
{
    struct count_call *waiting = calloc(1, sizeof(*waiting));

    if (waiting == NULL) {
        method_fail(call, ERROR_INTERNAL, "no memory for the request");
        return;
    }
    waiting->replicas = asked->replicas;
    waiting->request.max_age_ms = asked->max_age_ms;
    waiting->request.timeout_ms = asked->timeout_ms;
    waiting->request.done = on_answer;
    waiting->request.data = waiting;
    pending_begin(&waiting->pending, call, leave);
    question_ask(question, &waiting->request);
}

void method_count(struct method_call *call)
{
    struct count_answer answer;
    struct question *question;
    struct ask asked;

    if (!pending_may_begin(call) ||
        !ask_read(
            &asked, call, ASK_MAX_AGE | ASK_TIMEOUT | ASK_REPLICAS | ASK_VALUES | ASK_NAME_ALONE))
        return;
    question = ask_question(&asked, call);
    if (question != NULL && question_answer(question, asked.max_age_ms, &answer)) {
        method_count_answer(call->session, call->id, &answer, asked.replicas);
        repeat_remember(call, &asked, question);
    } else if (question != NULL) {
        ask(question, call, &asked);
    }
    ask_clear(&asked);
}
