/* SPDX-License-Identifier: Apache-2.0 */
/* Durations from outside, and the arithmetic that meets them. */
#include "proto/duration.h"
#include "proto/saturating.h"
#include "tests/unit/test.h"

TEST(a_duration_is_at_most_a_year)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } texts[] = {{"0", 0}, {"0h", 0}, {"31536000000", DURATION_MAX_MS},
        {"31536000000ms", DURATION_MAX_MS}, {"31536000s", DURATION_MAX_MS},
        {"525600m", DURATION_MAX_MS}, {"8760h", DURATION_MAX_MS}, {"31536000001", -1},
        {"31536000001ms", -1}, {"31536001s", -1}, {"525601m", -1}, {"8761h", -1}, {"-1", -1},
        {"4294967296h", -1}, {"9223372036854775799ms", -1}, {"9223372036854775807", -1},
        {"9223372036854775808", -1}, {"18446744073709551615", -1}, {"18446744073709551616", -1},
        {"99999999999999999999999999", -1}};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        int64_t ms = -1;

        CHECK_INT(texts[i].ms >= 0, duration_parse(texts[i].text, &ms));
        CHECK_INT(texts[i].ms, ms);
    }
}

TEST(sums_and_differences_stop_at_the_ends)
{
    CHECK_INT(5, saturating_add(2, 3));
    CHECK_INT(-1, saturating_add(2, -3));
    CHECK_INT(INT64_MAX, saturating_add(INT64_MAX, 0));
    CHECK_INT(INT64_MAX, saturating_add(INT64_MAX, 1));
    CHECK_INT(INT64_MAX, saturating_add(1, INT64_MAX));
    CHECK_INT(INT64_MIN, saturating_add(INT64_MIN, -1));
    CHECK_INT(-1, saturating_add(INT64_MIN, INT64_MAX));
    CHECK_INT(-1, saturating_subtract(2, 3));
    CHECK_INT(INT64_MAX, saturating_subtract(INT64_MAX, -1));
    CHECK_INT(INT64_MAX, saturating_subtract(0, INT64_MIN));
    CHECK_INT(INT64_MIN, saturating_subtract(INT64_MIN, 1));
    CHECK_INT(INT64_MIN, saturating_subtract(-2, INT64_MAX));
    CHECK_INT(0, saturating_subtract(INT64_MIN, INT64_MIN));
}

TEST_MAIN(RUN(a_duration_is_at_most_a_year), RUN(sums_and_differences_stop_at_the_ends))
