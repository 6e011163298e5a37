/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ipc/method_explain.h"

#include "agent/aws/call.h"
#include "agent/aws/dynamodb.h"
#include "agent/aws/shared_record.h"
#include "agent/count/decision.h"
#include "agent/count/shard_sum.h"
#include "agent/ipc/methods.h"
#include "agent/ipc/reply.h"
#include "proto/utf8.h"
#include "proto/writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- pack request ---- */

#define NAME_SIZE  64
#define SHOWN_SIZE 1024
#define MASK       "(masked)"

/* Credential=AKIAIOSFODNN7EXAMPLE/20260201/…, SignedHeaders=…, Signature=5d67… */
static void mask_authorization(const char *value, char *shown, size_t size)
{
    const char *credential = strstr(value, "Credential=");
    const char *scope = credential != NULL ? strchr(credential, '/') : NULL;
    const char *signature = scope != NULL ? strstr(scope, "Signature=") : NULL;
    char id[CREDENTIALS_ID_SIZE], masked[CREDENTIALS_MASKED_SIZE];

    if (signature == NULL || (size_t)(scope - credential) - 11 >= sizeof(id)) {
        snprintf(shown, size, MASK); /* of an unknown form */
        return;
    }
    credential += 11;
    snprintf(id, sizeof(id), "%.*s", (int)(scope - credential), credential);
    credentials_mask_id(id, masked);
    snprintf(shown, size, "%.*s%s%.*s%s", (int)(credential - value), value, masked,
        (int)(signature + 10 - scope), scope, MASK);
}

void mask_header(const char *name, const char *value, char *shown, size_t size)
{
    if (strcmp(name, "authorization") == 0)
        mask_authorization(value, shown, size);
    else if (strcmp(name, "x-amz-security-token") == 0)
        snprintf(shown, size, MASK);
    else
        utf8_copy(shown, size, value, strlen(value));
}

/* "Name: value" */
static void pack_header(struct map *map, const char *line)
{
    const char *colon = strchr(line, ':');
    char name[NAME_SIZE], shown[SHOWN_SIZE];
    size_t len = 0;

    for (; len < NAME_SIZE - 1 && line + len < colon; len++) {
        char c = line[len];

        name[len] = c;
        if (c >= 'A' && c <= 'Z')
            name[len] = (char)(c - 'A' + 'a');
    }
    name[len] = '\0';
    mask_header(name, colon + 1 + strspn(colon + 1, " "), shown, sizeof(shown));
    map_string(map, name, shown);
}

static void pack_headers(struct map *outer, const struct aws_request *request, int64_t unix_seconds)
{
    struct map map = map_begin_in(outer, "headers");
    struct header_lines lines = {.count = 0};

    if (header_lines_build(&lines, request, unix_seconds) < 0)
        lines.count = 0;
    for (size_t i = 0; i < lines.count; i++)
        pack_header(&map, lines.lines[i]);
    map_end(&map);
    header_lines_free(&lines);
}

void pack_request(struct buffer *buffer, const struct aws_request *request, int64_t unix_seconds)
{
    struct map map = map_begin(buffer);

    map_string(&map, "target", request->target);
    pack_headers(&map, request, unix_seconds);
    write_text(map_key(&map, "body"), request->body, request->body_len);
    map_end(&map);
}

/* ---- explanation ---- */

#define HOUR_MS (3600 * 1000)
#define DAY_MS  86400000

/* All borrowed. */
struct explanation {
    const struct config *config; /* of the trigger */
    const struct trigger *trigger;
    const struct counter *counter;
    const struct identity *identity;
    const struct aws_request *request; /* of the first page */
    const struct count_answer *answer; /* with a value and its pages */
    const char *share_table;           /* NULL: the count is not shared; else with: */
    const char *share_key;
    int32_t replicas; /* REPLICAS_UNKNOWN: not given */
};

/* Adds nothing if it is not set. */
static void put_set(struct map *map, const char *name, bool is_set, uint64_t number)
{
    if (is_set)
        write_uint(map_key(map, name), number);
}

/* ---- the configuration ---- */

