/* SPDX-License-Identifier: Apache-2.0 */
/* How long a count waits between its attempts to get credentials, and how much its pages read. (All
 * else of its pages: see test_trigger_state.) */
#include "agent/count/count_query.h"

#include "tests/unit/count_world.h"

#define DELAYS 5

struct listener {
    int64_t delays[DELAYS];
    size_t count;
    enum error_code code;
    bool ended;
};

static void on_retrying(void *data, const struct failure *failure, int64_t delay_ms)
{
    struct listener *listener = data;

    listener->code = failure->code;
    listener->delays[listener->count++] = delay_ms;
}

static void on_done(void *data, const struct count_value *value, const struct failure *failure)
{
    struct listener *listener = data;

    CHECK(value == NULL && failure != NULL);
    listener->ended = true;
}

TEST(credentials_that_are_not_there_yet_are_asked_for_ever_less_often)
{
    static const int64_t expected[DELAYS] = {500, 1000, 2000, 4000, 5000};
    static const struct identity_spec spec = {.kind = IDENTITY_STATIC,
        .reason = "the test",
        .key_id = {SOURCE_LITERAL, "AKIDEXAMPLE", NULL, "key id"},
        .secret_key = {SOURCE_FILE, "/nowhere/secret", NULL, "secret key"}};
    static const struct count_query_events events = {.retrying = on_retrying, .done = on_done};
    static const struct endpoint_environment environment;
    static const struct retry_patience patience = {.until = INT64_MIN, .attempts = DELAYS + 1};
    static struct bench bench;
    struct listener listener = {.count = 0};
    struct identity *identity;

    bench_open(&bench, "false");
    identity = identity_acquire(bench.identities, &spec);
    CHECK(count_query_start(&(struct count_query_options){.loop = bench.loop,
                                .client = bench.client,
                                .environment = &environment,
                                .identity = identity,
                                .query = &counter_config(bench.counter)->triggers[0].query,
                                .patience = &patience},
              &events, &listener) != NULL);
    for (size_t i = 0; i < DELAYS; i++) {
        CHECK_INT(i + 1, listener.count);
        CHECK_INT(expected[i], listener.delays[i]);
        fake_loop_advance(bench.loop, listener.delays[i]);
    }
    CHECK(listener.ended);
    CHECK_INT(ERROR_CREDENTIALS, listener.code);
    identity_release(identity);
    bench_close(&bench);
}

TEST(a_page_reads_what_is_missing)
{
    static const struct query plain;
    static const struct {
        uint64_t end_at, count, limit;
        uint32_t pages;
    } cases[] = {
        {0, 0, 0, 0}, /* no end: whole pages */
        {1, 0, 1, 0},
        {100, 0, 100, 0},
        {100, 99, 1, 5},
        {100, 100, 0, 1}, /* it has ended already */
        {100, UINT64_MAX, 0, 1},
        {1000000, 0, 1000000, 0},
        {1000001, 0, 0, 0}, /* no page holds so many */
        {UINT64_MAX, 0, 0, 0},
        {UINT64_MAX, UINT64_MAX - 7, 7, UINT32_MAX},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        CHECK_INT(cases[i].limit,
            count_query_page_limit(&plain, cases[i].end_at,
                &(struct count_value){.count = cases[i].count, .pages = cases[i].pages}));
}

TEST(behind_a_filter_the_pages_grow_until_whole_ones_are_cheaper)
{
    static const struct query filtered = {.filter = "a = :a"};
    static const struct query of_pages = {.filter = "a = :a", .max_pages = 3};
    static const uint64_t expected[] = {100, 200, 400, 800, 1600, 3200, 6400, 12800, 0, 0};
    struct count_value sum = {.count = 0};

    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        sum.pages = (uint32_t)i;
        CHECK_INT(expected[i], count_query_page_limit(&filtered, 1, &sum));
        CHECK_INT(0, count_query_page_limit(&of_pages, 1, &sum));
        CHECK_INT(0, count_query_page_limit(&filtered, 0, &sum));
    }
    sum.pages = 0;
    CHECK_INT(400, count_query_page_limit(&filtered, 100, &sum));
    CHECK_INT(1000000, count_query_page_limit(&filtered, 250000, &sum));
    CHECK_INT(0, count_query_page_limit(&filtered, 250001, &sum));
    CHECK_INT(0, count_query_page_limit(&filtered, 1000000, &sum));
    sum.pages = UINT32_MAX;
    CHECK_INT(0, count_query_page_limit(&filtered, 1, &sum));
}

