/* SPDX-License-Identifier: Apache-2.0 */
/* Waits that get longer, and those after a refusal. */
#include "agent/aws/retry.h"
#include "tests/unit/test.h"

static const struct {
    int64_t first_ms, most_ms;
    uint32_t earlier;
    int64_t wait_ms;
} waits[] = {
    {250, 20000, 0, 250},
    {250, 20000, 1, 500},
    {250, 20000, 6, 16000},
    {250, 20000, 7, 20000},
    {250, 20000, UINT32_MAX, 20000},
    {1000, 8000, 3, 8000},
    {1000, 8000, 4, 8000},
    {0, 20000, UINT32_MAX, 0},
    {INT64_MAX, 20000, 3, 20000},
    /* No product overflows. */
    {3, INT64_MAX, UINT32_MAX, INT64_MAX},
};

TEST(each_wait_is_twice_the_last_up_to_the_most)
{
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++)
        CHECK_INT(
            waits[i].wait_ms, backoff_ms(waits[i].first_ms, waits[i].most_ms, waits[i].earlier));
}

TEST(a_refusal_holds_ten_seconds_doubling_to_sixty)
{
    static const int64_t expected[] = {10000, 20000, 40000, 60000, 60000};

    for (uint32_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        CHECK_INT(expected[i], backoff_refused_ms(i));
    CHECK_INT(60000, backoff_refused_ms(UINT32_MAX));
}

TEST_MAIN(RUN(each_wait_is_twice_the_last_up_to_the_most),
    RUN(a_refusal_holds_ten_seconds_doubling_to_sixty))
