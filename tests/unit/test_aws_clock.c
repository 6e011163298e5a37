/* SPDX-License-Identifier: Apache-2.0 */
/* What replies teach of AWS's time. */
#include "agent/aws/aws_clock.h"

#include "tests/unit/test.h"

#define NOW  INT64_C(1772000000000) /* in 2026 */
#define HOUR 3600000

static const struct endpoint dynamodb = {.host = "dynamodb.eu-west-1.amazonaws.com"};
static const struct endpoint sts = {.host = "sts.eu-west-1.amazonaws.com"};
static const struct endpoint odd = {.host = "localhost:8000", .own = true};

TEST(at_first_this_machine_is_right)
{
    static const struct aws_clock clock;

    CHECK_INT(NOW, aws_clock_now(&clock, NOW));
    CHECK_INT(NOW, aws_clock_now_at(&clock, &dynamodb, NOW));
}

TEST(a_refusal_of_aws_teaches_its_time)
{
    static struct aws_clock clock;

    aws_clock_refused(&clock, &dynamodb, NOW, NOW - HOUR);
    CHECK_INT(NOW - HOUR, aws_clock_now(&clock, NOW));
    CHECK_INT(NOW - HOUR, aws_clock_now_at(&clock, &dynamodb, NOW));
    CHECK_INT(NOW - HOUR, aws_clock_now_at(&clock, &sts, NOW));
    CHECK_INT(NOW, aws_clock_now_at(&clock, &sts, NOW + HOUR)); /* and goes on */
}

TEST(an_endpoint_of_somebodys_own_teaches_its_own_time_alone)
{
    static struct aws_clock clock;

    aws_clock_refused(&clock, &odd, NOW, NOW + HOUR);
    CHECK_INT(NOW + HOUR, aws_clock_now_at(&clock, &odd, NOW));
    CHECK_INT(NOW, aws_clock_now(&clock, NOW));
    CHECK_INT(NOW, aws_clock_now_at(&clock, &dynamodb, NOW));
}

/* Credentials that have just come are good: the clock by which they are not is wrong. */
static const struct {
    int64_t learned, sts; /* offsets */
    int64_t expires;      /* from now on */
    int64_t offset;       /* afterwards */
} checks[] = {
    {0, 0, HOUR, 0}, {HOUR / 2, 0, HOUR, HOUR / 2}, /* good by what was learned */
    {2 * HOUR, -HOUR, HOUR, 0},                     /* good by this machine's */
    {0, -2 * HOUR, -HOUR, -2 * HOUR},               /* good by STS's alone */
    {2 * HOUR, -2 * HOUR, -HOUR, -2 * HOUR},        /* the same, and something else was learned */
    {0, 0, -HOUR, 0},                               /* good by none: they are expired */
    {HOUR, -HOUR, -HOUR, HOUR}, {HOUR, 0, HOUR, 0}, /* to expire now is to have expired */
};

TEST(credentials_that_came_expired_correct_the_clock)
{
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        struct aws_clock clock = {.offset_ms = 0};

        aws_clock_refused(&clock, &dynamodb, NOW, NOW + checks[i].learned);
        aws_clock_heard_sts(&clock, NOW, NOW + checks[i].sts);
        aws_clock_check(&clock, NOW, NOW + checks[i].expires);
        CHECK_INT(NOW + checks[i].offset, aws_clock_now(&clock, NOW));
    }
}

static const int64_t extremes[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, AWS_CLOCK_FIRST_MS - 1,
    AWS_CLOCK_LAST_MS + 1, INT64_C(253402300799000), INT64_C(253402300800000), INT64_MAX - 1,
    INT64_MAX};

#define EXTREMES (sizeof(extremes) / sizeof(extremes[0]))

TEST(a_date_that_aws_cannot_have_teaches_nothing)
{
    struct aws_clock clock = {.offset_ms = 0};

    for (size_t i = 0; i < EXTREMES; i++) {
        CHECK(!aws_clock_refused(&clock, &dynamodb, NOW, extremes[i]));
        aws_clock_heard_sts(&clock, NOW, extremes[i]);
        aws_clock_check(&clock, NOW, NOW - HOUR);
        CHECK_INT(NOW, aws_clock_now(&clock, NOW));
        CHECK_INT(NOW, aws_clock_now_at(&clock, &dynamodb, NOW));
    }
    CHECK(aws_clock_refused(&clock, &dynamodb, NOW, AWS_CLOCK_FIRST_MS));
    CHECK_INT(AWS_CLOCK_FIRST_MS, aws_clock_now(&clock, NOW));
    CHECK(aws_clock_refused(&clock, &dynamodb, NOW, AWS_CLOCK_LAST_MS));
    CHECK_INT(AWS_CLOCK_LAST_MS, aws_clock_now(&clock, NOW));
}

