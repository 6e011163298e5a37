/* SPDX-License-Identifier: Apache-2.0 */
/* Questions, flights and the counter, from a request to the bytes that leave for DynamoDB: with a
 * clock moved by hand and a network that answers on command. */
#include "tests/unit/count_world.h"

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

TEST(a_count_ages_while_the_machine_sleeps)
{
    struct bench bench;
    struct asker *asker;

    bench_open(&bench, "false");
    ask(&bench, 0, COUNT_AGE_DEFAULT, 5000);
    page(&bench, LAST_PAGE(9));
    fake_loop_sleep(bench.loop, 20000);
    CHECK_INT(20000, ask(&bench, 0, COUNT_AGE_DEFAULT, 5000)->age_ms);
    fake_loop_sleep(bench.loop, 20000);
    asker = ask(&bench, 0, COUNT_AGE_DEFAULT, 5000);
    CHECK_INT(0, asker->answers); /* the polling interval is over: it is counted again */
    refuse(&bench, 400, "ResourceNotFoundException");
    CHECK_INT(QUALITY_STALE, asker->quality);
    CHECK_INT(40000, asker->age_ms);
    fake_loop_sleep(bench.loop, 900000);
    CHECK(!ask(&bench, 0, 0, 5000)->has_value); /* --max-stale is over */
    bench_close(&bench);
}

