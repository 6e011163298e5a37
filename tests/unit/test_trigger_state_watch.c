/* SPDX-License-Identifier: Apache-2.0 */
/* Questions that are kept fresh, those who watch them, and the sets of client values. */
#include "tests/unit/count_world.h"

struct watcher {
    struct count_watch watch;
    struct asker result; /* what it was result last; `answers` counts */
    struct bench *bench;
    int gone;
    bool moves;                /* when it is gone, to the new question */
    size_t triggers_when_gone; /* of the configuration in force then */
};

static void on_change(void *data, const struct count_answer *answer)
{
    struct watcher *watcher = data;

    on_answer(&watcher->result, answer);
}

static void on_gone(void *data)
{
    struct watcher *watcher = data;

    watcher->gone++;
    watcher->triggers_when_gone = counter_config(watcher->bench->counter)->trigger_count;
    if (watcher->moves)
        CHECK_INT(0, trigger_state_watch(trigger_state_of(watcher->bench, NULL), &watcher->watch));
}

static void watch(struct watcher *watcher, struct bench *bench, int64_t max_age_ms)
{
    memset(watcher, 0, sizeof(*watcher));
    watcher->bench = bench;
    watcher->watch = (struct count_watch){
        .max_age_ms = max_age_ms, .changed = on_change, .gone = on_gone, .data = watcher};
    ring_init(&watcher->watch.link);
    CHECK_INT(0, trigger_state_watch(trigger_state_of(bench, NULL), &watcher->watch));
    fake_loop_advance(bench->loop, 0);
}

TEST(a_watched_question_is_counted_whenever_it_gets_too_old)
{
    struct bench bench;
    struct watcher watcher;

    bench_open(&bench, "false");
    watch(&watcher, &bench, 10000);
    CHECK_INT(1, fake_http_count());
    CHECK_INT(0, watcher.result.answers);
    page(&bench, LAST_PAGE(9));
    CHECK_INT(1, watcher.result.answers);
    CHECK_INT(9, watcher.result.value.count);
    fake_loop_advance(bench.loop, 9999);
    CHECK_INT(1, fake_http_count());
    fake_loop_advance(bench.loop, 1);
    CHECK_INT(2, fake_http_count());
    page(&bench, LAST_PAGE(10));
    CHECK_INT(2, watcher.result.answers);
    CHECK_INT(10, watcher.result.value.count);
    CHECK_INT(QUALITY_EXACT, watcher.result.quality);
    trigger_state_unwatch(&watcher.watch);
    fake_loop_advance(bench.loop, 60000);
    CHECK_INT(2, fake_http_count());
    bench_close(&bench);
}

TEST(without_a_wish_the_polling_interval_counts)
{
    struct bench bench;
    struct watcher watcher;

    bench_open(&bench, "false");
    watch(&watcher, &bench, COUNT_AGE_DEFAULT);
    page(&bench, LAST_PAGE(9));
    fake_loop_advance(bench.loop, 29999);
    CHECK_INT(1, fake_http_count());
    fake_loop_advance(bench.loop, 1);
    CHECK_INT(2, fake_http_count());
    bench_close(&bench);
}

TEST(the_most_demanding_watcher_sets_the_pace)
{
    struct bench bench;
    struct watcher calm, eager;

    bench_open(&bench, "false");
    watch(&calm, &bench, 20000);
    page(&bench, LAST_PAGE(9));
    fake_loop_advance(bench.loop, 3000);
    watch(&eager, &bench, 5000);
    fake_loop_advance(bench.loop, 1999);
    CHECK_INT(1, fake_http_count());
    fake_loop_advance(bench.loop, 1);
    CHECK_INT(2, fake_http_count());
    page(&bench, LAST_PAGE(10));
    CHECK_INT(2, calm.result.answers);
    CHECK_INT(1, eager.result.answers);
    trigger_state_unwatch(&eager.watch);
    fake_loop_advance(bench.loop, 19999);
    CHECK_INT(2, fake_http_count());
    fake_loop_advance(bench.loop, 1);
    CHECK_INT(3, fake_http_count());
    bench_close(&bench);
}

