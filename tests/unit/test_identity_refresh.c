/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/identity_source.h"

/* ---- serving ---- */

TEST(a_fetch_serves_everyone_until_it_is_nearly_expired)
{
    start();
    CHECK_STR("waits", ask());
    CHECK_STR("waits", ask());
    CHECK_INT(1, fetches);
    succeed("first", 60 * MINUTE);
    for (int minute = 0; minute < 45; minute++) {
        CHECK_STR("first", ask());
        fake_loop_advance(world.loop, MINUTE - 1);
    }
    CHECK_INT(1, fetches);
    stop();
}

TEST(fifteen_minutes_before_expiry_it_is_refreshed_and_nobody_waits)
{
    start();
    ask();
    succeed("first", 60 * MINUTE);
    fake_loop_advance(world.loop, 45 * MINUTE - 1);
    CHECK_INT(1, fetches);
    fake_loop_advance(world.loop, 1);
    CHECK_STR("first", ask());
    fake_loop_advance(world.loop, 0);
    CHECK_INT(2, fetches);
    CHECK_STR("first", ask());
    succeed("second", 60 * MINUTE);
    CHECK_STR("second", ask());
    CHECK_INT(2, fetches);
    stop();
}

TEST(credentials_in_use_are_refreshed_without_a_request)
{
    start();
    ask();
    succeed("first", 60 * MINUTE);
    ask();
    fake_loop_advance(world.loop, 56 * MINUTE);
    CHECK_INT(2, fetches);
    succeed("second", 60 * MINUTE);
    CHECK_STR("second", ask());
    stop();
}

TEST(credentials_nobody_used_are_not_refreshed)
{
    start();
    ask();
    succeed("first", 60 * MINUTE);
    ask();
    fake_loop_advance(world.loop, 56 * MINUTE);
    succeed("second", 60 * MINUTE);
    fake_loop_advance(world.loop, 300 * MINUTE);
    CHECK_INT(2, fetches);
    CHECK_STR("waits", ask());
    CHECK_INT(3, fetches);
    stop();
}

/* The largest is that of keys that never expire. */
TEST(an_expiration_may_be_any_number)
{
    static const int64_t past[] = {INT64_MIN, INT64_MIN + 1, INT64_C(-62135596800000), -1, 0, 1};
    static const int64_t future[] = {INT64_C(253402300799999), INT64_C(1) << 53, INT64_MAX - 1};

    for (size_t i = 0; i < sizeof(past) / sizeof(past[0]); i++) {
        start();
        ask();
        succeed_until("first", past[i]);
        fake_loop_advance(world.loop, MINUTE);
        CHECK_STR("waits", ask());
        CHECK_INT(2, fetches);
        stop();
    }
    for (size_t i = 0; i < sizeof(future) / sizeof(future[0]); i++) {
        start();
        ask();
        succeed_until("first", future[i]);
        CHECK_STR("first", ask());
        fake_loop_advance(world.loop, INT64_C(86400000));
        CHECK_STR("first", ask());
        CHECK_INT(1, fetches);
        stop();
    }
}

TEST(the_start_of_a_refresh_is_spread)
{
    start();
    world_random_value = 30 * SECOND;
    ask();
    succeed("first", 60 * MINUTE);
    ask();
    fake_loop_advance(world.loop, 45 * MINUTE + 30 * SECOND - 1);
    CHECK_INT(1, fetches);
    fake_loop_advance(world.loop, 1);
    CHECK_INT(2, fetches);
    stop();
}

TEST(one_minute_before_expiry_requests_wait_for_the_refresh)
{
    start();
    ask();
    succeed("first", 60 * MINUTE);
    fake_loop_jump_wall(world.loop, 59 * MINUTE + 1);
    CHECK_STR("waits", ask());
    CHECK_INT(2, fetches);
    succeed("second", 60 * MINUTE);
    CHECK_STR("second", ask());
    stop();
}

