/* SPDX-License-Identifier: Apache-2.0 */
/* What counting cost lately, and how long a budget makes the next count wait. */
#include "agent/count/read_cost.h"

#include "tests/unit/test.h"

#include <math.h>

#define NOW    INT64_C(5000000)
#define MINUTE INT64_C(60000)
#define HOUR   (60 * MINUTE)

static void check_real(double expected, double actual, int line)
{
    if (!(fabs(expected - actual) <= 1e-6 * (1 + fabs(expected))))
        TEST_FAIL("line %d: %f, expected %f", line, actual, expected);
}

#define CHECK_REAL(expected, actual) check_real(expected, actual, __LINE__)

/* ---- meter ---- */

TEST(a_meter_begins_at_nothing)
{
    static const struct rcu_meter unused;

    CHECK_REAL(0, rcu_meter_last_hour(&unused, NOW));
    CHECK_REAL(0, rcu_meter_per_hour(&unused, NOW));
    CHECK_REAL(0, rcu_meter_per_hour(&unused, INT64_MAX));
}

TEST(the_last_hour_forgets_the_hour_before_little_by_little)
{
    struct rcu_meter meter = {.total = 0};

    rcu_meter_add(&meter, 100, NOW);
    CHECK_REAL(100, rcu_meter_last_hour(&meter, NOW));
    CHECK_REAL(100, rcu_meter_last_hour(&meter, NOW + HOUR - 1));
    rcu_meter_add(&meter, 10, NOW + HOUR); /* the second hour begins */
    CHECK_REAL(110, rcu_meter_last_hour(&meter, NOW + HOUR));
    CHECK_REAL(60, rcu_meter_last_hour(&meter, NOW + HOUR + HOUR / 2));
    CHECK_REAL(10, rcu_meter_last_hour(&meter, NOW + 2 * HOUR));
    CHECK_REAL(5, rcu_meter_last_hour(&meter, NOW + 2 * HOUR + HOUR / 2));
    CHECK_REAL(0, rcu_meter_last_hour(&meter, NOW + 3 * HOUR));
    CHECK_REAL(0, rcu_meter_last_hour(&meter, NOW + 1000 * HOUR));
    CHECK_REAL(110, meter.total);
    rcu_meter_add(&meter, 1, NOW + 1000 * HOUR);
    CHECK_REAL(1, rcu_meter_last_hour(&meter, NOW + 1000 * HOUR));
    CHECK_REAL(111, meter.total);
}

TEST(the_rate_of_a_young_meter_is_that_of_its_life)
{
    struct rcu_meter meter = {.total = 0};

    rcu_meter_add(&meter, 10, NOW);
    CHECK_REAL(0, rcu_meter_per_hour(&meter, NOW + MINUTE - 1)); /* a guess */
    CHECK_REAL(600, rcu_meter_per_hour(&meter, NOW + MINUTE));
    CHECK_REAL(20, rcu_meter_per_hour(&meter, NOW + HOUR / 2));
    CHECK_REAL(10, rcu_meter_per_hour(&meter, NOW + HOUR));
    CHECK_REAL(5, rcu_meter_per_hour(&meter, NOW + HOUR + HOUR / 2));
}

TEST(a_steady_use_is_its_own_rate)
{
    struct rcu_meter meter = {.total = 0};
    int64_t now = NOW;

    for (int i = 0; i < 1000; i++, now += MINUTE)
        rcu_meter_add(&meter, 2, now);
    CHECK(fabs(rcu_meter_per_hour(&meter, now) - 120) <= 2);
}

/* ---- budget ---- */

static struct rcu_budget budget_of(double per_hour)
{
    struct rcu_budget budget = {.per_hour = 0};

    rcu_budget_set(&budget, per_hour, NOW);
    return budget;
}

TEST(without_a_budget_every_count_may_start)
{
    struct rcu_budget budget = {.per_hour = 0};

    rcu_budget_use(&budget, 1e12, NOW);
    CHECK_INT(0, rcu_budget_wait_ms(&budget, 1e12, NOW));
    CHECK(!rcu_budget_is_low(&budget, NOW));
}

TEST(a_budget_is_filled_evenly_and_not_above_its_size)
{
    struct rcu_budget budget = budget_of(3600);

    CHECK_REAL(3600, rcu_budget_left(&budget, NOW + 5 * HOUR));
    rcu_budget_use(&budget, 3000, NOW);
    CHECK_REAL(600, rcu_budget_left(&budget, NOW));
    CHECK_REAL(601, rcu_budget_left(&budget, NOW + 1000));
    CHECK_REAL(3600, rcu_budget_left(&budget, NOW + HOUR));
    rcu_budget_use(&budget, 3600, NOW + 10 * HOUR); /* what was not used is not saved up */
    CHECK_REAL(0, rcu_budget_left(&budget, NOW + 10 * HOUR));
}