TEST(nobody_makes_it_count_more_than_once_a_second)
{
    struct bench bench;
    struct watcher watcher;

    bench_open(&bench, "false");
    watch(&watcher, &bench, 0);
    page(&bench, LAST_PAGE(9));
    fake_loop_advance(bench.loop, 999);
    CHECK_INT(1, fake_http_count());
    fake_loop_advance(bench.loop, 1);
    CHECK_INT(2, fake_http_count());
    bench_close(&bench);
}

TEST(failures_are_reported_and_then_the_count_again)
{
    struct bench bench;
    struct watcher watcher;

    bench_open(&bench, "false");
    watch(&watcher, &bench, 5000);
    refuse(&bench, 400, "AccessDeniedException");
    CHECK_INT(1, watcher.result.answers);
    CHECK(!watcher.result.has_value);
    CHECK_INT(ERROR_ACCESS_DENIED, watcher.result.code);
    fake_loop_advance(bench.loop, 10000); /* so long a refusal is respected */
    CHECK_INT(2, fake_http_count());
    page(&bench, LAST_PAGE(9));
    CHECK_INT(2, watcher.result.answers);
    CHECK_INT(9, watcher.result.value.count);
    fake_loop_advance(bench.loop, 5000);
    refuse(&bench, 400, "AccessDeniedException");
    CHECK_INT(3, watcher.result.answers);
    CHECK_INT(9, watcher.result.value.count);
    CHECK_INT(QUALITY_STALE, watcher.result.quality);
    CHECK_INT(0, counter_stats(bench.counter)->stale_served); /* without a request */
    bench_close(&bench);
}

TEST(what_aws_rejects_is_asked_again_in_the_usual_interval)
{
    struct bench bench;

    bench_open(&bench, "true");
    fake_loop_advance(bench.loop, 0);
    for (int i = 1; i <= 3; i++) {
        CHECK_INT(i, fake_http_count());
        refuse(&bench, 400, "ValidationException");
        fake_loop_advance(bench.loop, 29999);
        CHECK_INT(i, fake_http_count());
        fake_loop_advance(bench.loop, 1);
    }
    CHECK_INT(4, fake_http_count());
    page(&bench, LAST_PAGE(9));
    CHECK_INT(1, ask(&bench, 0, COUNT_AGE_DEFAULT, 5000)->answers);
    bench_close(&bench);
}

TEST(what_is_known_is_what_is_fresh_or_has_failed)
{
    struct bench bench;
    struct watcher watcher, late;
    struct count_answer answer;
    struct trigger_state *state;

    bench_open(&bench, "false");
    state = trigger_state_of(&bench, NULL);
    watch(&watcher, &bench, 10000);
    CHECK(!trigger_state_for_watcher(state, &watcher.watch, &answer));
    page(&bench, LAST_PAGE(9));
    fake_loop_advance(bench.loop, 9000);
    CHECK(trigger_state_for_watcher(state, &watcher.watch, &answer));
    CHECK_INT(9000, answer.age_ms);
    CHECK_INT(QUALITY_EXACT, answer.quality);
    fake_loop_advance(bench.loop, 1000);
    CHECK(!trigger_state_for_watcher(state, &watcher.watch, &answer));
    watch(&late, &bench, 60000); /* its wish is met */
    CHECK(trigger_state_for_watcher(state, &late.watch, &answer));
    refuse(&bench, 400, "AccessDeniedException");
    CHECK(trigger_state_for_watcher(state, &watcher.watch, &answer));
    CHECK_INT(QUALITY_STALE, answer.quality);
    CHECK_INT(ERROR_ACCESS_DENIED, answer.failure->code);
    bench_close(&bench);
}

