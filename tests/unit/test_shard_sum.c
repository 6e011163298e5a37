/* SPDX-License-Identifier: Apache-2.0 */
/* The sum of a trigger with sumOver: which Queries leave, when they end, and what the sum is. */
#include "agent/count/shard_sum.h"

#include "tests/unit/count_world.h"

static const char *const shards[] = {"{\":k\":{\"S\":\"q0\"}}", "{\":k\":{\"S\":\"q1\"}}",
    "{\":k\":{\"S\":\"q2\"}}", "{\":k\":{\"S\":\"q3\"}}", "{\":k\":{\"S\":\"q4\"}}",
    "{\":k\":{\"S\":\"q5\"}}"};

struct sum_world {
    struct bench bench;
    struct query query;
    struct count_goal goal;
    struct counted counted;
    struct shard_sum *sum;
};

static void sum_open(struct sum_world *world, size_t shard_count, uint64_t enough)
{
    *world = (struct sum_world){.query = {.region = "eu-west-1",
                                    .table = "t",
                                    .key_condition = "k = :k AND s = :s",
                                    .values = "{\":k\":{\"S\":\"q\"},\":s\":{\"N\":\"1\"}}",
                                    .shards = shards,
                                    .shard_count = (uint32_t)shard_count},
        .goal = {.enough = enough}};
    bench_open(&world->bench, "false");
}

static void sum_start(struct sum_world *world)
{
    struct count_query_options options = counting_options(
        &world->bench, &world->query, &world->goal);

    world->sum = shard_sum_start(&options, &counted_events, &world->counted);
}

static bool asks_shard(int request, size_t shard)
{
    char text[20];

    snprintf(text, sizeof(text), "\"q%zu\"", shard);
    return strstr(fake_http_at(request)->body, text) != NULL &&
           strstr(fake_http_at(request)->body, "\":s\":{\"N\":\"1\"}") != NULL;
}

static bool has_limit(int request, unsigned limit)
{
    char text[40];

    snprintf(text, sizeof(text), "\"Limit\":%u%s", limit,
        strstr(fake_http_at(request)->body, "ExclusiveStartKey") != NULL ? "," : "}");
    return strstr(fake_http_at(request)->body, text) != NULL;
}

TEST(four_queries_are_in_flight_and_all_are_summed)
{
    struct sum_world world;

    sum_open(&world, 6, 0);
    sum_start(&world);
    CHECK_INT(4, fake_http_open());
    page(&world.bench, PAGE(1)); /* of q0, which goes on */
    CHECK_INT(5, fake_http_count());
    CHECK(asks_shard(4, 0));
    page(&world.bench, LAST_PAGE(10)); /* q1, in whose place q4 begins */
    CHECK_INT(4, fake_http_open());
    CHECK(asks_shard(5, 4));
    page(&world.bench, LAST_PAGE(100));
    CHECK(asks_shard(6, 5));
    page(&world.bench, LAST_PAGE(1000));
    CHECK_INT(7, fake_http_count());
    page(&world.bench, LAST_PAGE(2)); /* the second page of q0 */
    page(&world.bench, LAST_PAGE(10000));
    CHECK_INT(0, world.counted.ends);
    CHECK(!world.counted.page.last);
    page(&world.bench, LAST_PAGE(100000));
    CHECK_INT(1, world.counted.ends);
    CHECK_INT(111113, world.counted.value.count);
    CHECK_INT(7, world.counted.value.pages);
    CHECK(!world.counted.value.at_least && !world.counted.value.is_bound);
    CHECK_INT(7, world.counted.page.number);
    CHECK_INT(5, world.counted.page.shard);
    CHECK(world.counted.page.last);
    bench_close(&world.bench);
}

TEST(one_failure_fails_the_sum_and_cancels_the_others)
{
    struct sum_world world;

    sum_open(&world, 6, 0);
    sum_start(&world);
    page(&world.bench, LAST_PAGE(10));
    refuse(&world.bench, 400, "AccessDeniedException");
    CHECK_INT(1, world.counted.ends);
    CHECK(!world.counted.has_value);
    CHECK_INT(ERROR_ACCESS_DENIED, world.counted.code);
    CHECK_INT(0, fake_http_open());
    CHECK_INT(5, fake_http_count());
    bench_close(&world.bench);
}