/* The one item that was enough is not what maxPages whole pages hold: it is no count of the
 * trigger. */
TEST(a_page_that_ended_at_its_limit_is_none_of_max_pages)
{
    struct bench bench;
    struct counted counted = {.ends = 0};
    struct query query = {
        .region = "eu-west-1", .table = "t", .key_condition = "k = :k", .max_pages = 1};
    struct count_goal goal = {.enough = 1};
    struct count_query_options options;

    bench_open(&bench, "false");
    options = counting_options(&bench, &query, &goal);
    CHECK(count_query_start(&options, &counted_events, &counted) != NULL);
    CHECK(strstr(fake_http_at(0)->body, "\"Limit\":1,") == NULL);
    CHECK(strstr(fake_http_at(0)->body, "\"Limit\":1}") != NULL);
    page(&bench, CUT_PAGE(1));
    CHECK_INT(1, counted.ends);
    CHECK(counted.value.at_least);
    CHECK(counted.value.is_bound);

    /* A request for the whole count joined meanwhile: it gets its one whole page. */
    CHECK(count_query_start(&options, &counted_events, &counted) != NULL);
    goal.enough = 0;
    page(&bench, CUT_PAGE(1));
    CHECK_INT(1, counted.ends);
    CHECK(strstr(fake_http_at(2)->body, "Limit") == NULL);
    page(&bench, CUT_PAGE(1000));
    CHECK_INT(2, counted.ends);
    CHECK_INT(1001, counted.value.count);
    CHECK(counted.value.at_least);
    CHECK(!counted.value.is_bound);

    /* A page of 1 MB that has fewer items than its limit is a whole one. */
    goal.enough = 5000;
    CHECK(count_query_start(&options, &counted_events, &counted) != NULL);
    page(&bench, CUT_PAGE(1000));
    CHECK_INT(3, counted.ends);
    CHECK(!counted.value.is_bound);
    bench_close(&bench);
}

TEST(a_goal_that_rises_is_read_before_each_page)
{
    struct bench bench;
    struct counted counted = {.ends = 0};
    struct query query = {.region = "eu-west-1", .table = "t", .key_condition = "k = :k"};
    struct count_goal goal = {.enough = 1};
    struct count_query_options options;

    bench_open(&bench, "false");
    options = counting_options(&bench, &query, &goal);
    CHECK(count_query_start(&options, &counted_events, &counted) != NULL);
    goal.enough = 100;
    page(&bench, CUT_PAGE(1));
    CHECK_INT(0, counted.ends);
    CHECK(strstr(fake_http_at(1)->body, "\"Limit\":99,") != NULL);
    goal.enough = 0;
    page(&bench, CUT_PAGE(99));
    CHECK_INT(0, counted.ends);
    page(&bench, LAST_PAGE(5));
    CHECK_INT(1, counted.ends);
    CHECK_INT(105, counted.value.count);
    CHECK(!counted.value.at_least && !counted.value.is_bound);

    /* The trigger's own limit is no lower bound for want of more. */
    query.count_limit = 10;
    goal.enough = 50;
    CHECK(count_query_start(&options, &counted_events, &counted) != NULL);
    CHECK(strstr(fake_http_at(3)->body, "\"Limit\":10}") != NULL);
    page(&bench, CUT_PAGE(10));
    CHECK_INT(2, counted.ends);
    CHECK(counted.value.at_least && !counted.value.is_bound);
    bench_close(&bench);
}

TEST_MAIN(RUN(credentials_that_are_not_there_yet_are_asked_for_ever_less_often),
    RUN(a_page_reads_what_is_missing),
    RUN(behind_a_filter_the_pages_grow_until_whole_ones_are_cheaper),
    RUN(a_page_that_ended_at_its_limit_is_none_of_max_pages),
    RUN(a_goal_that_rises_is_read_before_each_page))
