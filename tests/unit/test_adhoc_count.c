/* SPDX-License-Identifier: Apache-2.0 */
/* Counts that are not shared: a flight of one's own, with a deadline. */
#include "agent/count/adhoc_count.h"

#include "tests/unit/count_world.h"

struct lone_asker {
    struct asker result;
};

static void on_solo_done(void *data, const struct count_value *value, const struct failure *failure)
{
    struct lone_asker *lone_asker = data;
    struct count_answer answer = {.value = value, .failure = failure};

    on_answer(&lone_asker->result, &answer);
}

static const struct adhoc_count_events events = {.done = on_solo_done};

static struct adhoc_count *go(
    struct bench *bench, struct lone_asker *lone_asker, int64_t timeout_ms)
{
    const struct trigger *trigger = &counter_config(bench->counter)->triggers[0];
    struct adhoc_count_options options = {.snapshot = counter_snapshot(bench->counter),
        .query = &trigger->query,
        .identity = identity_acquire(bench->identities, trigger->identity),
        .timeout_ms = timeout_ms};
    struct adhoc_count *adhoc = adhoc_count_start(
        counter_context(bench->counter), &options, &events, lone_asker);

    CHECK(adhoc != NULL);
    fake_loop_advance(bench->loop, 0);
    return adhoc;
}

TEST(the_sum_of_all_pages_is_reported)
{
    struct bench bench;
    struct lone_asker lone_asker = {.result = {.answers = 0}};

    bench_open(&bench, "false");
    go(&bench, &lone_asker, 5000);
    page(&bench, PAGE(4));
    CHECK_INT(0, lone_asker.result.answers);
    page(&bench, LAST_PAGE(3));
    CHECK_INT(1, lone_asker.result.answers);
    CHECK_INT(7, lone_asker.result.value.count);
    CHECK_INT(1, counter_stats(bench.counter)->flights_succeeded);
    fake_loop_advance(bench.loop, 10000);
    CHECK_INT(1, lone_asker.result.answers);
    bench_close(&bench);
}

TEST(it_shares_nothing_with_those_who_ask)
{
    struct bench bench;
    struct lone_asker lone_asker = {.result = {.answers = 0}};

    bench_open(&bench, "false");
    ask(&bench, 0, 0, 5000);
    go(&bench, &lone_asker, 5000);
    CHECK_INT(2, fake_http_open());
    page(&bench, LAST_PAGE(9));
    CHECK_INT(9, bench.askers[0].value.count);
    CHECK_INT(0, lone_asker.result.answers);
    page(&bench, LAST_PAGE(3));
    CHECK_INT(3, lone_asker.result.value.count);
    CHECK_INT(9, ask(&bench, 1, COUNT_AGE_DEFAULT, 5000)->value.count);
    bench_close(&bench);
}

TEST(attempts_are_made_while_they_fit_the_deadline)
{
    struct bench bench;
    struct lone_asker lone_asker = {.result = {.answers = 0}};

    bench_open(&bench, "false");
    go(&bench, &lone_asker, 2000);
    /* At once: an attempt under way when time is up would be result as that. */
    for (int i = 0; i < 100 && lone_asker.result.answers == 0; i++) {
        if (fake_http_open() > 0)
            refuse(&bench, 500, "InternalServerError");
        else
            fake_loop_advance(bench.loop, fake_loop_next(bench.loop));
    }
    CHECK(fake_http_count() > 3);
    CHECK_INT(1, lone_asker.result.answers);
    CHECK_INT(ERROR_AWS_UNAVAILABLE, lone_asker.result.code);
    bench_close(&bench);
}

TEST(the_deadline_ends_it)
{
    struct bench bench;
    struct lone_asker lone_asker = {.result = {.answers = 0}};

    bench_open(&bench, "false");
    go(&bench, &lone_asker, 1000);
    page(&bench, PAGE(4));
    fake_loop_advance(bench.loop, 949);
    CHECK_INT(0, lone_asker.result.answers);
    fake_loop_advance(bench.loop, 1);
    CHECK_INT(ERROR_TIMEOUT, lone_asker.result.code);
    CHECK(strstr(lone_asker.result.message, "4 items on 1 pages") != NULL);
    CHECK_INT(0, fake_http_open());
    CHECK_INT(0, counter_stats(bench.counter)->flights_active);
    bench_close(&bench);
}

TEST(who_leaves_takes_it_along)
{
    struct bench bench;
    struct lone_asker lone_asker = {.result = {.answers = 0}};
    struct adhoc_count *adhoc;

    bench_open(&bench, "false");
    adhoc = go(&bench, &lone_asker, 5000);
    CHECK_INT(1, fake_http_open());
    adhoc_count_cancel(adhoc);
    CHECK_INT(0, fake_http_open());
    fake_loop_advance(bench.loop, 10000);
    CHECK_INT(0, lone_asker.result.answers);
    bench_close(&bench);
}

TEST(it_keeps_its_configuration_over_a_reload)
{
    struct bench bench;
    struct lone_asker lone_asker = {.result = {.answers = 0}};

    bench_open(&bench, "false");
    go(&bench, &lone_asker, 5000);
    CHECK_INT(0, counter_load(bench.counter, config_for("b", "false")));
    page(&bench, PAGE(4));
    CHECK(strstr(fake_http_at(1)->body, "\"a\"") != NULL);
    page(&bench, LAST_PAGE(3));
    CHECK_INT(7, lone_asker.result.value.count);
    bench_close(&bench);
}

TEST(the_end_of_the_agent_is_reported)
{
    struct bench bench;
    struct lone_asker lone_asker = {.result = {.answers = 0}};

    bench_open(&bench, "false");
    go(&bench, &lone_asker, 5000);
    bench_close(&bench);
    CHECK_INT(1, lone_asker.result.answers);
    CHECK_INT(ERROR_SHUTTING_DOWN, lone_asker.result.code);
}

TEST_MAIN(RUN(the_sum_of_all_pages_is_reported), RUN(it_shares_nothing_with_those_who_ask),
    RUN(attempts_are_made_while_they_fit_the_deadline), RUN(the_deadline_ends_it),
    RUN(who_leaves_takes_it_along), RUN(it_keeps_its_configuration_over_a_reload),
    RUN(the_end_of_the_agent_is_reported))