TEST(who_leaves_takes_the_request_along_but_not_the_flight)
{
    struct bench bench;

    bench_open(&bench, "false");
    ask(&bench, 0, 0, 5000);
    trigger_state_leave(&bench.askers[0].request);
    trigger_state_leave(&bench.askers[0].request); /* allowed twice */
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
    trigger_state_leave(&bench.askers[0].request);
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

TEST(while_aws_fails_the_last_good_count_is_reported_as_stale)
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

TEST(waiters_at_the_end_get_the_reason)
{
    struct bench bench;

    bench_open(&bench, "false");
    ask(&bench, 0, 0, 5000);
    bench_close(&bench);
    CHECK_INT(ERROR_SHUTTING_DOWN, bench.askers[0].code);
}

TEST(the_first_to_hear_of_a_refusal_hears_how_long_it_is_remembered)
{
    struct bench bench;
    struct asker *asker;

    bench_open(&bench, "false");
    asker = ask(&bench, 0, 0, 5000);
    refuse(&bench, 400, "AccessDeniedException");
    CHECK_INT(ERROR_ACCESS_DENIED, asker->code);
    CHECK_INT(10000, asker->retry_after_ms);
    asker = ask(&bench, 0, 0, 5000);
    CHECK_INT(10000, asker->retry_after_ms);
    bench_close(&bench);
}

TEST(no_client_is_asked_to_wait_longer_than_the_agent_does)
{
    static const char body[] = "{\"__type\":\"x#ValidationException\"}";
    struct bench bench;
    struct asker *asker;

    bench_open(&bench, "false");
    asker = ask(&bench, 0, 0, 5000);
    fake_http_answer_with(&(struct http_response){.outcome = HTTP_ANSWERED,
        .error = "",
        .status = 400,
        .body = (const uint8_t *)body,
        .body_len = strlen(body),
        .headers.retry_after = "99999999999999999999"});
    fake_loop_advance(bench.loop, 0);
    CHECK_INT(1, asker->answers);
    CHECK_INT(ERROR_AWS_REJECTED, asker->code);
    CHECK_INT(20000, asker->retry_after_ms);
    bench_close(&bench);
}

static struct asker *ask_enough(struct bench *bench, int index, uint64_t enough)
{
    struct asker *asker = &bench->askers[index];

    memset(asker, 0, sizeof(*asker));
    asker->request = (struct count_request){
        .max_age_ms = 0, .timeout_ms = 600000, .enough = enough, .done = on_answer, .data = asker};
    trigger_state_ask(trigger_state_of(bench, NULL), &asker->request);
    fake_loop_advance(bench->loop, 0);
    return asker;
}

TEST(a_count_that_took_too_long_is_a_lower_bound_with_the_reason)
{
    struct bench bench;
    struct asker *asker;

    bench_open(&bench, "false");
    asker = ask_enough(&bench, 0, 0);
    page(&bench, PAGE(4));
    fake_loop_advance(bench.loop, 299999);
    CHECK_INT(0, asker->answers);
    fake_loop_advance(bench.loop, 1);
    CHECK_INT(1, asker->answers);
    CHECK_INT(4, asker->value.count);
    CHECK_INT(QUALITY_AT_LEAST, asker->quality);
    CHECK_INT(ERROR_TIMEOUT, asker->code);
    bench_close(&bench);
}

/* Its pages were empty, perhaps behind a filter: that is no 0. */
TEST(a_count_that_took_too_long_and_found_nothing_is_a_failure)
{
    struct bench bench;
    struct asker *asker;

    bench_open(&bench, "false");
    for (int i = 0; i < 2; i++) {
        asker = ask_enough(&bench, 0, 0);
        CHECK_INT(i * 2 + 1, fake_http_count());
        page(&bench, PAGE(0));
        fake_loop_advance(bench.loop, 300000);
        CHECK_INT(1, asker->answers);
        CHECK(!asker->has_value);
        CHECK_INT(ERROR_TIMEOUT, asker->code);
        CHECK_INT(i * 60000, asker->retry_after_ms);
    }
    asker = ask_enough(&bench, 1, 0); /* a third time would cost as much and give no more */
    CHECK_INT(1, asker->answers);
    CHECK(!asker->has_value);
    CHECK_INT(4, fake_http_count());
    bench_close(&bench);
}

TEST(an_old_count_is_answered_as_stale_where_the_new_one_found_nothing_in_time)
{
    struct bench bench;
    struct asker *asker;

    bench_open(&bench, "false");
    ask(&bench, 0, 0, 5000);
    page(&bench, LAST_PAGE(9));
    asker = ask_enough(&bench, 0, 0);
    page(&bench, PAGE(0));
    fake_loop_advance(bench.loop, 300000);
    CHECK_INT(1, asker->answers);
    CHECK_INT(9, asker->value.count);
    CHECK_INT(QUALITY_STALE, asker->quality);
    CHECK_INT(ERROR_TIMEOUT, asker->code);
    bench_close(&bench);
}

/* A threshold in between does not show that all can be counted in time. */
TEST(a_threshold_does_not_make_long_counts_start_over_for_ever)
{
    struct bench bench;

    bench_open(&bench, "false");
    for (int i = 0; i < 2; i++) {
        ask_enough(&bench, 0, 0);
        page(&bench, PAGE(4));
        fake_loop_advance(bench.loop, 300000);
        CHECK_INT(QUALITY_AT_LEAST, bench.askers[0].quality);
        if (i == 0) {
            ask_enough(&bench, 1, 1);
            page(&bench, CUT_PAGE(1));
            CHECK_INT(1, bench.askers[1].answers);
            CHECK_INT(ERROR_NONE, bench.askers[1].code);
        }
    }
    CHECK_INT(5, fake_http_count());
    CHECK_INT(1, ask_enough(&bench, 0, 0)->answers);
    CHECK_INT(ERROR_TIMEOUT, bench.askers[0].code);
    CHECK_INT(5, fake_http_count());
    bench_close(&bench);
}

TEST(a_request_for_the_whole_count_raises_the_goal_of_a_flight_with_a_threshold)
{
    struct asker *first;
    struct bench bench;

    bench_open(&bench, "false");
    first = &bench.askers[0];
    *first = (struct asker){
        .request = {.enough = 2, .timeout_ms = 5000, .done = on_answer, .data = first}};
    trigger_state_ask(trigger_state_of(&bench, NULL), &first->request);
    fake_loop_advance(bench.loop, 0);
    ask(&bench, 1, 0, 5000);
    page(&bench, CUT_PAGE(2));
    fake_loop_advance(bench.loop, 0);
    CHECK_INT(1, first->answers);
    CHECK_INT(0, bench.askers[1].answers);
    CHECK_INT(1, fake_http_open());
    page(&bench, LAST_PAGE(3));
    CHECK_INT(5, bench.askers[1].value.count);
    bench_close(&bench);
}

TEST_MAIN(RUN(a_request_for_the_whole_count_raises_the_goal_of_a_flight_with_a_threshold),
    RUN(all_pages_are_summed_and_empty_ones_are_not_the_end),
    RUN(everyone_who_asks_at_once_shares_one_flight), RUN(a_count_is_kept_for_the_polling_interval),
    RUN(a_count_ages_while_the_machine_sleeps),
    RUN(who_leaves_takes_the_request_along_but_not_the_flight),
    RUN(the_answer_comes_before_the_deadline_and_says_how_far_it_got),
    RUN(a_throttled_page_is_asked_again_with_the_sum_kept),
    RUN(a_failing_flight_without_anybody_waiting_ends),
    RUN(a_denial_is_answered_from_memory_and_is_no_zero),
    RUN(while_aws_fails_the_last_good_count_is_reported_as_stale),
    RUN(a_new_configuration_keeps_what_did_not_change),
    RUN(a_new_query_does_not_inherit_the_old_ones_count),
    RUN(a_warm_trigger_is_counted_without_anybody_asking), RUN(waiters_at_the_end_get_the_reason),
    RUN(the_first_to_hear_of_a_refusal_hears_how_long_it_is_remembered),
    RUN(no_client_is_asked_to_wait_longer_than_the_agent_does),
    RUN(a_count_that_took_too_long_is_a_lower_bound_with_the_reason),
    RUN(a_count_that_took_too_long_and_found_nothing_is_a_failure),
    RUN(an_old_count_is_answered_as_stale_where_the_new_one_found_nothing_in_time),
    RUN(a_threshold_does_not_make_long_counts_start_over_for_ever))
