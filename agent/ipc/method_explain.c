#include "agent/aws/dynamodb.h"
#include "agent/count/solo.h"
#include "agent/ipc/ask.h"
#include "agent/ipc/explanation.h"
#include "agent/ipc/pending.h"

#include <stdlib.h>

#define BODY_BYTES (512u * 1024u) /* as long as a count's own may get */

/* A trigger that is counted for one client, from when it was asked until it is answered. */
struct explain_call {
    struct pending pending;
    struct solo *solo;             /* holds the snapshot and the identity: */
    const struct trigger *trigger; /* of the snapshot */
    struct snapshot *snapshot;
    struct identity *identity;
    char *values; /* NULL: the trigger's own */
    int32_t replicas;
    int64_t unix_seconds;
    struct scan_page *pages;
    size_t page_count;
    uint64_t first_count;
};

static void explain_free(struct explain_call *call)
{
    free(call->values);
    free(call->pages);
    free(call);
}

static struct counter *counter_of(const struct explain_call *call)
{
    return call->pending.session->server->options.counter;
}

/* ---- the answer -------------------------------------------------------------------------------
 */

static void on_credentials(
    void *data, struct credentials *credentials, const struct failure *failure)
{
    struct credentials **kept = data;

    (void)failure;
    if (credentials != NULL)
        *kept = credentials_ref(credentials);
}

/* Those at hand, after a count as good as always; NULL: they would have to be waited for. */
static struct credentials *credentials_at_hand(struct identity *identity)
{
    struct credentials *credentials = NULL;
    struct provider_request request = {.done = on_credentials, .data = &credentials};

    identity_get(identity, &request);
    identity_cancel(&request);
    return credentials;
}

static void pack(struct buffer *buffer, const struct explain_call *call,
    const struct aws_request *request, const struct count_value *value)
{
    struct explanation explanation = {.config = call->snapshot->config,
        .trigger = call->trigger,
        .counter = counter_of(call),
        .identity = call->identity,
        .request = request,
        .unix_seconds = call->unix_seconds,
        .pages = call->pages,
        .page_count = call->page_count,
        .first_count = call->first_count,
        .value = value,
        .replicas = call->replicas};

    explanation_pack(buffer, &explanation);
}

/* The same request that went out for the first page. False: no memory. */
static bool pack_answer(
    struct buffer *buffer, const struct explain_call *call, const struct count_value *value)
{
    const struct trigger_query *query = &call->trigger->query;
    struct endpoint endpoint;
    struct buffer body;
    struct aws_request request = {.service = AWS_DYNAMODB,
        .method = "POST",
        .endpoint = &endpoint,
        .content_type = DYNAMODB_CONTENT_TYPE,
        .target = DYNAMODB_QUERY_TARGET};
    char why[200];
    int r;

    buffer_init(&body, BODY_BYTES);
    r = endpoint_dynamodb(&endpoint, &counter_context(counter_of(call))->environment, query->region,
        query->endpoint, why, sizeof(why));
    if (r == 0)
        r = dynamodb_query_body(&body, query, call->values, call->unix_seconds, NULL);
    if (r == 0) {
        request.body = body.data;
        request.body_len = body.len;
        request.credentials = credentials_at_hand(call->identity);
        pack(buffer, call, &request, value);
        credentials_unref(request.credentials);
    }
    buffer_free(&body);
    return r == 0;
}

/* The count is as good as any: those who ask next need not pay for another. */
static void share(const struct explain_call *call, const struct count_value *value)
{
    struct counter *counter = counter_of(call);
    struct question *question;

    if (counter_snapshot(counter) != call->snapshot)
        return;
    question = counter_question(counter, call->trigger, call->values);
    if (question != NULL)
        question_learn(question, value);
}

static void answer(const struct explain_call *call, const struct count_value *value)
{
    struct session *session = call->pending.session;
    uint32_t id = call->pending.id;
    struct session_answer out = session_begin(session);
    struct failure failure;

    message_begin_answer(out.buffer, id);
    if (pack_answer(out.buffer, call, value)) {
        session_end(session, out, id);
        return;
    }
    buffer_truncate(out.buffer, out.start);
    failure_set(&failure, ERROR_INTERNAL, "no memory for the explanation");
    session_fail(session, id, &failure);
}

static void on_done(void *data, const struct count_value *value, const struct failure *failure)
{
    struct explain_call *call = data;

    pending_end(&call->pending);
    if (value != NULL) {
        share(call, value);
        answer(call, value);
    } else {
        session_fail(call->pending.session, call->pending.id, failure);
    }
    explain_free(call);
}

/* ---- the count --------------------------------------------------------------------------------
 */

/* Without memory the pages that are shown end here; all are counted. */
static void on_page(void *data, const struct scan_page *page)
{
    struct explain_call *call = data;
    struct scan_page *pages;

    if (page->number == 1)
        call->first_count = page->count;
    if (call->page_count != page->number - 1 || call->page_count == EXPLANATION_PAGES)
        return;
    pages = reallocarray(call->pages, call->page_count + 1, sizeof(*pages));
    if (pages == NULL)
        return;
    call->pages = pages;
    pages[call->page_count++] = *page;
}

static void on_leave(struct pending *pending)
{
    struct explain_call *call = RING_MEMBER(pending, struct explain_call, pending);

    solo_cancel(call->solo);
    explain_free(call);
}

/* NULL: no memory. */
static struct explain_call *start(struct server *server, struct ask *asked)
{
    static const struct solo_events events = {.page = on_page, .done = on_done};
    struct counter *counter = server->options.counter;
    struct explain_call *call = calloc(1, sizeof(*call));
    struct solo_options options = {
        .query = &asked->trigger->query, .values = asked->values, .timeout_ms = asked->timeout_ms};

    if (call == NULL)
        return NULL;
    call->trigger = asked->trigger;
    call->snapshot = options.snapshot = counter_snapshot(counter);
    call->identity = options.identity = identity_ref(counter_identity(counter, asked->trigger));
    call->replicas = asked->replicas;
    call->unix_seconds = aws_client_wall(server->options.client) / 1000;
    call->solo = solo_start(counter_context(counter), &options, &events, call);
    if (call->solo == NULL) {
        identity_release(call->identity);
        free(call);
        return NULL;
    }
    call->values = asked->values;
    asked->values = NULL;
    return call;
}

void method_explain(struct method_call *call)
{
    struct explain_call *explaining;
    struct ask asked;

    if (!pending_may_begin(call) ||
        !ask_read(&asked, call, ASK_TIMEOUT | ASK_REPLICAS | ASK_VALUES))
        return;
    explaining = start(call->session->server, &asked);
    if (explaining != NULL)
        pending_begin(&explaining->pending, call, on_leave);
    else
        method_fail(call, ERROR_INTERNAL, "no memory for the request");
    ask_clear(&asked);
}