static void put_query(struct map *map, const struct query *query)
{
    map_string(map, "table", query->table);
    map_string(map, "index", query->index);
    map_string(map, "endpoint", query->endpoint);
    map_string(map, "key_condition", query->key_condition);
    map_string(map, "filter", query->filter);
    map_string(map, "names", query->names);
    map_string(map, "values", query->values);
    map_bool(map, "consistent_read", query->consistent_read);
    put_set(map, "count_limit", query->count_limit > 0, query->count_limit);
    put_set(map, "max_pages", query->max_pages > 0, query->max_pages);
    if (query->shard_count > 0) {
        write_array(map_key(map, "sum_over"), (uint32_t)query->shard_count);
        for (size_t i = 0; i < query->shard_count; i++)
            write_string(map->buffer, query->shards[i]);
    }
    if (query->client_value_count == 0)
        return;
    write_array(map_key(map, "client_values"), (uint32_t)query->client_value_count);
    for (size_t i = 0; i < query->client_value_count; i++)
        write_string(map->buffer, query->client_values[i]);
}

static void put_scaling(struct map *map, const struct trigger_scaling *scaling)
{
    map_string(map, "metric_type",
        scaling->metric_type == METRIC_AVERAGE_VALUE ? "AverageValue" : "Value");
    map_int(map, "target", scaling->target);
    map_int(map, "activation_target", scaling->activation);
    map_int(map, "min_replicas", scaling->min_replicas);
    map_int(map, "max_replicas", scaling->max_replicas);
    if (scaling->idle_replicas >= 0)
        map_int(map, "idle_replicas", scaling->idle_replicas);
    if (!scaling->has_fallback)
        return;
    map_int(map, "fallback_threshold", scaling->fallback_threshold);
    map_int(map, "fallback_replicas", scaling->fallback_replicas);
    if (scaling->fallback_behavior != FALLBACK_STATIC)
        map_string(map, "fallback_behavior", fallback_behavior_name(scaling->fallback_behavior));
}

static const char *kind_name(enum trigger_owner owner)
{
    switch (owner) {
    case OWNER_SCALED_OBJECT:
        return "ScaledObject";
    case OWNER_SCALED_JOB:
        return "ScaledJob";
    case OWNER_SNIPPET:
        return "triggers";
    }
    return "triggers";
}

static void explanation_pack_config(struct buffer *buffer, const struct trigger *trigger)
{
    struct map map = map_begin(buffer);

    map_string(&map, "kind", kind_name(trigger->owner));
    put_query(&map, &trigger->query);
    put_scaling(&map, &trigger->scaling);
    map_int(&map, "polling_interval_ms", trigger->polling_ms);
    map_bool(&map, "warm", trigger->warm);
    map_end(&map);
}

static void pack_place(struct buffer *buffer, const struct trigger *trigger)
{
    struct map map = map_begin(buffer);

    map_string(&map, "file", trigger->file);
    map_int(&map, "line", trigger->line);
    map_end(&map);
}

/* ---- the request and the pages ---- */

static void pack_endpoint(struct buffer *buffer, const struct endpoint *endpoint)
{
    struct map map = map_begin(buffer);

    map_string(&map, "url", endpoint->url);
    map_string(&map, "region", endpoint->region);
    map_string(&map, "host", endpoint->host);
    map_end(&map);
}

static void pack_pages(struct buffer *buffer, const struct explanation *explanation)
{
    write_array(buffer, (uint32_t)explanation->answer->pages->count);
    for (size_t i = 0; i < explanation->answer->pages->count; i++) {
        const struct count_query_page *page = &explanation->answer->pages->pages[i];
        struct map map = map_begin(buffer);

        put_set(&map, "count", true, page->count);
        put_set(&map, "scanned", true, page->scanned);
        map_float(&map, "rcu", page->consumed_rcu);
        map_float(&map, "elapsed_ms", (double)page->elapsed_us / 1000);
        map_int(&map, "attempts", page->attempts);
        if (explanation->trigger->query.shard_count > 0)
            map_string(&map, "shard", explanation->trigger->query.shards[page->shard]);
        map_end(&map);
    }
}

/* ---- what follows ---- */

static void put_cost(struct map *map, const struct explanation *explanation)
{
    double rcu = explanation->answer->value->consumed_rcu;
    int64_t interval = explanation->trigger->polling_ms;
    struct map cost;

    cost = map_begin_in(map, "cost");
    map_float(&cost, "rcu_per_poll", rcu);
    if (interval > 0) { /* else the cost is unknown */
        if (DAY_MS % interval == 0)
            map_int(&cost, "polls_per_day", DAY_MS / interval);
        else
            map_float(&cost, "polls_per_day", (double)DAY_MS / (double)interval);
        map_float(&cost, "rcu_per_day", rcu * (double)DAY_MS / (double)interval);
        if (counter_has_price(explanation->counter))
            map_float(&cost, "cost_per_month",
                counter_month(explanation->counter, rcu * HOUR_MS / (double)interval));
    }
    map_end(&cost);
}

