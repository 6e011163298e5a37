/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/identity_source.h"

static struct credentials *keys(void)
{
    struct credentials *credentials = credentials_create(
        "AKIA", "secret", NULL, CREDENTIALS_NEVER_EXPIRE, NULL);

    CHECK(credentials != NULL);
    return credentials;
}

TEST(everyone_who_waits_joins_one_fetch)
{
    struct credentials *credentials = keys();
    struct asker askers[20] = {0};

    start();
    for (int i = 0; i < 20; i++)
        asker_ask_source(&askers[i], source);
    CHECK_INT(1, fetches);
    provider_finish(&driven->base, credentials, NULL);
    for (int i = 0; i < 20; i++) {
        CHECK_INT(1, askers[i].answers);
        CHECK(askers[i].credentials == credentials);
        asker_clear(&askers[i]);
    }
    stop();
    CHECK_INT(1, (int)credentials->references);
    credentials_unref(credentials);
}

TEST(who_leaves_is_not_answered_and_the_fetch_goes_on)
{
    struct credentials *credentials = keys();
    struct asker stays = {0};
    struct asker leaves = {0};

    start();
    asker_ask_source(&leaves, source);
    asker_ask_source(&stays, source);
    source_cancel(&leaves.request);
    source_cancel(&leaves.request);
    provider_finish(&driven->base, credentials, NULL);
    CHECK_INT(0, leaves.answers);
    CHECK_INT(1, stays.answers);
    CHECK_INT(1, fetches);
    asker_clear(&stays);
    stop();
    credentials_unref(credentials);
}

/* ---- callbacks that do things ---- */

static struct asker neighbour;
static struct asker again;

static void cancel_neighbour(
    void *data, struct credentials *credentials, const struct failure *failure)
{
    (void)data;
    (void)credentials;
    (void)failure;
    source_cancel(&neighbour.request);
}

TEST(a_callback_may_cancel_one_that_is_not_yet_answered)
{
    struct failure failure;
    struct credentials_request first = {.done = cancel_neighbour};
    struct asker last = {0};

    start();
    failure_set(&failure, ERROR_CREDENTIALS, "none");
    source_get(source, &first);
    asker_ask_source(&neighbour, source);
    asker_ask_source(&last, source);
    provider_finish(&driven->base, NULL, &failure);
    CHECK_INT(0, neighbour.answers);
    CHECK_INT(1, last.answers);
    CHECK_INT(ERROR_CREDENTIALS, last.failure.code);
    stop();
}

static void ask_again(void *data, struct credentials *credentials, const struct failure *failure)
{
    (void)data;
    (void)credentials;
    (void)failure;
    asker_ask_source(&again, source);
}

static void refresh_and_ask_again(
    void *data, struct credentials *credentials, const struct failure *failure)
{
    source_refresh(source);
    ask_again(data, credentials, failure);
}

TEST(a_callback_may_ask_again_and_waits_for_a_new_fetch)
{
    struct failure failure;
    struct credentials_request first = {.done = refresh_and_ask_again};

    start();
    again = (struct asker){.answers = 0};
    failure_set(&failure, ERROR_CREDENTIALS, "none");
    source_get(source, &first);
    provider_finish(&driven->base, NULL, &failure);
    CHECK_INT(0, again.answers);
    CHECK_INT(2, fetches);
    provider_finish(&driven->base, NULL, &failure);
    CHECK_INT(1, again.answers);
    stop();
}

static void release_it(void *data, struct credentials *credentials, const struct failure *failure)
{
    (void)data;
    (void)credentials;
    (void)failure;
    source_release(source);
}

TEST(a_callback_may_release_the_source_and_the_others_are_answered)
{
    struct credentials *credentials = keys();
    struct credentials_request first = {.done = release_it};
    struct asker second = {0};

    start();
    source_get(source, &first);
    asker_ask_source(&second, source);
    provider_finish(&driven->base, credentials, NULL);
    CHECK_INT(1, destroyed);
    CHECK_INT(1, second.answers);
    CHECK(second.credentials == credentials);
    asker_clear(&second);
    credentials_unref(credentials);
    world_close(&world);
}

TEST(a_waiter_at_the_end_gets_shutting_down)
{
    struct credentials_request first = {.done = ask_again};
    struct asker second = {0};

    start();
    again = (struct asker){.answers = 0};
    source_get(source, &first);
    asker_ask_source(&second, source);
    source_release(source);
    CHECK_INT(1, destroyed);
    CHECK_INT(ERROR_SHUTTING_DOWN, second.failure.code);
    CHECK_INT(ERROR_SHUTTING_DOWN, again.failure.code);
    CHECK_INT(1, again.answers);
    source_release(NULL);
    world_close(&world);
}

static void keep_trouble(void *data, const struct failure *failure)
{
    struct asker *asker = data;

    asker->failure = *failure;
}

TEST(a_request_that_joins_a_fetch_hears_of_its_trouble)
{
    struct asker first = {.answers = 0}, second = {.request = {.trouble = keep_trouble}};
    struct failure failure;

    start();
    failure_set(&failure, ERROR_THROTTLED, "slow down");
    asker_ask_source(&first, source);
    provider_trouble(&driven->base, &failure);
    asker_ask_source(&second, source);
    CHECK_INT(0, second.answers);
    CHECK_INT(ERROR_THROTTLED, second.failure.code);
    provider_finish(&driven->base, NULL, &failure);
    second.failure.code = ERROR_NONE;
    source_refresh(source);
    asker_ask_source(&second, source); /* the next fetch has none yet */
    CHECK_INT(ERROR_NONE, second.failure.code);
    source_cancel(&second.request);
    asker_clear(&first);
    stop();
}

TEST_MAIN(RUN(everyone_who_waits_joins_one_fetch),
    RUN(a_request_that_joins_a_fetch_hears_of_its_trouble),
    RUN(who_leaves_is_not_answered_and_the_fetch_goes_on),
    RUN(a_callback_may_cancel_one_that_is_not_yet_answered),
    RUN(a_callback_may_ask_again_and_waits_for_a_new_fetch),
    RUN(a_callback_may_release_the_source_and_the_others_are_answered),
    RUN(a_waiter_at_the_end_gets_shutting_down))