TEST(a_new_configuration_keeps_the_watch_of_the_same_query)
{
    struct bench bench;
    struct watcher watcher;

    bench_open(&bench, "false");
    watch(&watcher, &bench, 10000);
    page(&bench, LAST_PAGE(9));
    CHECK_INT(0, counter_load(bench.counter, config_for("a", "false")));
    CHECK_INT(2, watcher.result.answers); /* target and bounds may be others */
    CHECK_INT(0, watcher.gone);
    fake_loop_advance(bench.loop, 10000);
    page(&bench, LAST_PAGE(10));
    CHECK_INT(3, watcher.result.answers);
    bench_close(&bench);
}

TEST(the_watch_of_another_query_is_over)
{
    struct bench bench;
    struct watcher stays, moves;

    bench_open(&bench, "false");
    watch(&stays, &bench, 10000);
    watch(&moves, &bench, 10000);
    moves.moves = true;
    CHECK_INT(0, counter_load(bench.counter, config_for("b", "false")));
    CHECK_INT(1, stays.gone);
    CHECK_INT(1, moves.gone);
    CHECK_INT(1, moves.triggers_when_gone); /* the new configuration is in force by then */
    fake_loop_advance(bench.loop, 0);
    CHECK_INT(2, fake_http_count());
    CHECK_INT(1, fake_http_open()); /* the old flight has ended: no request waits for it */
    page(&bench, LAST_PAGE(2));
    CHECK_INT(0, stays.result.answers);
    CHECK_INT(1, moves.result.answers);
    CHECK_INT(2, moves.result.value.count);
    bench_close(&bench);
}

static const char *set_of(int number)
{
    static char values[64];

    snprintf(values, sizeof(values), "{\":k\":{\"S\":\"%d\"}}", number);
    return values;
}

TEST(the_set_of_values_that_was_used_least_recently_goes)
{
    struct bench bench;

    bench_open(&bench, "false");
    for (int i = 0; i < COUNTER_VARIANTS_MAX; i++) {
        ask_values(&bench, 0, set_of(i), COUNT_AGE_DEFAULT, 5000);
        CHECK(strstr(fake_http_at(i)->body, set_of(i)) != NULL);
        page(&bench, LAST_PAGE(1));
    }
    CHECK_INT(1, ask_values(&bench, 0, set_of(0), COUNT_AGE_DEFAULT, 5000)->answers);
    ask_values(&bench, 0, set_of(64), COUNT_AGE_DEFAULT, 5000); /* in place of 1 */
    page(&bench, LAST_PAGE(1));
    CHECK_INT(65, fake_http_count());
    CHECK_INT(1, ask_values(&bench, 0, set_of(0), COUNT_AGE_DEFAULT, 5000)->answers);
    CHECK_INT(1, ask_values(&bench, 0, set_of(2), COUNT_AGE_DEFAULT, 5000)->answers);
    CHECK_INT(0, ask_values(&bench, 0, set_of(1), COUNT_AGE_DEFAULT, 5000)->answers);
    CHECK_INT(66, fake_http_count());
    bench_close(&bench);
}

TEST(a_set_that_somebody_waits_for_does_not_go)
{
    struct bench bench;

    bench_open(&bench, "false");
    ask_values(&bench, 0, set_of(1000), 0, 5000);
    ask_values(&bench, 1, set_of(1001), 0, 5000);
    for (int i = 0; i < COUNTER_VARIANTS_MAX; i++)
        trigger_state_of(&bench, set_of(i));
    CHECK_INT(2, fake_http_open());
    trigger_state_leave(&bench.askers[1].request);
    for (int i = 100; i < 100 + COUNTER_VARIANTS_MAX; i++)
        trigger_state_of(&bench, set_of(i));
    fake_loop_advance(bench.loop, 0);
    CHECK_INT(1, fake_http_open()); /* no request waits for 1001, and none could ask for it */
    page(&bench, LAST_PAGE(3));
    CHECK_INT(3, bench.askers[0].value.count);
    CHECK_INT(1, ask_values(&bench, 0, set_of(1000), COUNT_AGE_DEFAULT, 5000)->answers);
    bench_close(&bench);
}

