/* SPDX-License-Identifier: Apache-2.0 */
/* Delays and the retry quota. */
#include "agent/aws/retry.h"
#include "tests/unit/test.h"

static const struct {
    enum aws_outcome outcome;
    unsigned attempt;
    int64_t base_ms, retry_after_ms;
    uint32_t random;
    int64_t delay;
} delays[] = {
    /* The most that each attempt may wait, and the least. */
    {AWS_TRANSIENT, 0, 25, 0, UINT32_MAX, 25},
    {AWS_TRANSIENT, 1, 25, 0, UINT32_MAX, 50},
    {AWS_TRANSIENT, 9, 25, 0, UINT32_MAX, 12800},
    {AWS_TRANSIENT, 10, 25, 0, UINT32_MAX, 20000},
    {AWS_TRANSIENT, 11, 25, 0, UINT32_MAX, 20000},
    {AWS_TRANSIENT, UINT32_MAX, 25, 0, UINT32_MAX, 20000},
    {AWS_TRANSIENT, 0, 50, 0, UINT32_MAX, 50},
    {AWS_TRANSIENT, 5, 50, 0, 0, 0},
    {AWS_TRANSIENT, 1, 50, 0, UINT32_C(1) << 31, 50},
    {AWS_TRANSIENT, 0, 0, 0, UINT32_MAX, 0},
    {AWS_TRANSIENT, UINT32_MAX, 0, 0, UINT32_MAX, 0},
    {AWS_TRANSIENT, 3, INT64_MAX, 0, UINT32_MAX, 20000},
    /* A throttle has its own base, whatever the service. */
    {AWS_THROTTLED, 0, 25, 0, UINT32_MAX, 1000},
    {AWS_THROTTLED, 2, 25, 0, UINT32_MAX, 4000},
    {AWS_THROTTLED, 5, 25, 0, UINT32_MAX, 20000},
    /* The service's word is a floor, up to five seconds more than our own. */
    {AWS_THROTTLED, 0, 25, 1500, 0, 1500},
    {AWS_THROTTLED, 0, 25, 5000, 0, 5000},
    {AWS_THROTTLED, 0, 25, 5001, 0, 5000},
    {AWS_THROTTLED, 0, 25, INT64_MAX, UINT32_MAX, 6000},
    {AWS_THROTTLED, 5, 25, 23000, UINT32_MAX, 23000},
    {AWS_THROTTLED, 2, 25, 10, UINT32_MAX, 4000},
    {AWS_THROTTLED, 2, 25, -10, 0, 0},
};

TEST(delays_are_as_specified)
{
    for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
        int64_t delay = retry_delay(delays[i].outcome, delays[i].attempt, delays[i].base_ms,
            delays[i].retry_after_ms, delays[i].random);

        if (delay != delays[i].delay)
            TEST_FAIL("case %zu: %lld ms, expected %lld", i, (long long)delay,
                (long long)delays[i].delay);
    }
}

TEST(delays_are_spread_evenly)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < 1000; i++)
        sum += (uint64_t)retry_delay(AWS_TRANSIENT, 5, 50, 0, i * (UINT32_MAX / 1000));
    CHECK(sum / 1000 >= 790 && sum / 1000 <= 810); /* of 1600 */
}

TEST(the_quota_ends_retries)
{
    struct retry_quota quota;
    int retries = 0;

    retry_quota_init(&quota);
    while (retry_quota_take(&quota, AWS_TRANSIENT))
        retries++;
    CHECK_INT(35, retries);                         /* 35 * 14 of 500 */
    CHECK(retry_quota_take(&quota, AWS_THROTTLED)); /* cheaper, so still possible */
    CHECK(retry_quota_take(&quota, AWS_THROTTLED));
    CHECK(!retry_quota_take(&quota, AWS_THROTTLED));
    CHECK_INT(0, quota.tokens);
}

TEST(successes_pay_back)
{
    struct retry_quota quota = {.tokens = 0};

    retry_quota_success(&quota, 0, AWS_OK);
    CHECK_INT(1, quota.tokens);
    retry_quota_success(&quota, 3, AWS_TRANSIENT);
    CHECK_INT(15, quota.tokens);
    retry_quota_success(&quota, 1, AWS_THROTTLED);
    CHECK_INT(20, quota.tokens);
    quota.tokens = 499;
    retry_quota_success(&quota, 1, AWS_TRANSIENT);
    CHECK_INT(500, quota.tokens);
}

TEST(what_a_reply_asks_for_is_bounded)
{
    static const struct {
        const char *text;
        int64_t ms;
    } texts[] = {{"", 0}, {"0", 0}, {"1500", 1500}, {"1500.5", 1500}, {"-1", 0}, {"soon", 0},
        {"3600000", RETRY_AFTER_MAX_MS}, {"3600001", RETRY_AFTER_MAX_MS},
        {"2147483648", RETRY_AFTER_MAX_MS}, {"9223372036854775807", RETRY_AFTER_MAX_MS},
        {"9223372036854775808", RETRY_AFTER_MAX_MS}, {"18446744073709551616", RETRY_AFTER_MAX_MS},
        {"99999999999999999999999999999999", RETRY_AFTER_MAX_MS}};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        CHECK_INT(texts[i].ms, retry_after_parse(texts[i].text));
}

TEST_MAIN(RUN(what_a_reply_asks_for_is_bounded), RUN(delays_are_as_specified),
    RUN(delays_are_spread_evenly), RUN(the_quota_ends_retries), RUN(successes_pay_back))