TEST(a_refresh_that_takes_long_does_not_hold_valid_credentials_back)
{
    struct asker asker = {0};

    start();
    ask();
    succeed("first", 60 * MINUTE);
    fake_loop_jump_wall(world.loop, 59 * MINUTE + 1);
    asker_ask_source(&asker, source);
    fake_loop_advance(world.loop, 1999);
    CHECK_INT(0, asker.answers);
    fake_loop_advance(world.loop, 1);
    CHECK_INT(1, asker.answers);
    CHECK_STR("first", asker.credentials->access_key_id);
    succeed("second", 60 * MINUTE);
    CHECK_STR("second", ask());
    CHECK_INT(2, fetches);
    asker_clear(&asker);
    stop();
}

TEST(when_it_is_refreshed_follows_from_the_lifetime)
{
    static const struct {
        int64_t life, refresh;
    } cases[] = {
        {20 * SECOND, 10 * SECOND},
        {4 * MINUTE, 2 * MINUTE},
        {10 * MINUTE, 5 * MINUTE},
        {15 * MINUTE, 10 * MINUTE},
        {20 * MINUTE, 15 * MINUTE},
        {21 * MINUTE, 6 * MINUTE},
        {60 * MINUTE, 45 * MINUTE},
        {89 * MINUTE, 74 * MINUTE},
        {90 * MINUTE, 30 * MINUTE},
        {360 * MINUTE, 300 * MINUTE},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start();
        ask();
        succeed("first", cases[i].life);
        ask();
        fake_loop_advance(world.loop, cases[i].refresh - 1);
        CHECK_INT(1, fetches);
        fake_loop_advance(world.loop, 1);
        CHECK_INT(2, fetches);
        CHECK_STR("first", ask());
        stop();
    }
}

/* ---- clocks, expiry given by AWS, changes from outside ---- */

TEST(after_a_suspend_expired_credentials_are_not_used)
{
    start();
    ask();
    succeed("first", 60 * MINUTE);
    ask();
    fake_loop_jump_wall(world.loop, 8 * 60 * MINUTE);
    CHECK_STR("waits", ask());
    CHECK_INT(2, fetches);
    stop();
}

TEST(after_a_suspend_the_refresh_starts_within_a_minute_by_itself)
{
    start();
    ask();
    succeed("first", 60 * MINUTE);
    ask();
    fake_loop_jump_wall(world.loop, 56 * MINUTE);
    fake_loop_advance(world.loop, MINUTE);
    CHECK_INT(2, fetches);
    stop();
}

TEST(a_clock_set_back_does_not_make_it_fetch)
{
    start();
    ask();
    succeed("first", 60 * MINUTE);
    fake_loop_jump_wall(world.loop, -600 * MINUTE);
    CHECK_STR("first", ask());
    CHECK_INT(1, fetches);
    stop();
}

TEST(what_aws_calls_expired_is_dropped_at_once)
{
    struct asker asker = {0};

    start();
    ask();
    succeed("first", 60 * MINUTE);
    asker_ask_source(&asker, source);
    sources_refused(&world.sources, asker.credentials, "ExpiredTokenException");
    CHECK_STR("waits", ask());
    CHECK_INT(2, fetches);
    succeed("second", 60 * MINUTE);
    /* The old ones, which another call gets late: no longer the current ones. */
    sources_refused(&world.sources, asker.credentials, "ExpiredTokenException");
    CHECK_STR("second", ask());
    CHECK_INT(2, fetches);
    asker_clear(&asker);
    stop();
}

TEST(what_aws_calls_expired_during_a_pause_is_fetched_anew)
{
    struct asker asker = {0};

    start();
    ask();
    succeed("first", 360 * MINUTE);
    asker_ask_source(&asker, source);
    source_refresh(source);
    ask();
    fail_with(ERROR_AWS_UNAVAILABLE, "down"); /* a pause of minutes, while the old ones serve */
    fake_loop_advance(world.loop, 2 * SECOND);
    sources_refused(&world.sources, asker.credentials, "ExpiredTokenException");
    CHECK_STR("waits", ask());
    CHECK_INT(3, fetches);
    asker_clear(&asker);
    stop();
}