TEST(where_all_sets_are_waited_for_there_is_no_room_for_one_more)
{
    static struct asker waiting[COUNTER_VARIANTS_MAX];
    const struct trigger *trigger;
    struct trigger_state *state;
    struct bench bench;

    bench_open(&bench, "false");
    trigger = &counter_config(bench.counter)->triggers[0];
    for (int i = 0; i < COUNTER_VARIANTS_MAX; i++) {
        waiting[i] = (struct asker){.request = {.timeout_ms = 5000, .done = on_answer}};
        waiting[i].request.data = &waiting[i];
        trigger_state_ask(trigger_state_of(&bench, set_of(i)), &waiting[i].request);
    }
    CHECK_INT(-EBUSY, counter_state(bench.counter, trigger, set_of(1000), &state));
    CHECK(trigger_state_of(&bench, set_of(7)) != NULL); /* one of them can be joined */
    CHECK(trigger_state_of(&bench, NULL) != NULL);
    trigger_state_leave(&waiting[5].request);
    CHECK(trigger_state_of(&bench, set_of(1000)) != NULL);
    for (int i = 0; i < COUNTER_VARIANTS_MAX; i++)
        trigger_state_leave(&waiting[i].request);
    bench_close(&bench);
}

TEST(a_flight_shows_its_pages_and_they_are_kept_as_long_as_they_may_be_asked_for)
{
    struct bench bench;

    bench_open(&bench, "false");
    ask(&bench, 0, 0, 5000);
    page(&bench, PAGE(4));
    page(&bench, LAST_PAGE(3));
    CHECK_INT(2, bench.askers[0].pages);
    CHECK_INT(4, bench.askers[0].first_count);
    CHECK_INT(0, ask(&bench, 0, COUNT_AGE_DEFAULT, 5000)->pages);
    counter_context(bench.counter)->min_age_ms = 1000;
    fake_loop_advance(bench.loop, 1000);
    ask(&bench, 0, 0, 5000);
    page(&bench, LAST_PAGE(2));
    CHECK_INT(1, bench.askers[0].pages);
    fake_loop_advance(bench.loop, 999);
    ask(&bench, 0, 0, 5000); /* too early for another */
    CHECK_INT(1, bench.askers[0].answers);
    CHECK_INT(1, bench.askers[0].pages);
    CHECK_INT(2, bench.askers[0].first_count);
    bench_close(&bench);
}

TEST(of_a_warm_trigger_only_its_own_values_are_kept_fresh)
{
    struct bench bench;

    bench_open(&bench, "true");
    fake_loop_advance(bench.loop, 0);
    CHECK_INT(1, fake_http_count());
    page(&bench, LAST_PAGE(9));
    ask_values(&bench, 0, set_of(1), COUNT_AGE_DEFAULT, 5000);
    CHECK_INT(2, fake_http_count());
    page(&bench, LAST_PAGE(3));
    fake_loop_advance(bench.loop, 30000);
    CHECK_INT(3, fake_http_count());
    page(&bench, LAST_PAGE(9));
    fake_loop_advance(bench.loop, 29999);
    CHECK_INT(3, fake_http_count());
    bench_close(&bench);
}

TEST_MAIN(RUN(a_watched_question_is_counted_whenever_it_gets_too_old),
    RUN(without_a_wish_the_polling_interval_counts), RUN(the_most_demanding_watcher_sets_the_pace),
    RUN(nobody_makes_it_count_more_than_once_a_second),
    RUN(failures_are_reported_and_then_the_count_again),
    RUN(what_aws_rejects_is_asked_again_in_the_usual_interval),
    RUN(what_is_known_is_what_is_fresh_or_has_failed),
    RUN(a_new_configuration_keeps_the_watch_of_the_same_query),
    RUN(the_watch_of_another_query_is_over),
    RUN(the_set_of_values_that_was_used_least_recently_goes),
    RUN(a_set_that_somebody_waits_for_does_not_go),
    RUN(where_all_sets_are_waited_for_there_is_no_room_for_one_more),
    RUN(a_flight_shows_its_pages_and_they_are_kept_as_long_as_they_may_be_asked_for),
    RUN(of_a_warm_trigger_only_its_own_values_are_kept_fresh))
