/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of counting share: a counter with one trigger, a clock moved by hand, a network
 * that answers on command, and those who ask. */
#ifndef TALLY_TESTS_UNIT_COUNT_WORLD_H
#define TALLY_TESTS_UNIT_COUNT_WORLD_H

#include "agent/count/counter.h"
#include "agent/credentials/identity.h"
#include "tests/fake/fake_http.h"
#include "tests/fake/fake_loop.h"
#include "tests/unit/config_world.h"

#define ASKERS 8

static const char world_trigger[] = "triggers:\n"
                                    "- type: aws-dynamodb\n"
                                    "  metadata:\n"
                                    "    awsRegion: eu-west-1\n"
                                    "    tableName: orders\n"
                                    "    targetValue: \"5\"\n"
                                    "    keyConditionExpression: 'k = :k'\n"
                                    "    expressionAttributeValues: '{\":k\":{\"S\":\"%s\"}}'\n"
                                    "    awsAccessKeyID: AKIDEXAMPLE\n"
                                    "    awsSecretAccessKeyFromEnv: SECRET\n"
                                    "    warm: \"%s\"\n";

struct asker {
    struct count_request request;
    int answers;
    bool has_value;
    struct count_value value;
    enum count_quality quality;
    int64_t age_ms;
    size_t pages; /* 0: not known */
    uint64_t first_count;
    enum error_code code;
    int64_t retry_after_ms;
    char message[400];
};

struct bench {
    struct loop *loop;
    struct http *http;
    struct aws_client *client;
    struct identities *identities;
    struct counter *counter;
    struct asker askers[ASKERS];
};

__attribute__((unused)) static uint32_t no_jitter(void)
{
    return 0;
}

__attribute__((unused)) static struct config *config_for(const char *key, const char *warm)
{
    static const char *const environment[] = {"SECRET", "wJalr", NULL};
    char text[1024];

    world_environment = environment;
    snprintf(text, sizeof(text), world_trigger, key, warm);
    return config_of(text);
}

__attribute__((unused)) static void bench_open(struct bench *bench, const char *warm)
{
    memset(bench, 0, sizeof(*bench));
    fake_http_reset();
    bench->loop = loop_create();
    bench->http = http_create(bench->loop, NULL, NULL);
    bench->client = aws_client_create(bench->loop, bench->http);
    bench->identities = identities_create(&(struct identities_options){
        .loop = bench->loop, .client = bench->client, .getenv = world_getenv, .random = no_jitter});
    bench->counter = counter_create(&(struct counter_options){.loop = bench->loop,
        .client = bench->client,
        .identities = bench->identities,
        .max_stale_ms = 900000,
        .flight_timeout_ms = 300000,
        .random = no_jitter});
    CHECK_INT(0, counter_load(bench->counter, config_for("a", warm)));
}

__attribute__((unused)) static void bench_close(struct bench *bench)
{
    counter_destroy(bench->counter);
    identities_destroy(bench->identities);
    aws_client_destroy(bench->client);
    http_destroy(bench->http);
    CHECK_INT(0, loop_timers(bench->loop));
    CHECK_INT(0, fake_http_open());
    loop_destroy(bench->loop);
}

__attribute__((unused)) static void on_answer(void *data, const struct count_answer *answer)
{
    struct asker *asker = data;

    asker->answers++;
    asker->has_value = answer->value != NULL;
    if (answer->value != NULL)
        asker->value = *answer->value;
    asker->quality = answer->quality;
    asker->age_ms = answer->age_ms;
    asker->pages = answer->pages != NULL ? answer->pages->count : 0;
    asker->first_count = answer->pages != NULL ? answer->pages->first_count : 0;
    asker->code = answer->failure != NULL ? answer->failure->code : ERROR_NONE;
    asker->retry_after_ms = answer->failure != NULL ? answer->failure->retry_after_ms : 0;
    snprintf(asker->message, sizeof(asker->message), "%s",
        answer->failure != NULL ? answer->failure->message : "");
}

