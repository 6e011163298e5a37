#include "agent/identity/cached.h"
#include "tests/unit/identity_world.h"

/* The source behind the cache: counts its fetches and ends them when the test says so, or at
 * once where `instant` is set. */
struct source {
    struct provider base;
    int *fetches;
    struct credentials *instant;
};

static void source_fetch(struct provider *provider)
{
    struct source *source = (struct source *)provider;

    (*source->fetches)++;
    if (source->instant != NULL)
        provider_finish(provider, source->instant, NULL);
}

static void source_destroy(struct provider *provider)
{
    free(provider);
}

static const struct provider_ops source_ops = {
    .kind = "source", .fetch = source_fetch, .destroy = source_destroy};

static struct world world;
static struct source *source;
static struct provider *cached;
static int fetches;
static const struct facts facts = {.kind = "source"};

static void start(void)
{
    world_open(&world);
    fetches = 0;
    source = calloc(1, sizeof(*source));
    CHECK(source != NULL);
    provider_init(&source->base, &source_ops);
    source->fetches = &fetches;
    cached = cached_create(&world.context, &facts, &source->base);
    CHECK(cached != NULL);
}

static void stop(void)
{
    provider_destroy(cached);
    world_close(&world);
}

static void succeed(const char *key_id, int64_t life_ms)
{
    struct credentials *credentials = credentials_create(
        key_id, "secret", "token", loop_wall(world.loop) + life_ms, NULL);

    CHECK(credentials != NULL);
    CHECK(source->base.fetching);
    provider_finish(&source->base, credentials, NULL);
    credentials_unref(credentials);
}

static void fail_with(enum error_code code, const char *message)
{
    struct failure failure;

    failure_set(&failure, code, "%s", message);
    CHECK(source->base.fetching);
    provider_finish(&source->base, NULL, &failure);
}

/* Asks; the answer's key id, "" for a failure, "waits" where no answer came. */
static const char *ask(void)
{
    static char key_id[40];
    struct asker asker = {0};

    asker_ask(&asker, cached);
    if (asker.answers == 0) {
        provider_cancel(&asker.request);
        return "waits";
    }
    snprintf(key_id, sizeof(key_id), "%s",
        asker.credentials != NULL ? asker.credentials->access_key_id : "");
    asker_clear(&asker);
    return key_id;
}

static struct failure ask_failure(void)
{
    struct asker asker = {0};
    struct failure failure;

    asker_ask(&asker, cached);
    CHECK_INT(1, asker.answers);
    CHECK(asker.credentials == NULL);
    failure = asker.failure;
    asker_clear(&asker);
    return failure;
}

/* ---- serving --------------------------------------------------------------------------------- */

TEST(a_fetch_serves_everyone_until_it_is_nearly_expired)
{
    start();
    CHECK_STR("waits", ask());
    CHECK_STR("waits", ask());
    CHECK_INT(1, fetches);
    succeed("first", 60 * MINUTE);
    for (int minute = 0; minute < 55; minute++) {
        CHECK_STR("first", ask());
        fake_loop_advance(world.loop, MINUTE - 1);
    }
    CHECK_INT(1, fetches);
    stop();
}