static void put_decision(struct map *map, const struct explanation *explanation)
{
    const struct trigger_scaling *scaling = &explanation->trigger->scaling;
    uint64_t count = explanation->answer->value->count;
    struct decision decision = decision_make(scaling, count, explanation->replicas);
    struct map packed;
    char why[400];

    decision_explain(&decision, scaling, count, explanation->replicas, why, sizeof(why));
    packed = map_begin_in(map, "decision");
    map_bool(&packed, "active", decision.active);
    put_set(&packed, "desired_replicas", decision.has_desired, (uint64_t)decision.desired);
    map_string(&packed, "why", why);
    map_end(&packed);
}

/* ---- KEDA ---- */

/* Whether the finding is about this trigger, and not about a later one in the same file. */
static bool is_about(
    const struct finding *finding, const struct trigger *trigger, const struct config *config)
{
    if (finding->line < trigger->line || strcmp(finding->file, trigger->file) != 0)
        return false;
    for (size_t i = 0; i < config->trigger_count; i++) {
        const struct trigger *other = &config->triggers[i];

        if (other->line > trigger->line && other->line <= finding->line &&
            strcmp(other->file, trigger->file) == 0)
            return false;
    }
    return true;
}

/* Whether it reports how KEDA interprets a parameter of the trigger. */
static bool is_about_keda(const struct finding *finding)
{
    static const char *const parameters[] = {"expressionAttributeNames",
        "expressionAttributeValues", "identityOwner", "awsAccessKeyID", "sumOver", NULL};

    for (const char *const *name = parameters; *name != NULL; name++)
        if (strcmp(finding->subject, *name) == 0)
            return strstr(finding->message, "KEDA") != NULL;
    return false;
}

/* What KEDA's own scaler misses, and the way to give it the whole number. Returns the length. */
static size_t note_pages(char *note, size_t size, const struct count_value *value)
{
    size_t len = (size_t)snprintf(note, size, "KEDA reads the first page only");

    if (value->pages > 1)
        len += (size_t)snprintf(
            note + len, size - len, "; through tally-bridge it would read %" PRIu64, value->count);
    else if (!value->at_least)
        len += (size_t)snprintf(note + len, size - len, ", and this is all on one page");
    return len;
}

static void put_note(struct map *map, const struct explanation *explanation)
{
    const struct config *config = explanation->config;
    char note[1000];
    size_t len = note_pages(note, sizeof(note), explanation->answer->value);

    for (size_t i = 0; i < config->finding_count && len < sizeof(note); i++) {
        const struct finding *finding = &config->findings[i];
        bool named = strncmp(finding->message, finding->subject, strlen(finding->subject)) == 0;

        if (is_about_keda(finding) && is_about(finding, explanation->trigger, config))
            len += (size_t)snprintf(note + len, sizeof(note) - len, "; %s%s%s",
                named ? "" : finding->subject, named ? "" : " ", finding->message);
    }
    utf8_copy(note, sizeof(note), note, strlen(note)); /* cut at a character boundary */
    map_string(map, "note", note);
}

/* The shard whose values are those of the trigger itself; shard_count: none. */
static size_t keda_shard(const struct query *query)
{
    char *own = dynamodb_merge_values(query->values, "{}");
    bool found = false;
    size_t shard = 0;

    while (own != NULL && shard < query->shard_count && !found) {
        char *values = shard_sum_values(query, NULL, shard);

        found = values != NULL && strcmp(values, own) == 0;
        shard += !found;
        free(values);
    }
    free(own);
    return found ? shard : query->shard_count;
}

/* What KEDA counts: the first page. With sumOver it counts the value in expressionAttributeValues,
 * which may be none of those that were counted: then it is not known. */
static bool keda_count(const struct explanation *explanation, uint64_t *count)
{
    const struct query *query = &explanation->trigger->query;
    const struct page_log *pages = explanation->answer->pages;
    size_t shard;

    *count = pages->first_count;
    if (query->shard_count == 0)
        return true;
    shard = keda_shard(query);
    for (size_t i = 0; i < pages->count; i++) {
        if (pages->pages[i].shard == shard) {
            *count = pages->pages[i].count;
            return true;
        }
    }
    return false;
}