/* The failure comes while shard_sum_start, or the start of a later shard, is on the stack. */
TEST(a_sum_may_fail_before_its_first_request)
{
    struct sum_world world;

    sum_open(&world, 6, 0);
    world.query.region = "";
    sum_start(&world);
    CHECK(world.sum == NULL);
    CHECK_INT(1, world.counted.ends);
    CHECK_INT(ERROR_NOT_ALLOWED, world.counted.code);
    CHECK_INT(0, fake_http_count());
    world.query.region = "eu-west-1";
    world.query.values = "no JSON";
    sum_start(&world);
    CHECK(world.sum == NULL);
    CHECK_INT(2, world.counted.ends);
    CHECK_INT(ERROR_INTERNAL, world.counted.code);
    bench_close(&world.bench);
}

TEST(a_later_shard_may_fail_before_its_request)
{
    struct sum_world world;
    const char *const odd[] = {shards[0], shards[1], shards[2], shards[3], "no JSON"};

    sum_open(&world, 5, 0);
    world.query.shards = odd;
    sum_start(&world);
    CHECK_INT(4, fake_http_open());
    page(&world.bench, LAST_PAGE(10));
    CHECK_INT(1, world.counted.ends);
    CHECK(!world.counted.has_value);
    CHECK_INT(0, fake_http_open());
    bench_close(&world.bench);
}

TEST(a_sum_may_be_cancelled)
{
    struct sum_world world;

    sum_open(&world, 6, 0);
    sum_start(&world);
    page(&world.bench, LAST_PAGE(10));
    shard_sum_cancel(world.sum);
    CHECK_INT(0, world.counted.ends);
    CHECK_INT(0, fake_http_open());
    bench_close(&world.bench);
}

TEST(what_is_enough_ends_all_shards)
{
    struct sum_world world;

    sum_open(&world, 3, 10);
    sum_start(&world);
    for (int i = 0; i < 3; i++)
        CHECK(has_limit(i, 10));
    page(&world.bench, LAST_PAGE(4)); /* q0 has all: six are missing */
    CHECK_INT(0, world.counted.ends);
    page(&world.bench, CUT_PAGE(5)); /* q1 goes on for one more */
    CHECK_INT(0, world.counted.ends);
    CHECK(has_limit(3, 1));
    page(&world.bench, CUT_PAGE(3)); /* q2 */
    CHECK_INT(1, world.counted.ends);
    CHECK_INT(12, world.counted.value.count);
    CHECK(world.counted.value.at_least && world.counted.value.is_bound);
    CHECK_INT(0, fake_http_open());
    bench_close(&world.bench);
}

TEST(count_limit_holds_for_the_sum_and_is_the_triggers_count)
{
    struct sum_world world;

    sum_open(&world, 3, 0);
    world.query.count_limit = 10;
    sum_start(&world);
    CHECK(has_limit(0, 10));
    page(&world.bench, CUT_PAGE(10));
    CHECK_INT(1, world.counted.ends);
    CHECK(world.counted.value.at_least && !world.counted.value.is_bound);
    bench_close(&world.bench);
}

TEST(max_pages_holds_for_each_shard)
{
    struct sum_world world;

    sum_open(&world, 2, 0);
    world.query.max_pages = 1;
    sum_start(&world);
    page(&world.bench, CUT_PAGE(1000));
    CHECK_INT(0, world.counted.ends);
    page(&world.bench, LAST_PAGE(7));
    CHECK_INT(1, world.counted.ends);
    CHECK_INT(1007, world.counted.value.count);
    CHECK(world.counted.value.at_least && !world.counted.value.is_bound);
    bench_close(&world.bench);
}

/* One shard ended at maxPages, and that was enough: the others have not been counted, so it is a
 * lower bound, and no count of the trigger that the cache may hold. */