__attribute__((unused)) static struct trigger_state *trigger_state_of(
    struct bench *bench, const char *values)
{
    struct trigger_state *state = NULL;
    int r = counter_state(
        bench->counter, &counter_config(bench->counter)->triggers[0], values, &state);

    return r == 0 ? state : NULL;
}

__attribute__((unused)) static struct asker *ask_values(
    struct bench *bench, int index, const char *values, int64_t max_age_ms, int64_t timeout_ms)
{
    struct asker *asker = &bench->askers[index];
    struct trigger_state *state = trigger_state_of(bench, values);

    memset(asker, 0, sizeof(*asker));
    asker->request = (struct count_request){
        .max_age_ms = max_age_ms, .timeout_ms = timeout_ms, .done = on_answer, .data = asker};
    trigger_state_ask(state, &asker->request);
    fake_loop_advance(bench->loop, 0);
    return asker;
}

__attribute__((unused)) static struct asker *ask(
    struct bench *bench, int index, int64_t max_age_ms, int64_t timeout_ms)
{
    return ask_values(bench, index, NULL, max_age_ms, timeout_ms);
}

__attribute__((unused)) static void page(struct bench *bench, const char *body)
{
    fake_http_answer(200, body);
    fake_loop_advance(bench->loop, 0);
}

__attribute__((unused)) static void refuse(struct bench *bench, int status, const char *type)
{
    char body[200];

    snprintf(body, sizeof(body), "{\"__type\":\"com.amazonaws.dynamodb.v20120810#%s\"}", type);
    fake_http_answer(status, body);
    fake_loop_advance(bench->loop, 0);
}

/* ---- one count without a trigger state ---- */

struct counted {
    int ends;
    unsigned pages;
    struct count_query_page page; /* the latest */
    bool has_value;
    struct count_value value;
    enum error_code code;
    char message[400];
};

__attribute__((unused)) static void on_counted_page(
    void *data, const struct count_query_page *page, const struct count_value *so_far)
{
    struct counted *counted = data;

    (void)so_far;
    counted->pages++;
    counted->page = *page;
}

__attribute__((unused)) static void on_counted(
    void *data, const struct count_value *value, const struct failure *failure)
{
    struct counted *counted = data;

    counted->ends++;
    counted->has_value = value != NULL;
    if (value != NULL)
        counted->value = *value;
    counted->code = failure != NULL ? failure->code : ERROR_NONE;
    snprintf(
        counted->message, sizeof(counted->message), "%s", failure != NULL ? failure->message : "");
}

__attribute__((unused)) static const struct count_query_events counted_events = {
    .page = on_counted_page, .done = on_counted};

/* The bench's trigger, with the identity of it. */
__attribute__((unused)) static struct count_query_options counting_options(
    struct bench *bench, const struct query *query, const struct count_goal *goal)
{
    static const struct endpoint_environment environment;
    static const struct retry_patience patience = {.until = INT64_MIN, .attempts = 1};
    const struct trigger *trigger = &counter_config(bench->counter)->triggers[0];

    return (struct count_query_options){.loop = bench->loop,
        .client = bench->client,
        .environment = &environment,
        .identity = counter_identity(bench->counter, trigger),
        .query = query,
        .patience = &patience,
        .goal = goal};
}

#define LAST_PAGE(count) "{\"Count\":" #count ",\"ScannedCount\":" #count "}"
#define PAGE(count)                                                                                \
    "{\"Count\":" #count ",\"ScannedCount\":10,\"LastEvaluatedKey\":{\"k\":{\"S\":\"" #count "\"}" \
    "}}"

/* A page that ended at its Limit. */
#define CUT_PAGE(count)                                                                            \
    "{\"Count\":" #count ",\"ScannedCount\":" #count                                               \
    ",\"LastEvaluatedKey\":{\"k\":{\"S\":\"" #count "\"}}}"

#endif
