/* Questions, flights and the counter, from a request to the bytes that leave for DynamoDB: with a
 * clock moved by hand and a network that answers when told. */
#include "agent/count/counter.h"
#include "agent/identity/identity.h"
#include "tests/fake/fake_http.h"
#include "tests/fake/fake_loop.h"
#include "tests/unit/config_world.h"

#define ASKERS 8

static const char yaml[] = "triggers:\n"
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
    enum error_code code;
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

static uint32_t no_jitter(void)
{
    return 0;
}

static struct config *config_for(const char *key, const char *warm)
{
    static const char *const environment[] = {"SECRET", "wJalr", NULL};
    char text[1024];

    world_environment = environment;
    snprintf(text, sizeof(text), yaml, key, warm);
    return config_of(text);
}

static void bench_open(struct bench *bench, const char *warm)
{
    memset(bench, 0, sizeof(*bench));
    fake_http_reset();
    bench->loop = loop_create();
    bench->http = http_create(bench->loop, NULL);
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

static void bench_close(struct bench *bench)
{
    counter_destroy(bench->counter);
    identities_destroy(bench->identities);
    aws_client_destroy(bench->client);
    http_destroy(bench->http);
    CHECK_INT(0, fake_loop_timers(bench->loop));
    CHECK_INT(0, fake_http_open());
    loop_destroy(bench->loop);
}

static void on_answer(void *data, const struct count_answer *answer)
{
    struct asker *asker = data;

    asker->answers++;
    asker->has_value = answer->value != NULL;
    if (answer->value != NULL)
        asker->value = *answer->value;
    asker->quality = answer->quality;
    asker->age_ms = answer->age_ms;
    asker->code = answer->failure != NULL ? answer->failure->code : ERROR_NONE;
    snprintf(asker->message, sizeof(asker->message), "%s",
        answer->failure != NULL ? answer->failure->message : "");
}

static struct asker *ask(struct bench *bench, int index, int64_t max_age_ms, int64_t timeout_ms)
{
    struct asker *asker = &bench->askers[index];
    struct question *question = counter_question(
        bench->counter, &counter_config(bench->counter)->triggers[0], NULL);

    memset(asker, 0, sizeof(*asker));
    asker->request = (struct count_request){
        .max_age_ms = max_age_ms, .timeout_ms = timeout_ms, .done = on_answer, .data = asker};
    question_ask(question, &asker->request);
    fake_loop_advance(bench->loop, 0);
    return asker;
}

static void page(struct bench *bench, const char *body)
{
    fake_http_answer(200, body);
    fake_loop_advance(bench->loop, 0);
}

static void refuse(struct bench *bench, int status, const char *type)
{
    char body[200];

    snprintf(body, sizeof(body), "{\"__type\":\"com.amazonaws.dynamodb.v20120810#%s\"}", type);
    fake_http_answer(status, body);
    fake_loop_advance(bench->loop, 0);
}

#define LAST_PAGE(count) "{\"Count\":" #count ",\"ScannedCount\":" #count "}"
#define PAGE(count)                                                                                \
    "{\"Count\":" #count ",\"ScannedCount\":10,\"LastEvaluatedKey\":{\"k\":{\"S\":\"" #count "\"}" \
    "}}"

TEST(all_pages_are_summed_and_empty_ones_are_not_the_end)
{
    struct bench bench;
    struct asker *asker;

    bench_open(&bench, "false");
    asker = ask(&bench, 0, COUNT_AGE_DEFAULT, 5000);
    page(&bench, PAGE(4));
    page(&bench, PAGE(0));
    CHECK(strstr(fake_http_at(2)->body, "\"ExclusiveStartKey\":{\"k\":{\"S\":\"0\"}}") != NULL);
    page(&bench, LAST_PAGE(3));
    CHECK_INT(1, asker->answers);
    CHECK_INT(7, asker->value.count);
    CHECK_INT(3, asker->value.pages);
    CHECK_INT(QUALITY_EXACT, asker->quality);
    bench_close(&bench);
}

TEST(everyone_who_asks_at_once_shares_one_flight)
{
    struct bench bench;

    bench_open(&bench, "false");
    for (int i = 0; i < ASKERS; i++)
        ask(&bench, i, 0, 5000);
    CHECK_INT(1, fake_http_count());
    page(&bench, LAST_PAGE(9));
    for (int i = 0; i < ASKERS; i++) {
        CHECK_INT(1, bench.askers[i].answers);
        CHECK_INT(9, bench.askers[i].value.count);
    }
    CHECK_INT(1, counter_stats(bench.counter)->misses);
    CHECK_INT(ASKERS - 1, counter_stats(bench.counter)->joined);
    bench_close(&bench);
}

TEST(a_count_is_kept_for_the_polling_interval)
{
    struct bench bench;

    bench_open(&bench, "false");
    ask(&bench, 0, COUNT_AGE_DEFAULT, 5000);
    page(&bench, LAST_PAGE(9));
    fake_loop_advance(bench.loop, 29999);
    CHECK_INT(1, ask(&bench, 0, COUNT_AGE_DEFAULT, 5000)->answers);
    CHECK_INT(29999, bench.askers[0].age_ms);
    CHECK_INT(1, fake_http_count());
    CHECK_INT(0, ask(&bench, 1, 0, 5000)->answers); /* age 0 asks AWS */
    CHECK_INT(2, fake_http_count());
    page(&bench, LAST_PAGE(10));
    fake_loop_advance(bench.loop, 30000);
    CHECK_INT(0, ask(&bench, 0, COUNT_AGE_DEFAULT, 5000)->answers);
    CHECK_INT(3, fake_http_count());
    bench_close(&bench);
}

TEST(who_leaves_takes_the_request_along_but_not_the_flight)
{
    struct bench bench;

    bench_open(&bench, "false");
    ask(&bench, 0, 0, 5000);
    question_leave(&bench.askers[0].request);
    question_leave(&bench.askers[0].request); /* allowed twice */
    page(&bench, LAST_PAGE(9));
    CHECK_INT(0, bench.askers[0].answers);
    CHECK_INT(1, ask(&bench, 1, COUNT_AGE_DEFAULT, 5000)->answers);
    bench_close(&bench);
}

TEST(the_answer_comes_before_the_deadline_and_says_how_far_it_got)
{
    struct bench bench;
    struct asker *asker;

    bench_open(&bench, "false");
    asker = ask(&bench, 0, 0, 1000);
    page(&bench, PAGE(4));
    fake_loop_advance(bench.loop, 949);
    CHECK_INT(0, asker->answers);
    fake_loop_advance(bench.loop, 1);
    CHECK_INT(ERROR_TIMEOUT, asker->code);
    CHECK(strstr(asker->message, "4 items on 1 pages") != NULL);
    /* The flight goes on without anybody, and its result is kept. */
    page(&bench, LAST_PAGE(3));
    CHECK_INT(1, ask(&bench, 1, COUNT_AGE_DEFAULT, 1000)->answers);
    CHECK_INT(7, bench.askers[1].value.count);
    bench_close(&bench);
}

TEST(a_throttled_page_is_asked_again_with_the_sum_kept)
{
    struct bench bench;
    struct asker *asker;

    bench_open(&bench, "false");
    asker = ask(&bench, 0, 0, 60000);
    page(&bench, PAGE(4));
    refuse(&bench, 400, "ProvisionedThroughputExceededException");
    fake_loop_advance(bench.loop, 1000); /* its base delay */
    CHECK_INT(3, fake_http_count());
    CHECK_STR(fake_http_at(1)->body, fake_http_at(2)->body);
    page(&bench, LAST_PAGE(3));
    CHECK_INT(7, asker->value.count);
    bench_close(&bench);
}

TEST(a_failing_flight_without_anybody_waiting_ends)
{
    struct bench bench;

    bench_open(&bench, "false");
    ask(&bench, 0, 0, 60000);
    question_leave(&bench.askers[0].request);
    refuse(&bench, 500, "InternalServerError");
    fake_loop_advance(bench.loop, 60000);
    CHECK_INT(1, fake_http_count());
    CHECK_INT(0, counter_stats(bench.counter)->flights_active);
    bench_close(&bench);
}

TEST(a_denial_is_answered_from_memory_and_is_no_zero)
{
    struct bench bench;
    struct asker *asker;

    bench_open(&bench, "false");
    asker = ask(&bench, 0, 0, 5000);
    refuse(&bench, 400, "AccessDeniedException");
    CHECK_INT(ERROR_ACCESS_DENIED, asker->code);
    CHECK(!asker->has_value);
    for (int i = 0; i < 5; i++) {
        CHECK_INT(ERROR_ACCESS_DENIED, ask(&bench, 1, 0, 5000)->code);
        fake_loop_advance(bench.loop, 1900);
    }
    CHECK_INT(1, fake_http_count());
    fake_loop_advance(bench.loop, 600);
    ask(&bench, 2, 0, 5000); /* ten seconds are over */
    CHECK_INT(2, fake_http_count());
    bench_close(&bench);
}

TEST(while_aws_fails_the_last_good_count_is_told_as_stale)
{
    struct bench bench;
    struct asker *asker;

    bench_open(&bench, "false");
    ask(&bench, 0, 0, 5000);
    page(&bench, LAST_PAGE(9));
    asker = ask(&bench, 1, 0, 5000);
    for (int i = 0; i < 3; i++) {
        refuse(&bench, 500, "InternalServerError");
        fake_loop_advance(bench.loop, 100);
    }
    CHECK_INT(1, asker->answers);
    CHECK(asker->has_value);
    CHECK_INT(9, asker->value.count);
    CHECK_INT(QUALITY_STALE, asker->quality);
    CHECK_INT(ERROR_AWS_UNAVAILABLE, asker->code);
    fake_loop_advance(bench.loop, 900001);
    asker = ask(&bench, 1, 0, 1000);
    for (int i = 0; i < 9 && asker->answers == 0; i++) {
        if (fake_http_open() > 0)
            refuse(&bench, 500, "InternalServerError");
        fake_loop_advance(bench.loop, 300);
    }
    CHECK(!asker->has_value); /* too old by now: an error, never a number */
    CHECK(asker->code != ERROR_NONE);
    bench_close(&bench);
}

TEST(a_new_configuration_keeps_what_did_not_change)
{
    struct bench bench;

    bench_open(&bench, "false");
    ask(&bench, 0, 0, 5000);
    page(&bench, LAST_PAGE(9));
    ask(&bench, 0, 0, 5000);
    CHECK_INT(0, counter_load(bench.counter, config_for("a", "false")));
    fake_loop_advance(bench.loop, 0);
    CHECK_INT(0, bench.askers[0].answers); /* still waiting, on the old flight */
    page(&bench, LAST_PAGE(10));
    CHECK_INT(10, bench.askers[0].value.count);
    CHECK_INT(1, ask(&bench, 1, COUNT_AGE_DEFAULT, 5000)->answers);
    CHECK_INT(2, fake_http_count());
    bench_close(&bench);
}

TEST(a_new_query_does_not_inherit_the_old_ones_count)
{
    struct bench bench;

    bench_open(&bench, "false");
    ask(&bench, 0, 0, 5000);
    page(&bench, LAST_PAGE(9));
    ask(&bench, 0, 0, 5000); /* under way while the configuration changes */
    CHECK_INT(0, counter_load(bench.counter, config_for("b", "false")));
    CHECK_INT(0, ask(&bench, 1, COUNT_AGE_DEFAULT, 5000)->answers);
    CHECK_INT(3, fake_http_count());
    CHECK(strstr(fake_http_at(2)->body, "\"b\"") != NULL);
    page(&bench, LAST_PAGE(10));
    CHECK_INT(10, bench.askers[0].value.count); /* who asked the old query gets its answer */
    page(&bench, LAST_PAGE(2));
    CHECK_INT(2, bench.askers[1].value.count);
    bench_close(&bench);
}

TEST(a_warm_trigger_is_counted_without_anybody_asking)
{
    struct bench bench;

    bench_open(&bench, "true");
    fake_loop_advance(bench.loop, 0);
    CHECK_INT(1, fake_http_count());
    page(&bench, LAST_PAGE(9));
    fake_loop_advance(bench.loop, 29000);
    CHECK_INT(1, fake_http_count());
    fake_loop_advance(bench.loop, 1000);
    CHECK_INT(2, fake_http_count());
    bench_close(&bench);
}

TEST(those_who_wait_at_the_end_are_told_so)
{
    struct bench bench;

    bench_open(&bench, "false");
    ask(&bench, 0, 0, 5000);
    bench_close(&bench);
    CHECK_INT(ERROR_SHUTTING_DOWN, bench.askers[0].code);
}

TEST_MAIN(RUN(all_pages_are_summed_and_empty_ones_are_not_the_end),
    RUN(everyone_who_asks_at_once_shares_one_flight), RUN(a_count_is_kept_for_the_polling_interval),
    RUN(who_leaves_takes_the_request_along_but_not_the_flight),
    RUN(the_answer_comes_before_the_deadline_and_says_how_far_it_got),
    RUN(a_throttled_page_is_asked_again_with_the_sum_kept),
    RUN(a_failing_flight_without_anybody_waiting_ends),
    RUN(a_denial_is_answered_from_memory_and_is_no_zero),
    RUN(while_aws_fails_the_last_good_count_is_told_as_stale),
    RUN(a_new_configuration_keeps_what_did_not_change),
    RUN(a_new_query_does_not_inherit_the_old_ones_count),
    RUN(a_warm_trigger_is_counted_without_anybody_asking),
    RUN(those_who_wait_at_the_end_are_told_so))
