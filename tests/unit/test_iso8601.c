/* SPDX-License-Identifier: Apache-2.0 */
/* Times of AWS, compared with known instants and with the C library over all days. */
#include "agent/aws/aws_clock.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <time.h>

static const struct {
    const char *text;
    int64_t wall_ms;
} valid[] = {
    {"1970-01-01T00:00:00Z", 0},
    {"2026-01-02T03:04:05Z", INT64_C(1767323045000)},
    {"2026-01-02T03:04:05+00:00", INT64_C(1767323045000)},
    {"2026-01-02T03:04:05.1Z", INT64_C(1767323045100)},
    {"2026-01-02T03:04:05.123Z", INT64_C(1767323045123)},
    {"2026-01-02T03:04:05.123987654Z", INT64_C(1767323045123)},
    {"2026-01-02T03:04:05.007+00:00", INT64_C(1767323045007)},
    {"2000-02-29T23:59:59Z", INT64_C(951868799000)},
    {"2024-02-29T00:00:00Z", INT64_C(1709164800000)},
    {"2100-03-01T00:00:00Z", INT64_C(4107542400000)},
    {"2038-01-19T03:14:08Z", INT64_C(2147483648000)},
    {"9999-12-31T23:59:59Z", INT64_C(253402300799000)},
    {"1969-12-31T23:59:59Z", -1000},
    {"0001-01-01T00:00:00Z", INT64_C(-62135596800000)},
};

static const char *const invalid[] = {"", "Z", "2026", "2026-01-02", "2026-01-02T03:04:05",
    "2026-01-02T03:04:05z", "2026-01-02t03:04:05Z", "2026-01-02 03:04:05Z", "2026-01-02T03:04Z",
    "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05.1234567890Z", "2026-01-02T03:04:05,1Z",
    "2026-01-02T03:04:05+01:00", "2026-01-02T03:04:05-00:00", "2026-01-02T03:04:05+0000",
    "2026-01-02T03:04:05ZZ", "2026-01-02T03:04:05Z ", " 2026-01-02T03:04:05Z",
    "2026-1-02T03:04:05Z", "26-01-02T03:04:05Z", "+026-01-02T03:04:05Z", "-026-01-02T03:04:05Z",
    "2026-00-02T03:04:05Z", "2026-13-02T03:04:05Z", "2026-01-00T03:04:05Z", "2026-01-32T03:04:05Z",
    "2026-02-29T03:04:05Z", "2100-02-29T03:04:05Z", "2026-04-31T03:04:05Z", "2026-01-02T24:00:00Z",
    "2026-01-02T03:60:05Z", "2026-01-02T03:04:60Z", "0000-01-01T00:00:00Z", "2026-01-02T0x:04:05Z",
    "20260102T030405Z", "1767323045"};

TEST(valid_times_are_read)
{
    for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++) {
        int64_t wall_ms = -7;

        if (iso8601_parse(valid[i].text, strlen(valid[i].text), &wall_ms) != 0)
            TEST_FAIL("refused: %s", valid[i].text);
        CHECK_INT(valid[i].wall_ms, wall_ms);
    }
}

TEST(anything_else_is_refused)
{
    for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
        int64_t wall_ms = -7;

        if (iso8601_parse(invalid[i], strlen(invalid[i]), &wall_ms) != -EINVAL)
            TEST_FAIL("accepted: %s", invalid[i]);
        CHECK_INT(-7, wall_ms);
    }
}

TEST(the_length_ends_the_text)
{
    int64_t wall_ms;

    CHECK_INT(0, iso8601_parse("1970-01-01T00:00:01Z99", 20, &wall_ms));
    CHECK_INT(1000, wall_ms);
    CHECK_INT(-EINVAL, iso8601_parse("1970-01-01T00:00:01Z", 19, &wall_ms));
}

TEST(every_day_agrees_with_the_c_library)
{
    for (int64_t day = 0; day < 2932897; day++) { /* up to 9999-12-31 */
        int64_t seconds = day * 86400 + day % 86400;
        time_t t = (time_t)seconds;
        struct tm tm;
        char basic[ISO8601_BASIC_SIZE], expected[64], extended[64];
        int64_t wall_ms;

        gmtime_r(&t, &tm);
        strftime(expected, sizeof(expected), "%Y%m%dT%H%M%SZ", &tm);
        strftime(extended, sizeof(extended), "%Y-%m-%dT%H:%M:%SZ", &tm);
        CHECK_INT(0, iso8601_basic(seconds, basic));
        if (memcmp(expected, basic, sizeof(basic)) != 0)
            CHECK_STR(expected, basic);
        CHECK_INT(0, iso8601_parse(extended, strlen(extended), &wall_ms));
        CHECK_INT(seconds * 1000, wall_ms);
    }
}

TEST(basic_form_refuses_years_that_do_not_fit)
{
    char basic[ISO8601_BASIC_SIZE] = "";

    CHECK_INT(0, iso8601_basic(INT64_C(253402300799), basic));
    CHECK_STR("99991231T235959Z", basic);
    CHECK_INT(-ERANGE, iso8601_basic(INT64_C(253402300800), basic));
    CHECK_INT(-ERANGE, iso8601_basic(-1, basic));
    CHECK_INT(-ERANGE, iso8601_basic(INT64_MAX, basic));
    CHECK_INT(-ERANGE, iso8601_basic(INT64_MIN, basic));
}

TEST_MAIN(RUN(valid_times_are_read), RUN(anything_else_is_refused), RUN(the_length_ends_the_text),
    RUN(every_day_agrees_with_the_c_library), RUN(basic_form_refuses_years_that_do_not_fit))
