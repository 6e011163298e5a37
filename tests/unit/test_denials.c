/* SPDX-License-Identifier: Apache-2.0 */
/* What is remembered of denied queries, and how long. */
#include "agent/count/cache.h"

#include "tests/unit/test.h"

static struct failure denied(const char *message)
{
    struct failure failure;

    failure_set(&failure, ERROR_ACCESS_DENIED, "%s", message);
    return failure;
}

TEST(it_holds_for_ten_seconds_and_says_how_long_still)
{
    static struct denials denials;
    struct failure failure = denied("no");

    CHECK(denials_find(&denials, 7, 1000) == NULL);
    denials_add(&denials, 7, &failure, 1000);
    CHECK_STR("no", denials_find(&denials, 7, 1000)->message);
    CHECK_INT(10000, denials_find(&denials, 7, 1000)->retry_after_ms);
    CHECK_INT(1, denials_find(&denials, 7, 10999)->retry_after_ms);
    CHECK(denials_find(&denials, 7, 11000) == NULL);
    CHECK(denials_find(&denials, 7 + DENIALS_ENTRIES, 1000) == NULL);
}

TEST(again_and_again_it_holds_longer_up_to_a_minute)
{
    static const int64_t pauses[] = {10000, 20000, 40000, 60000, 60000};
    static struct denials denials;
    struct failure failure = denied("no");
    int64_t now = 0;

    for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
        denials_add(&denials, 7, &failure, now);
        denials_add(&denials, 7, &failure, now + 1); /* those under way do not prolong it */
        CHECK_INT(pauses[i], denials_find(&denials, 7, now)->retry_after_ms);
        now += pauses[i];
    }
    denials_forget(&denials, 7 + DENIALS_ENTRIES);
    denials_forget(&denials, 7);
    denials_add(&denials, 7, &failure, now);
    CHECK_INT(10000, denials_find(&denials, 7, now)->retry_after_ms);
}

TEST(of_two_that_share_an_entry_the_later_stays)
{
    static struct denials denials;
    struct failure one = denied("one"), other = denied("other");

    denials_add(&denials, 7, &one, 0);
    denials_add(&denials, 7 + DENIALS_ENTRIES, &other, 0);
    CHECK(denials_find(&denials, 7, 0) == NULL);
    CHECK_STR("other", denials_find(&denials, 7 + DENIALS_ENTRIES, 0)->message);
    CHECK_INT(10000, denials_find(&denials, 7 + DENIALS_ENTRIES, 0)->retry_after_ms);
}

TEST_MAIN(RUN(it_holds_for_ten_seconds_and_says_how_long_still),
    RUN(again_and_again_it_holds_longer_up_to_a_minute),
    RUN(of_two_that_share_an_entry_the_later_stays))
