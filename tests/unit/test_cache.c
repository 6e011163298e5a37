/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/count/cache.h"

#include "tests/unit/test.h"

#define HALF 0x80000000u

static struct failure failure_of(enum error_code code)
{
    struct failure failure;

    failure_set(&failure, code, "for the test");
    return failure;
}

TEST(a_value_is_fresh_until_its_age_is_reached)
{
    struct cache cache;
    struct count_value value = {.count = 7};

    cache_init(&cache);
    CHECK(!cache_is_fresh(&cache, 1000, 0));
    cache_store(&cache, &value, NULL, 500);
    CHECK(cache_is_fresh(&cache, 1000, 1499));
    CHECK(!cache_is_fresh(&cache, 1000, 1500));
    CHECK(!cache_is_fresh(&cache, 0, 500)); /* age 0 always asks */
    CHECK_INT(999, cache_age(&cache, 1499));
    CHECK_INT(0, cache_age(&cache, 400)); /* never negative */
}

TEST(a_stale_value_is_reported_up_to_the_limit)
{
    struct cache cache;
    struct count_value value = {.count = 7};

    cache_init(&cache);
    CHECK(!cache_may_serve_stale(&cache, 1000, 0));
    cache_store(&cache, &value, NULL, 0);
    CHECK(cache_may_serve_stale(&cache, 1000, 1000));
    CHECK(!cache_may_serve_stale(&cache, 1000, 1001));
}

TEST(a_failure_keeps_the_value)
{
    struct cache cache;
    struct count_value value = {.count = 7};
    struct failure failure = failure_of(ERROR_THROTTLED);

    cache_init(&cache);
    cache_store(&cache, &value, NULL, 0);
    cache_fail(&cache, &failure, 10, HALF);
    CHECK(cache.has_value);
    CHECK_INT(7, cache.value.count);
    CHECK_INT(1, cache.failures);
    CHECK_STR("for the test", cache_failure(&cache)->message);
    cache_store(&cache, &value, NULL, 20);
    CHECK_INT(0, cache.failures);
    cache_clear(&cache); /* nothing is left to be cleared */
}

TEST(what_may_pass_is_tried_again_after_a_growing_wait)
{
    struct cache cache;
    struct failure failure = failure_of(ERROR_AWS_UNAVAILABLE);
    int64_t last = 0;

    cache_init(&cache);
    for (int i = 0; i < 12; i++) {
        cache_fail(&cache, &failure, 0, HALF);
        CHECK(!cache.refused);
        CHECK(cache.not_before >= last);
        last = cache.not_before;
    }
    CHECK_INT(15000, last); /* half of 20 s fixed, half of the other half by this chance */
    cache_clear(&cache);
}

TEST(a_denial_is_remembered_ten_seconds_doubling_to_sixty)
{
    static const int64_t expected[] = {10000, 20000, 40000, 60000, 60000};
    struct cache cache;
    struct failure failure = failure_of(ERROR_ACCESS_DENIED);

    cache_init(&cache);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        cache_fail(&cache, &failure, 100, HALF);
        CHECK(cache.refused);
        CHECK_INT(100 + expected[i], cache.not_before);
    }
    cache_clear(&cache);
}

TEST(the_service_may_ask_for_more)
{
    struct cache cache;
    struct failure failure = failure_of(ERROR_THROTTLED);

    cache_init(&cache);
    failure.retry_after_ms = 7000;
    cache_fail(&cache, &failure, 0, 0);
    CHECK_INT(7000, cache.not_before);
    failure.retry_after_ms = INT64_MAX;
    cache_fail(&cache, &failure, 0, 0);
    CHECK_INT(20000, cache.not_before);
    cache_clear(&cache);
}

TEST(the_second_flight_that_takes_too_long_is_refused_for_a_minute_doubling_to_an_hour)
{
    static const int64_t expected[] = {
        60000, 120000, 240000, 480000, 960000, 1920000, 3600000, 3600000};
    struct cache cache;
    struct count_value partial = {.count = 4, .pages = 2, .is_partial = true};
    struct failure failure = failure_of(ERROR_TIMEOUT);

    cache_init(&cache);
    cache_store(&cache, &partial, NULL, 100);
    cache_overrun(&cache, &failure, 100);
    CHECK(!cache.refused); /* once may be bad luck */
    CHECK_INT(100, cache.not_before);
    CHECK_INT(1, cache.failures);
    CHECK_STR("for the test", cache_failure(&cache)->message);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        cache_store(&cache, &partial, NULL, 100);
        CHECK_INT(0, cache.failures);
        cache_overrun(&cache, &failure, 100);
        CHECK(cache.refused);
        CHECK_INT(100 + expected[i], cache.not_before);
    }
    cache.overruns = UINT32_MAX;
    cache_overrun(&cache, &failure, INT64_MAX - 5);
    CHECK_INT(UINT32_MAX, cache.overruns);
    CHECK_INT(INT64_MAX, cache.not_before);
    cache_clear(&cache);
}

TEST(a_whole_count_forgets_those_that_took_too_long_and_a_threshold_does_not)
{
    struct cache cache;
    struct count_value whole = {.count = 4, .pages = 2};
    struct failure failure = failure_of(ERROR_TIMEOUT);

    cache_init(&cache);
    cache_overrun(&cache, &failure, 100);
    cache_succeed(&cache);
    CHECK_INT(0, cache.failures);
    cache_overrun(&cache, &failure, 100);
    CHECK(cache.refused);
    cache_store(&cache, &whole, NULL, 100);
    CHECK(!cache.refused);
    cache_overrun(&cache, &failure, 100);
    CHECK(!cache.refused);
    cache_clear(&cache);
}

TEST(a_count_over_budget_is_tried_again_at_once_and_refused_until_then)
{
    struct cache cache;
    struct failure failure = failure_of(ERROR_BUSY);

    cache_init(&cache);
    failure.retry_after_ms = 3600000;
    for (int i = 0; i < 100; i++)
        cache_fail(&cache, &failure, 100, HALF);
    CHECK(cache.refused);
    CHECK_INT(100, cache.not_before);
    CHECK_INT(100, cache.failures);
    cache_clear(&cache);
}

TEST_MAIN(RUN(a_value_is_fresh_until_its_age_is_reached),
    RUN(a_stale_value_is_reported_up_to_the_limit), RUN(a_failure_keeps_the_value),
    RUN(what_may_pass_is_tried_again_after_a_growing_wait),
    RUN(a_denial_is_remembered_ten_seconds_doubling_to_sixty), RUN(the_service_may_ask_for_more),
    RUN(the_second_flight_that_takes_too_long_is_refused_for_a_minute_doubling_to_an_hour),
    RUN(a_whole_count_forgets_those_that_took_too_long_and_a_threshold_does_not),
    RUN(a_count_over_budget_is_tried_again_at_once_and_refused_until_then))
