#include "agent/ipc/latency.h"

#include "tests/unit/test.h"

TEST(nothing_measured_is_zero)
{
    struct latency latency = {0};

    CHECK_INT(0, latency_percentile(&latency, 0.5));
    latency_add(&latency, 100, 0);
    CHECK_INT(0, latency.max_us);
}

TEST(percentiles_are_right_within_an_eighth)
{
    struct latency latency = {0};
    static const double shares[] = {0.5, 0.9, 0.99, 1.0};

    for (int64_t us = 1; us <= 100000; us++)
        latency_add(&latency, us, 1);
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        int64_t exact = (int64_t)(100000 * shares[i]);
        int64_t told = latency_percentile(&latency, shares[i]);

        if (told < exact || told > exact + exact / 8)
            TEST_FAIL("%f: %lld, exactly %lld", shares[i], (long long)told, (long long)exact);
    }
    CHECK_INT(100000, latency.max_us);
}

TEST(small_and_odd_times_have_a_place)
{
    struct latency latency = {0};

    latency_add(&latency, -5, 1); /* a clock that jumped */
    latency_add(&latency, 0, 1);
    CHECK_INT(0, latency_percentile(&latency, 1.0));
    latency_add(&latency, 7, 1);
    CHECK_INT(7, latency_percentile(&latency, 1.0));
    latency_add(&latency, 8, 10);
    CHECK_INT(8, latency_percentile(&latency, 0.9));
    latency_add(&latency, INT64_MAX, 1);
    CHECK_INT(INT64_MAX, latency.max_us);
    CHECK(latency_percentile(&latency, 1.0) > 8);
}

TEST_MAIN(RUN(nothing_measured_is_zero), RUN(percentiles_are_right_within_an_eighth),
    RUN(small_and_odd_times_have_a_place))