TEST(after_refresh_the_next_request_waits_and_the_old_ones_serve_should_it_fail)
{
    struct asker asker = {0};

    start();
    ask();
    succeed("first", 60 * MINUTE);
    source_refresh(source);
    asker_ask_source(&asker, source);
    CHECK_INT(0, asker.answers);
    CHECK_INT(2, fetches);
    fail_with(ERROR_AWS_UNAVAILABLE, "down");
    CHECK_STR("first", asker.credentials->access_key_id);
    /* It stays due: after the pause it is tried again. */
    fake_loop_advance(world.loop, 10 * MINUTE);
    CHECK_STR("waits", ask());
    CHECK_INT(3, fetches);
    succeed("second", 60 * MINUTE);
    CHECK_STR("second", ask());
    CHECK_INT(3, fetches);
    asker_clear(&asker);
    stop();
}

TEST(a_change_during_a_fetch_makes_the_next_request_fetch_again)
{
    start();
    ask();
    source_refresh(source);
    succeed("before the change", 60 * MINUTE);
    CHECK_STR("waits", ask());
    CHECK_INT(2, fetches);
    succeed("after", 60 * MINUTE);
    CHECK_STR("after", ask());
    CHECK_INT(2, fetches);
    stop();
}

TEST(a_change_ends_the_memory_of_a_refusal)
{
    start();
    ask();
    fail_with(ERROR_ACCESS_DENIED, "denied");
    ask_failure();
    source_refresh(source);
    CHECK_STR("waits", ask());
    CHECK_INT(2, fetches);
    stop();
}

TEST(keys_that_never_expire_are_asked_of_the_source_each_time)
{
    start();
    driven->instant = credentials_create("one", "secret", NULL, CREDENTIALS_NEVER_EXPIRE, NULL);
    CHECK_STR("one", ask());
    CHECK_STR("one", ask());
    CHECK_INT(2, fetches);
    CHECK_INT(-1, fake_loop_next(world.loop));
    credentials_unref(driven->instant);
    driven->instant = credentials_create("two", "secret", NULL, CREDENTIALS_NEVER_EXPIRE, NULL);
    CHECK_STR("two", ask());
    credentials_unref(driven->instant);
    driven->instant = NULL;
    stop();
}

TEST(destroying_it_in_a_fetch_answers_who_waits)
{
    struct asker asker = {0};

    start();
    asker_ask_source(&asker, source);
    stop();
    CHECK_INT(ERROR_SHUTTING_DOWN, asker.failure.code);
}

TEST_MAIN(RUN(a_fetch_serves_everyone_until_it_is_nearly_expired),
    RUN(fifteen_minutes_before_expiry_it_is_refreshed_and_nobody_waits),
    RUN(credentials_in_use_are_refreshed_without_a_request),
    RUN(credentials_nobody_used_are_not_refreshed), RUN(an_expiration_may_be_any_number),
    RUN(the_start_of_a_refresh_is_spread),
    RUN(one_minute_before_expiry_requests_wait_for_the_refresh),
    RUN(a_refresh_that_takes_long_does_not_hold_valid_credentials_back),
    RUN(when_it_is_refreshed_follows_from_the_lifetime),
    RUN(after_a_suspend_expired_credentials_are_not_used),
    RUN(after_a_suspend_the_refresh_starts_within_a_minute_by_itself),
    RUN(a_clock_set_back_does_not_make_it_fetch), RUN(what_aws_calls_expired_is_dropped_at_once),
    RUN(what_aws_calls_expired_during_a_pause_is_fetched_anew),
    RUN(after_refresh_the_next_request_waits_and_the_old_ones_serve_should_it_fail),
    RUN(a_change_during_a_fetch_makes_the_next_request_fetch_again),
    RUN(a_change_ends_the_memory_of_a_refusal),
    RUN(keys_that_never_expire_are_asked_of_the_source_each_time),
    RUN(destroying_it_in_a_fetch_answers_who_waits))
