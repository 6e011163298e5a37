/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/aws/dynamodb.h"
#include "agent/aws/shared_record.h"
#include "agent/count/shard_sum.h"
#include "agent/ipc/explanation.h"
#include "agent/ipc/pending_request.h"

#include <stdlib.h>

#define BODY_BYTES (512u * 1024u) /* the maximum of a count's own body */

/* One `explain` request, from its arrival until its answer. Its count is shared with all other
 * callers, so that explanations do not multiply the calls to AWS. */
struct explain_call {
    struct pending pending;
    struct count_request request;
    struct snapshot *snapshot;     /* holds a reference */
    const struct trigger *trigger; /* of the snapshot */
    bool asked_again;              /* see explain_ask_again */
    int32_t replicas;
};

static void explain_free(struct explain_call *call)
{
    snapshot_unref(call->snapshot);
    free(call);
}

static struct counter *counter_of(const struct explain_call *call)
{
    return call->pending.session->server->options.counter;
}

/* ---- the answer ---- */

static void on_credentials(
    void *data, struct credentials *credentials, const struct failure *failure)
{
    struct credentials **kept = data;

    (void)failure;
    if (credentials != NULL)
        *kept = credentials_ref(credentials);
}

/* The cached credentials, which a count almost always leaves; NULL: they need a wait. */
static struct credentials *credentials_at_hand(struct identity *identity)
{
    struct credentials *credentials = NULL;
    struct provider_request request = {.done = on_credentials, .data = &credentials};

    identity_get(identity, &request);
    identity_cancel(&request);
    return credentials;
}

static void explain_call_pack(struct buffer *buffer, const struct explain_call *call,
    const struct aws_request *request, const struct count_answer *answer)
{
    const struct trigger_state *state = call->request.state;
    const char *share_table = trigger_state_share_table(state);
    char share_key[SHARED_RECORD_KEY_SIZE];
    struct explanation explanation = {.config = call->snapshot->config,
        .trigger = call->trigger,
        .counter = counter_of(call),
        .identity = trigger_state_identity(state),
        .request = request,
        .pages = answer->pages,
        .value = answer->value,
        .share_key = share_key,
        .age_ms = answer->age_ms,
        .replicas = call->replicas};

    if (share_table != NULL && shared_record_key(share_key, call->trigger->namespace_,
                                   &call->trigger->query, trigger_state_values(state)) == 0)
        explanation.share_table = share_table;
    explanation_pack(buffer, &explanation);
}

/* Packs the answer with the same request that was sent for the first page. False: out of memory. */
static bool explain_call_pack_answer(
    struct buffer *buffer, const struct explain_call *call, const struct count_answer *answer)
{
    const struct trigger_state *state = call->request.state;
    const struct query *query = &call->trigger->query;
    struct endpoint endpoint;
    struct buffer body;
    struct aws_request request = {.service = AWS_DYNAMODB,
        .method = "POST",
        .endpoint = &endpoint,
        .content_type = DYNAMODB_CONTENT_TYPE,
        .target = DYNAMODB_QUERY_TARGET};
    char why[200];
    char *values = query->shard_count > 0 ? shard_sum_values(query, trigger_state_values(state), 0)
                                          : NULL;
    int r;

    buffer_init(&body, BODY_BYTES);
    r = endpoint_dynamodb(&endpoint, &counter_context(counter_of(call))->environment, query->region,
        query->endpoint, why, sizeof(why));
    if (r == 0)
        r = dynamodb_query_body(&body, query, values != NULL ? values : trigger_state_values(state),
            answer->pages->unix_seconds, NULL,
            count_query_page_limit(query, query->count_limit, &(struct count_value){0}));
    if (r == 0) {
        request.body = body.data;
        request.body_len = body.len;
        request.credentials = credentials_at_hand(trigger_state_identity(state));
        explain_call_pack(buffer, call, &request, answer);
        credentials_unref(request.credentials);
    }
    free(values);
    buffer_free(&body);
    return r == 0;
}

static void answer_value(const struct explain_call *call, const struct count_answer *answer)
{
    struct session *session = call->pending.session;
    uint32_t id = call->pending.id;
    struct session_answer out = session_begin(session);
    struct failure failure;

    message_begin_answer(out.buffer, id);
    if (answer->pages != NULL && explain_call_pack_answer(out.buffer, call, answer)) {
        session_end(session, out, id);
        return;
    }
    buffer_truncate(out.buffer, out.start);
    failure_set(&failure, ERROR_INTERNAL, "no memory for the explanation");
    session_fail(session, id, &failure);
}

/* A count of the fleet that this request joined: it has no pages to show, so it is counted again.
 */
static bool explain_ask_again(struct explain_call *call, const struct count_answer *answer)
{
    if (answer->failure != NULL || answer->counted_by == NULL || call->asked_again)
        return false;
    call->asked_again = true;
    trigger_state_ask(call->request.state, &call->request);
    return true;
}

/* A stale count was made with an earlier request: the reason why there is no newer one says
 * more. */
static void on_answer(void *data, const struct count_answer *answer)
{
    struct explain_call *call = data;

    if (explain_ask_again(call, answer))
        return;
    pending_end(&call->pending);
    if (answer->failure == NULL)
        answer_value(call, answer);
    else
        session_fail(call->pending.session, call->pending.id, answer->failure);
    explain_free(call);
}

/* ---- the request ---- */

static void on_leave(struct pending *pending)
{
    struct explain_call *call = RING_MEMBER(pending, struct explain_call, pending);

    trigger_state_leave(&call->request);
    explain_free(call);
}

static void explain_call_answer(
    struct trigger_state *state, struct method_call *call, const struct ask *asked)
{
    struct explain_call *explaining = calloc(1, sizeof(*explaining));

    if (explaining == NULL) {
        method_fail(call, ERROR_INTERNAL, "no memory for the request");
        return;
    }
    explaining->snapshot = snapshot_ref(counter_snapshot(call->session->server->options.counter));
    explaining->trigger = asked->trigger;
    explaining->replicas = asked->replicas;
    explaining->request.max_age_ms = 0;
    explaining->request.is_own = true; /* its pages are shown */
    explaining->request.timeout_ms = asked->timeout_ms;
    explaining->request.done = on_answer;
    explaining->request.data = explaining;
    pending_begin(&explaining->pending, call, on_leave);
    trigger_state_ask(state, &explaining->request);
}

void method_explain(struct method_call *call)
{
    struct trigger_state *state;
    struct ask asked;

    if (!pending_may_begin(call) ||
        !ask_read(&asked, call, ASK_TIMEOUT | ASK_REPLICAS | ASK_VALUES))
        return;
    state = ask_state(&asked, call);
    if (state != NULL)
        explain_call_answer(state, call, &asked);
    ask_clear(&asked);
}