TEST(five_minutes_before_expiry_it_is_refreshed_and_nobody_waits)
{
    start();
    ask();
    succeed("first", 60 * MINUTE);
    fake_loop_advance(world.loop, 55 * MINUTE - 1);
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

TEST(the_start_of_a_refresh_is_spread)
{
    start();
    world_random_value = 30 * SECOND;
    ask();
    succeed("first", 60 * MINUTE);
    ask();
    fake_loop_advance(world.loop, 55 * MINUTE + 30 * SECOND - 1);
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
    asker_ask(&asker, cached);
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

TEST(a_short_life_is_refreshed_at_its_half)
{
    static const struct {
        int64_t life, refresh;
    } cases[] = {
        {20 * SECOND, 10 * SECOND},
        {4 * MINUTE, 2 * MINUTE},
        {10 * MINUTE, 5 * MINUTE},
        {15 * MINUTE, 10 * MINUTE},
        {360 * MINUTE, 355 * MINUTE},
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

/* ---- failures -------------------------------------------------------------------------------- */

TEST(a_failed_refresh_keeps_the_credentials_until_they_expire)
{
    start();
    ask();
    succeed("first", 60 * MINUTE);
    ask();
    fake_loop_advance(world.loop, 55 * MINUTE);
    for (int second = 0; second < 300; second++) {
        if (source->base.fetching)
            fail_with(ERROR_AWS_UNAVAILABLE, "down");
        CHECK_STR("first", ask());
        fake_loop_advance(world.loop, SECOND - 1);
        if (source->base.fetching)
            fail_with(ERROR_AWS_UNAVAILABLE, "down");
        fake_loop_advance(world.loop, 1);
    }
    /* Not one try a second, and not only one. */
    CHECK(fetches > 3 && fetches < 30);
    if (source->base.fetching)
        fail_with(ERROR_AWS_UNAVAILABLE, "down");
    fake_loop_advance(world.loop, SECOND);
    CHECK_STR("waits", ask());
    fail_with(ERROR_AWS_UNAVAILABLE, "down");
    CHECK_INT(ERROR_AWS_UNAVAILABLE, ask_failure().code);
    stop();
}

TEST(the_next_try_after_a_failed_refresh_is_random_and_within_the_life_left)
{
    /* 6 hours left: 5 to 10 minutes. 5 minutes left: 75 to 150 seconds. */
    static const struct {
        int64_t left;
        uint32_t random;
        int64_t pause;
    } cases[] = {
        {360 * MINUTE, 0, 5 * MINUTE},
        {360 * MINUTE, 5 * MINUTE, 10 * MINUTE},
        {360 * MINUTE, 123456, 5 * MINUTE + 123456},
        {5 * MINUTE, 0, 75 * SECOND},
        {5 * MINUTE, 75 * SECOND, 150 * SECOND},
        {2 * SECOND, 0, 1 * SECOND},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start();
        ask();
        succeed("first", 720 * MINUTE);
        ask();
        fake_loop_jump_wall(world.loop, 720 * MINUTE - cases[i].left);
        cached_refresh(cached);
        CHECK_STR("waits", ask());
        world_random_value = cases[i].random;
        fail_with(ERROR_AWS_UNAVAILABLE, "down");
        CHECK_INT(2, fetches);
        fake_loop_advance(world.loop, cases[i].pause - 1);
        CHECK_STR("first", ask());
        CHECK_INT(2, fetches);
        fake_loop_advance(world.loop, 1);
        ask();
        CHECK_INT(3, fetches);
        stop();
    }
}

TEST(a_fault_without_credentials_is_remembered_only_for_a_moment)
{
    struct failure failure;

    start();
    ask();
    fail_with(ERROR_AWS_UNAVAILABLE, "down");
    failure = ask_failure();
    CHECK_STR("down", failure.message);
    CHECK_INT(500, failure.retry_after_ms);
    CHECK_INT(1, fetches);
    fake_loop_advance(world.loop, 500);
    CHECK_STR("waits", ask());
    CHECK_INT(2, fetches);
    succeed("first", 60 * MINUTE);
    CHECK_STR("first", ask());
    stop();
}

TEST(a_refusal_is_remembered_longer_each_time_up_to_a_minute)
{
    static const int64_t memory[] = {10, 20, 40, 60, 60};

    start();
    for (size_t i = 0; i < sizeof(memory) / sizeof(memory[0]); i++) {
        CHECK_STR("waits", ask());
        CHECK_INT((int)i + 1, fetches);
        fail_with(ERROR_ACCESS_DENIED, "denied");
        CHECK_INT(memory[i] * SECOND, ask_failure().retry_after_ms);
        fake_loop_advance(world.loop, memory[i] * SECOND - 1);
        CHECK_INT(ERROR_ACCESS_DENIED, ask_failure().code);
        CHECK_INT((int)i + 1, fetches);
        fake_loop_advance(world.loop, 1);
    }
    /* A success forgets it. */
    CHECK_STR("waits", ask());
    succeed("first", MINUTE);
    fake_loop_advance(world.loop, 2 * MINUTE);
    if (!source->base.fetching)
        CHECK_STR("waits", ask());
    fail_with(ERROR_ACCESS_DENIED, "denied");
    CHECK_INT(10 * SECOND, ask_failure().retry_after_ms);
    stop();
}

TEST(credentials_that_arrive_expired_are_a_failure)
{
    struct failure failure;

    start();
    ask();
    succeed("old", -30 * SECOND);
    failure = ask_failure();
    CHECK_INT(ERROR_CREDENTIALS, failure.code);
    CHECK(strstr(failure.message, "expired 30 s before") != NULL);
    stop();
}

TEST(a_refresh_that_brings_expired_credentials_keeps_the_valid_ones)
{
    start();
    ask();
    succeed("first", 60 * MINUTE);
    ask();
    fake_loop_advance(world.loop, 56 * MINUTE);
    succeed("old", -1);
    CHECK_STR("first", ask());
    stop();
}

/* ---- clocks, expiry told by AWS, changes from outside ---------------------------------------- */

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
    asker_ask(&asker, cached);
    cached_expired(cached, asker.credentials);
    CHECK_STR("waits", ask());
    CHECK_INT(2, fetches);
    succeed("second", 60 * MINUTE);
    /* The old ones, told late by another call: no longer the current ones. */
    cached_expired(cached, asker.credentials);
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
    asker_ask(&asker, cached);
    cached_refresh(cached);
    ask();
    fail_with(ERROR_AWS_UNAVAILABLE, "down"); /* a pause of minutes, while the old ones serve */
    fake_loop_advance(world.loop, 2 * SECOND);
    cached_expired(cached, asker.credentials);
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
    cached_refresh(cached);
    asker_ask(&asker, cached);
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
    cached_refresh(cached);
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
    cached_refresh(cached);
    CHECK_STR("waits", ask());
    CHECK_INT(2, fetches);
    stop();
}

TEST(keys_that_never_expire_are_asked_of_the_source_each_time)
{
    start();
    source->instant = credentials_create("one", "secret", NULL, CREDENTIALS_NEVER_EXPIRE, NULL);
    CHECK_STR("one", ask());
    CHECK_STR("one", ask());
    CHECK_INT(2, fetches);
    CHECK_INT(-1, fake_loop_next(world.loop));
    credentials_unref(source->instant);
    source->instant = credentials_create("two", "secret", NULL, CREDENTIALS_NEVER_EXPIRE, NULL);
    CHECK_STR("two", ask());
    credentials_unref(source->instant);
    source->instant = NULL;
    stop();
}

TEST(destroying_it_in_a_fetch_answers_who_waits)
{
    struct asker asker = {0};

    start();
    asker_ask(&asker, cached);
    stop();
    CHECK_INT(ERROR_SHUTTING_DOWN, asker.failure.code);
}

TEST_MAIN(RUN(a_fetch_serves_everyone_until_it_is_nearly_expired),
    RUN(five_minutes_before_expiry_it_is_refreshed_and_nobody_waits),
    RUN(credentials_in_use_are_refreshed_without_a_request),
    RUN(credentials_nobody_used_are_not_refreshed), RUN(the_start_of_a_refresh_is_spread),
    RUN(one_minute_before_expiry_requests_wait_for_the_refresh),
    RUN(a_refresh_that_takes_long_does_not_hold_valid_credentials_back),
    RUN(a_short_life_is_refreshed_at_its_half),
    RUN(a_failed_refresh_keeps_the_credentials_until_they_expire),
    RUN(the_next_try_after_a_failed_refresh_is_random_and_within_the_life_left),
    RUN(a_fault_without_credentials_is_remembered_only_for_a_moment),
    RUN(a_refusal_is_remembered_longer_each_time_up_to_a_minute),
    RUN(credentials_that_arrive_expired_are_a_failure),
    RUN(a_refresh_that_brings_expired_credentials_keeps_the_valid_ones),
    RUN(after_a_suspend_expired_credentials_are_not_used),
    RUN(after_a_suspend_the_refresh_starts_within_a_minute_by_itself),
    RUN(a_clock_set_back_does_not_make_it_fetch), RUN(what_aws_calls_expired_is_dropped_at_once),
    RUN(what_aws_calls_expired_during_a_pause_is_fetched_anew),
    RUN(after_refresh_the_next_request_waits_and_the_old_ones_serve_should_it_fail),
    RUN(a_change_during_a_fetch_makes_the_next_request_fetch_again),
    RUN(a_change_ends_the_memory_of_a_refusal),
    RUN(keys_that_never_expire_are_asked_of_the_source_each_time),
    RUN(destroying_it_in_a_fetch_answers_who_waits))