static void put_keda(struct map *map, const struct explanation *explanation)
{
    const struct count_value *value = explanation->answer->value;
    uint64_t count = 0;
    bool is_known = keda_count(explanation, &count);
    struct map keda;

    keda = map_begin_in(map, "keda");
    put_set(&keda, "count", is_known, count);
    map_int(&keda, "pages_ignored", value->pages - 1);
    put_set(&keda, "undercount", is_known, value->count - count);
    put_note(&keda, explanation);
    map_end(&keda);
}

/* Where the fleet's number is kept, for those who look at it with AWS's tools. */
static void explanation_pack_share(struct map *outer, const struct explanation *explanation)
{
    struct map map;

    if (explanation->share_table == NULL)
        return;
    map = map_begin_in(outer, "share");
    map_string(&map, "table", explanation->share_table);
    map_string(&map, "key", explanation->share_key);
    map_end(&map);
}

/* As one map. */
static void explanation_pack(struct buffer *buffer, const struct explanation *explanation)
{
    const struct trigger *trigger = explanation->trigger;
    struct map map = map_begin(buffer);
    struct map identity;

    map_string(&map, "trigger", trigger->name);
    pack_place(map_key(&map, "source"), trigger);
    explanation_pack_config(map_key(&map, "config"), trigger);
    identity = map_begin_in(&map, "identity");
    pack_identity(&identity, explanation->counter, explanation->identity);
    map_end(&identity);
    pack_endpoint(map_key(&map, "endpoint"), explanation->request->endpoint);
    explanation_pack_share(&map, explanation);
    pack_request(
        map_key(&map, "request"), explanation->request, explanation->answer->pages->unix_seconds);
    pack_pages(map_key(&map, "pages"), explanation);
    pack_count_map(map_key(&map, "total"), explanation->answer, explanation->replicas);
    put_cost(&map, explanation);
    put_decision(&map, explanation);
    put_keda(&map, explanation);
    map_end(&map);
}

/* ---- method explain ---- */

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
    struct credentials_request request = {.done = on_credentials, .data = &credentials};

    identity_get(identity, &request);
    source_cancel(&request);
    return credentials;
}

static void explain_call_pack(struct buffer *buffer, const struct explain_call *call,
    const struct aws_request *request, const struct count_answer *answer)
{
    const struct trigger_state *state = call->request.state;
    const char *share_table = trigger_state_share_table(state);
    char share_key[SHARED_RECORD_KEY_SIZE];
    struct count_answer total = *answer;
    struct explanation explanation = {.config = call->snapshot->config,
        .trigger = call->trigger,
        .counter = counter_of(call),
        .identity = trigger_state_identity(state),
        .request = request,
        .answer = &total,
        .share_key = share_key,
        .replicas = call->replicas};

    if (share_table != NULL && shared_record_key(share_key, call->trigger->namespace_,
                                   &call->trigger->query, trigger_state_values(state)) == 0)
        explanation.share_table = share_table;
    total.trigger = call->trigger; /* a reload may have replaced it meanwhile */
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
    struct trigger_state *state, struct method_call *call, const struct trigger_params *wanted)
{
    struct explain_call *explaining = calloc(1, sizeof(*explaining));

    if (explaining == NULL) {
        method_fail(call, ERROR_INTERNAL, "no memory for the request");
        return;
    }
    explaining->snapshot = snapshot_ref(counter_snapshot(call->session->server->options.counter));
    explaining->trigger = wanted->trigger;
    explaining->replicas = wanted->replicas;
    explaining->request.max_age_ms = 0;
    explaining->request.is_own = true; /* its pages are shown */
    explaining->request.timeout_ms = wanted->timeout_ms;
    explaining->request.done = on_answer;
    explaining->request.data = explaining;
    pending_begin(&explaining->pending, call, on_leave);
    trigger_state_ask(state, &explaining->request);
}

void method_explain(struct method_call *call)
{
    struct trigger_state *state;
    struct trigger_params wanted;

    if (!pending_may_begin(call) ||
        !trigger_params_read(&wanted, call, PARAM_TIMEOUT | PARAM_REPLICAS | PARAM_VALUES))
        return;
    state = trigger_params_state(&wanted, call);
    if (state != NULL)
        explain_call_answer(state, call, &wanted);
    trigger_params_clear(&wanted);
}