TEST(a_shard_at_max_pages_does_not_make_a_bound_the_count)
{
    struct sum_world world;

    sum_open(&world, 2, 500);
    world.query.max_pages = 1;
    world.query.filter = "a = :s";
    sum_start(&world);
    page(&world.bench, CUT_PAGE(1000));
    CHECK_INT(1, world.counted.ends);
    CHECK_INT(1000, world.counted.value.count);
    CHECK(world.counted.value.at_least);
    CHECK(world.counted.value.is_bound);
    bench_close(&world.bench);
}

TEST(a_raised_goal_reaches_all_shards)
{
    struct sum_world world;

    sum_open(&world, 2, 1);
    sum_start(&world);
    CHECK(has_limit(0, 1));
    world.goal.enough = 0;
    page(&world.bench, CUT_PAGE(1));
    page(&world.bench, CUT_PAGE(1));
    CHECK_INT(0, world.counted.ends);
    CHECK_INT(4, fake_http_count());
    page(&world.bench, LAST_PAGE(5));
    page(&world.bench, LAST_PAGE(6));
    CHECK_INT(1, world.counted.ends);
    CHECK_INT(13, world.counted.value.count);
    CHECK(!world.counted.value.at_least);
    bench_close(&world.bench);
}

static int64_t completed_ms, age_ms;
static struct shard_sum *timed;

static void on_timed_done(
    void *data, const struct count_value *value, const struct failure *failure)
{
    completed_ms = shard_sum_completed_ms(timed);
    age_ms = shard_sum_age_ms(timed);
    on_counted(data, value, failure);
}

TEST(the_sum_is_as_old_as_the_first_count)
{
    static const struct count_query_events events = {.done = on_timed_done};
    struct sum_world world;
    struct count_query_options options;
    int64_t first_ms;

    sum_open(&world, 2, 0);
    options = counting_options(&world.bench, &world.query, &world.goal);
    timed = shard_sum_start(&options, &events, &world.counted);
    fake_loop_advance(world.bench.loop, 10);
    first_ms = loop_wall(world.bench.loop);
    page(&world.bench, LAST_PAGE(1));
    fake_loop_advance(world.bench.loop, 20000);
    page(&world.bench, LAST_PAGE(2));
    CHECK_INT(1, world.counted.ends);
    CHECK_INT(20000, age_ms);
    CHECK(completed_ms <= first_ms && completed_ms >= first_ms - 1000);
    bench_close(&world.bench);
}

TEST(the_values_of_a_shard_replace_the_placeholders_own)
{
    struct query query = {.values = "{\":k\":{\"S\":\"q\"},\":s\":{\"N\":\"1\"}}",
        .shards = shards,
        .shard_count = 6};
    char *values = shard_sum_values(&query, NULL, 2);

    CHECK_STR("{\":k\":{\"S\":\"q2\"},\":s\":{\"N\":\"1\"}}", values);
    free(values);
    values = shard_sum_values(&query, "{\":s\":{\"N\":\"7\"}}", 5);
    CHECK(values != NULL);
    CHECK(strstr(values, "\":k\":{\"S\":\"q5\"}") != NULL);
    CHECK(strstr(values, "\":s\":{\"N\":\"7\"}") != NULL);
    free(values);
}

TEST_MAIN(RUN(four_queries_are_in_flight_and_all_are_summed),
    RUN(one_failure_fails_the_sum_and_cancels_the_others),
    RUN(a_sum_may_fail_before_its_first_request), RUN(a_later_shard_may_fail_before_its_request),
    RUN(a_sum_may_be_cancelled), RUN(what_is_enough_ends_all_shards),
    RUN(count_limit_holds_for_the_sum_and_is_the_triggers_count),
    RUN(max_pages_holds_for_each_shard), RUN(a_shard_at_max_pages_does_not_make_a_bound_the_count),
    RUN(a_raised_goal_reaches_all_shards), RUN(the_sum_is_as_old_as_the_first_count),
    RUN(the_values_of_a_shard_replace_the_placeholders_own))
