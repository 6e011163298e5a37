/* SPDX-License-Identifier: Apache-2.0 */
/* What is remembered of other clocks. */
#include "agent/aws/aws_clock.h"

#include "tests/unit/test.h"

#include <stdio.h>

TEST(each_host_has_its_own)
{
    static struct skews skews;

    CHECK_INT(5, skews_offset(&skews, "a", 5));
    skews_learn(&skews, "a", 1000);
    skews_learn(&skews, "b", -2000);
    CHECK_INT(1000, skews_offset(&skews, "a", 5));
    CHECK_INT(-2000, skews_offset(&skews, "b", 5));
    CHECK_INT(5, skews_offset(&skews, "c", 5));
    skews_learn(&skews, "a", 0);
    CHECK_INT(0, skews_offset(&skews, "a", 5));
}

TEST(where_there_is_no_room_the_oldest_goes)
{
    static struct skews skews;
    char name[16];

    for (int i = 0; i <= SKEWS_ENTRIES; i++) {
        snprintf(name, sizeof(name), "h%d", i);
        skews_learn(&skews, name, i + 1);
    }
    CHECK_INT(0, skews_offset(&skews, "h0", 0));
    CHECK_INT(2, skews_offset(&skews, "h1", 0));
    CHECK_INT(SKEWS_ENTRIES + 1, skews_offset(&skews, name, 0));
}

TEST_MAIN(RUN(each_host_has_its_own), RUN(where_there_is_no_room_the_oldest_goes))
