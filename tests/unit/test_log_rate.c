/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/log.h"
#include "tests/unit/test.h"

static struct log_rate said;

/* How often it was passed over before; -1: it is not said now. */
static int64_t say(uint64_t key, int64_t now_ms)
{
    int64_t count = -2;

    return log_rate_admit(&said, key, now_ms, &count) ? count : -1;
}

TEST(the_same_is_said_once_a_minute_with_how_often_it_came)
{
    said = (struct log_rate){0};
    CHECK_INT(0, say(7, 1));
    CHECK_INT(-1, say(7, 2));
    CHECK_INT(-1, say(7, LOG_RATE_QUIET_MS));
    CHECK_INT(2, say(7, LOG_RATE_QUIET_MS + 1));
    CHECK_INT(-1, say(7, LOG_RATE_QUIET_MS + 2));
    CHECK_INT(1, say(7, 5 * LOG_RATE_QUIET_MS));
    CHECK_INT(0, say(7, 9 * LOG_RATE_QUIET_MS));
}

TEST(another_thing_is_said_at_once)
{
    said = (struct log_rate){0};
    CHECK_INT(0, say(0, 1));
    CHECK_INT(-1, say(0, 1));
    CHECK_INT(0, say(1, 1));
    CHECK_INT(-1, say(0, 1));
    CHECK_INT(-1, say(1, 1));
}

TEST(what_there_is_no_room_for_is_said_rather_than_lost)
{
    said = (struct log_rate){0};
    for (uint64_t key = 0; key < LOG_RATE_ENTRIES; key++)
        CHECK_INT(0, say(key * LOG_RATE_ENTRIES, (int64_t)key + 1));
    for (uint64_t key = 0; key < LOG_RATE_ENTRIES; key++)
        CHECK_INT(-1, say(key * LOG_RATE_ENTRIES, 100));
    CHECK_INT(0, say(1, 100)); /* in place of the oldest, which is 0 */
    CHECK_INT(-1, say(1, 100));
    CHECK_INT(-1, say(LOG_RATE_ENTRIES, 100));
    CHECK_INT(0, say(0, 100));
}

TEST_MAIN(RUN(the_same_is_said_once_a_minute_with_how_often_it_came),
    RUN(another_thing_is_said_at_once), RUN(what_there_is_no_room_for_is_said_rather_than_lost))
