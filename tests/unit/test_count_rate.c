/* SPDX-License-Identifier: Apache-2.0 */
/* The rate of a count: which counts it is measured between, and what it says of the end. */
#include "agent/count/cache.h"

#include "tests/unit/test.h"

#define WINDOW 30000

TEST(it_needs_two_counts_that_are_apart)
{
    struct count_rate rate = {.base = {.at = 0}};
    double per_s;
    int64_t over_ms;

    CHECK(!count_rate_get(&rate, 5, 900, &per_s, &over_ms));
    count_rate_add(&rate, 100, 1000, WINDOW);
    CHECK(!count_rate_get(&rate, 100, 1000, &per_s, &over_ms));
    count_rate_add(&rate, 100, 1100, WINDOW);
    CHECK(!count_rate_get(&rate, 100, 1100, &per_s, &over_ms));
    count_rate_add(&rate, 90, 3000, WINDOW);
    CHECK(count_rate_get(&rate, 90, 3000, &per_s, &over_ms));
    CHECK_INT(2000, over_ms);
    CHECK(per_s > -5.01 && per_s < -4.99);
}

TEST(it_is_measured_over_one_to_two_windows)
{
    struct count_rate rate = {.base = {.at = 0}};
    double per_s;
    int64_t over_ms;

    for (int64_t at = 1; at <= 20 * WINDOW; at += 5000) {
        count_rate_add(&rate, (uint64_t)at, at, WINDOW);
        if (at > 2 * WINDOW) {
            CHECK(count_rate_get(&rate, (uint64_t)at, at, &per_s, &over_ms));
            CHECK(over_ms >= WINDOW && over_ms <= 2 * WINDOW + 5000);
            CHECK(per_s > 999 && per_s < 1001);
        }
    }
}

TEST(an_older_count_changes_nothing)
{
    struct count_rate rate = {.base = {.at = 0}};
    double per_s;
    int64_t over_ms;

    count_rate_add(&rate, 10, 1000, WINDOW);
    count_rate_add(&rate, 999, 1000, WINDOW);
    count_rate_add(&rate, 999, 5, WINDOW);
    CHECK(count_rate_get(&rate, 20, 2000, &per_s, &over_ms));
    CHECK(per_s > 9.9 && per_s < 10.1);
    CHECK(!count_rate_get(&rate, 20, 900, &per_s, &over_ms));
}

TEST(the_end_of_a_falling_count_is_reported)
{
    CHECK_INT(10000, count_rate_empty_in_ms(50, -5));
    CHECK_INT(-1, count_rate_empty_in_ms(50, 0));
    CHECK_INT(-1, count_rate_empty_in_ms(50, 3));
    CHECK_INT(0, count_rate_empty_in_ms(0, 3));
    CHECK_INT(INT64_C(366) * 24 * 3600 * 1000, count_rate_empty_in_ms(UINT64_MAX, -1e-9));
}

TEST_MAIN(RUN(it_needs_two_counts_that_are_apart), RUN(it_is_measured_over_one_to_two_windows),
    RUN(an_older_count_changes_nothing), RUN(the_end_of_a_falling_count_is_reported))
