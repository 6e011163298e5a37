/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ipc/latency.h"

#include "tests/unit/test.h"

static struct latency latency;

/* Of what was measured until now. */
static struct latency_histogram total(void)
{
    struct latency_histogram histogram;

    latency_total(&latency, &histogram);
    return histogram;
}

static int64_t percentile(double share)
{
    struct latency_histogram histogram = total();

    return latency_percentile(&histogram, share);
}

TEST(nothing_measured_is_zero)
{
    latency = (struct latency){0};
    CHECK_INT(0, percentile(0.5));
    latency_add(&latency, 1, 100, 0);
    CHECK_INT(0, total().max_us);
}

TEST(percentiles_are_right_within_an_eighth)
{
    static const double shares[] = {0.5, 0.9, 0.99, 1.0};

    latency = (struct latency){0};
    for (int64_t us = 1; us <= 100000; us++)
        latency_add(&latency, 1, us, 1);
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        int64_t exact = (int64_t)(100000 * shares[i]);
        int64_t answer = percentile(shares[i]);

        if (answer < exact || answer > exact + exact / 8)
            TEST_FAIL("%f: %lld, exactly %lld", shares[i], (long long)answer, (long long)exact);
    }
    CHECK_INT(100000, total().max_us);
}

TEST(small_and_odd_times_have_a_place)
{
    latency = (struct latency){0};

    latency_add(&latency, 1, -5, 1); /* a clock that jumped */
    latency_add(&latency, 1, 0, 1);
    CHECK_INT(0, percentile(1.0));
    latency_add(&latency, 1, 7, 1);
    CHECK_INT(7, percentile(1.0));
    latency_add(&latency, 1, 8, 10);
    CHECK_INT(8, percentile(0.9));
    latency_add(&latency, 1, INT64_MAX, 1);
    CHECK_INT(INT64_MAX, total().max_us);
    CHECK(percentile(1.0) > 8);
}

TEST(a_percentile_of_few_answers_is_rounded_up)
{
    latency = (struct latency){0};
    for (int64_t i = 1; i <= 5; i++)
        latency_add(&latency, 1, i == 5 ? 11400000 : i * 1000, 1);
    CHECK_INT(11400000, percentile(0.99));
    CHECK_INT(11400000, percentile(0.9));
    CHECK(percentile(0.5) >= 3000 && percentile(0.5) < 3500);
}

TEST(percentiles_forget_what_is_older_than_the_window)
{
    struct latency_histogram lately;
    const int64_t half = LATENCY_WINDOW_US / 2;

    latency = (struct latency){0};
    latency_add(&latency, 1, 5000000, 1);
    latency_add(&latency, 1 + half, 10, 3);
    CHECK_INT(1, latency_lately(&latency, 2 + half, &lately));
    CHECK_INT(4, lately.samples);
    CHECK_INT(1 + half, latency_lately(&latency, 1 + 2 * half, &lately));
    CHECK_INT(3, lately.samples);
    CHECK_INT(10, lately.max_us);
    CHECK_INT(1 + 5 * half, latency_lately(&latency, 1 + 5 * half, &lately));
    CHECK_INT(0, lately.samples);
    CHECK_INT(4, total().samples);
    CHECK_INT(5000030, total().sum_us);
}

TEST(answers_below_a_power_of_two_are_counted)
{
    struct latency_histogram histogram;

    latency = (struct latency){0};
    latency_add(&latency, 1, 63, 1);
    latency_add(&latency, 1, 64, 10);
    latency_add(&latency, 1, 255, 100);
    latency_add(&latency, 1, INT64_MAX, 1000);
    histogram = total();
    CHECK_INT(1, latency_below(&histogram, 6));
    CHECK_INT(11, latency_below(&histogram, 7));
    CHECK_INT(111, latency_below(&histogram, 8));
    CHECK_INT(111, latency_below(&histogram, 28));
    CHECK_INT(INT64_MAX, histogram.sum_us);
}

TEST_MAIN(RUN(nothing_measured_is_zero), RUN(percentiles_are_right_within_an_eighth),
    RUN(small_and_odd_times_have_a_place), RUN(a_percentile_of_few_answers_is_rounded_up),
    RUN(percentiles_forget_what_is_older_than_the_window),
    RUN(answers_below_a_power_of_two_are_counted))