TEST(a_count_waits_until_there_is_enough_for_it)
{
    struct rcu_budget budget = budget_of(3600);

    CHECK_INT(0, rcu_budget_wait_ms(&budget, 3600, NOW));
    rcu_budget_use(&budget, 3600, NOW);
    CHECK_INT(10001, rcu_budget_wait_ms(&budget, 10, NOW));
    CHECK(rcu_budget_wait_ms(&budget, 10, NOW + 9999) > 0);
    CHECK_INT(0, rcu_budget_wait_ms(&budget, 10, NOW + 10000));
    /* One that costs more than the budget holds waits until that is full. */
    CHECK_INT(HOUR + 1, rcu_budget_wait_ms(&budget, 1e9, NOW));
    CHECK_INT(0, rcu_budget_wait_ms(&budget, 1e9, NOW + HOUR));
}

TEST(a_count_of_unknown_cost_may_overdraw_but_not_twice)
{
    struct rcu_budget budget = budget_of(3600);

    CHECK_INT(0, rcu_budget_wait_ms(&budget, 0, NOW));
    rcu_budget_use(&budget, 3610, NOW);
    CHECK_REAL(-10, rcu_budget_left(&budget, NOW));
    CHECK_INT(10001, rcu_budget_wait_ms(&budget, 0, NOW));
    CHECK(rcu_budget_wait_ms(&budget, 0, NOW + 10000) > 0); /* nothing is left */
    CHECK_INT(0, rcu_budget_wait_ms(&budget, 0, NOW + 10001));
    CHECK_INT(10001, rcu_budget_wait_ms(&budget, -5, NOW));
}

TEST(a_warning_comes_at_four_fifths)
{
    struct rcu_budget budget = budget_of(3600);

    rcu_budget_use(&budget, 2880, NOW);
    CHECK(!rcu_budget_is_low(&budget, NOW));
    rcu_budget_use(&budget, 1, NOW);
    CHECK(rcu_budget_is_low(&budget, NOW));
    CHECK(!rcu_budget_is_low(&budget, NOW + 1000));
}

TEST(another_size_keeps_what_was_used)
{
    struct rcu_budget budget = budget_of(1000);

    rcu_budget_use(&budget, 900, NOW);
    rcu_budget_set(&budget, 2000, NOW);
    CHECK_REAL(1100, rcu_budget_left(&budget, NOW));
    rcu_budget_set(&budget, 100, NOW);
    CHECK_REAL(-800, rcu_budget_left(&budget, NOW));
    rcu_budget_set(&budget, 0, NOW);
    CHECK_INT(0, rcu_budget_wait_ms(&budget, 1, NOW));
    rcu_budget_set(&budget, 50, NOW);
    CHECK_REAL(50, rcu_budget_left(&budget, NOW));
}

/* A service may claim any cost, and a budget may be tiny: the wait is a time nevertheless. */
TEST(no_number_makes_the_wait_overflow)
{
    static const double sizes[] = {1e-300, 1e-15, 1, 1e15};
    static const double units[] = {
        0, 1e12, 1e300, (double)INFINITY, (double)NAN, -1, -(double)INFINITY};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (size_t k = 0; k < sizeof(units) / sizeof(units[0]); k++) {
            struct rcu_budget budget = budget_of(sizes[i]);
            int64_t wait;

            rcu_budget_use(&budget, units[k], NOW);
            wait = rcu_budget_wait_ms(&budget, units[k], NOW);
            CHECK(wait >= 0 && wait <= 365 * 24 * HOUR);
            CHECK(rcu_budget_left(&budget, NOW) >= -1e15);
            CHECK(rcu_budget_left(&budget, NOW) <= sizes[i]);
            wait = rcu_budget_wait_ms(&budget, 1, INT64_MAX);
            CHECK(wait >= 0 && wait <= 365 * 24 * HOUR);
        }
    }
}

TEST_MAIN(RUN(a_meter_begins_at_nothing),
    RUN(the_last_hour_forgets_the_hour_before_little_by_little),
    RUN(the_rate_of_a_young_meter_is_that_of_its_life), RUN(a_steady_use_is_its_own_rate),
    RUN(without_a_budget_every_count_may_start),
    RUN(a_budget_is_filled_evenly_and_not_above_its_size),
    RUN(a_count_waits_until_there_is_enough_for_it),
    RUN(a_count_of_unknown_cost_may_overdraw_but_not_twice), RUN(a_warning_comes_at_four_fifths),
    RUN(another_size_keeps_what_was_used), RUN(no_number_makes_the_wait_overflow))