TEST(a_machine_that_starts_in_1970_learns_the_time)
{
    struct aws_clock clock = {.offset_ms = 0};

    CHECK(aws_clock_refused(&clock, &dynamodb, 1000, NOW));
    CHECK_INT(NOW + HOUR, aws_clock_now_at(&clock, &sts, 1000 + HOUR));
}

TEST(an_offset_of_a_clock_that_was_set_since_is_not_applied)
{
    struct aws_clock clock = {.offset_ms = 0};

    CHECK(aws_clock_refused(&clock, &dynamodb, 3 * NOW, NOW)); /* in 2138 */
    CHECK_INT(NOW, aws_clock_now_at(&clock, &dynamodb, 3 * NOW));
    CHECK_INT(NOW, aws_clock_now_at(&clock, &dynamodb, NOW));
    CHECK_INT(NOW, aws_clock_now(&clock, NOW));
}

/* Whatever this machine's clock shows and was learned, and whenever credentials expire. */
TEST(no_sum_of_extremes_overflows)
{
    for (size_t i = 0; i < EXTREMES; i++)
        for (size_t j = 0; j < EXTREMES; j++) {
            struct aws_clock clock = {.offset_ms = extremes[i], .sts_offset_ms = extremes[i]};

            CHECK_INT(extremes[j], aws_clock_now(&(struct aws_clock){.offset_ms = 0}, extremes[j]));
            aws_clock_now_at(&clock, &odd, extremes[j]);
            aws_clock_check(&clock, extremes[j], extremes[i]);
            aws_clock_refused(&clock, &dynamodb, extremes[j], NOW);
            aws_clock_heard_sts(&clock, extremes[j], NOW);
        }
}

/* The Date of a reply has whole seconds: AWS's time is somewhere in that one, or later by as long
 * as the request took. */
TEST(a_date_corrects_a_clock_that_does_not_fit_it)
{
    CHECK_INT(NOW, aws_clock_by_date(NOW, 0, NOW));
    CHECK_INT(NOW + 999, aws_clock_by_date(NOW + 999, 0, NOW));
    CHECK_INT(NOW + 1000, aws_clock_by_date(NOW + 1000, 0, NOW));
    CHECK_INT(NOW + 1000, aws_clock_by_date(NOW + 1001, 0, NOW));
    CHECK_INT(NOW + 1300, aws_clock_by_date(NOW + HOUR, 300, NOW));
    CHECK_INT(NOW + 1299, aws_clock_by_date(NOW + 1299, 300, NOW));
    CHECK_INT(NOW, aws_clock_by_date(NOW - 1, 0, NOW));
    CHECK_INT(NOW, aws_clock_by_date(NOW - HOUR, 60000, NOW));
    CHECK_INT(NOW, aws_clock_by_date(0, 0, NOW)); /* a machine that starts in 1970 */
}

TEST(a_date_that_aws_cannot_have_does_not_correct_the_clock)
{
    static const int64_t dates[] = {INT64_MIN, -1, 0, 1000, AWS_CLOCK_FIRST_MS - 1,
        AWS_CLOCK_LAST_MS + 1, INT64_C(253402300799000), INT64_MAX};

    for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
        CHECK(!aws_clock_is_possible(dates[i]));
        CHECK_INT(NOW, aws_clock_by_date(NOW, 0, dates[i]));
        CHECK_INT(NOW, aws_clock_by_date(NOW, INT64_MAX, dates[i]));
    }
    CHECK_INT(AWS_CLOCK_LAST_MS, aws_clock_by_date(NOW, 0, AWS_CLOCK_LAST_MS));
    CHECK_INT(INT64_MAX, aws_clock_by_date(INT64_MAX, INT64_MAX, NOW)); /* the sum saturates */
}

TEST_MAIN(RUN(a_date_that_aws_cannot_have_teaches_nothing),
    RUN(a_machine_that_starts_in_1970_learns_the_time),
    RUN(an_offset_of_a_clock_that_was_set_since_is_not_applied), RUN(no_sum_of_extremes_overflows),
    RUN(at_first_this_machine_is_right), RUN(a_refusal_of_aws_teaches_its_time),
    RUN(an_endpoint_of_somebodys_own_teaches_its_own_time_alone),
    RUN(credentials_that_came_expired_correct_the_clock),
    RUN(a_date_corrects_a_clock_that_does_not_fit_it),
    RUN(a_date_that_aws_cannot_have_does_not_correct_the_clock))
