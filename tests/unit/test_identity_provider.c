/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/provider.h"
#include "tests/unit/identity_world.h"

/* A provider that counts its fetches and ends them when the test says so. */
static int fetches;
static int destroyed;

static void count_fetch(struct provider *provider)
{
    (void)provider;
    fetches++;
}

static void count_destroy(struct provider *provider)
{
    destroyed++;
    free(provider);
}

static const struct provider_ops counting = {
    .kind = "counting", .fetch = count_fetch, .destroy = count_destroy};

static struct provider *make(void)
{
    struct provider *provider = calloc(1, sizeof(*provider));

    CHECK(provider != NULL);
    fetches = 0;
    destroyed = 0;
    provider_init(provider, &counting);
    return provider;
}

static struct credentials *keys(void)
{
    struct credentials *credentials = credentials_create(
        "AKIA", "secret", NULL, CREDENTIALS_NEVER_EXPIRE, NULL);

    CHECK(credentials != NULL);
    return credentials;
}

TEST(everyone_who_waits_joins_one_fetch)
{
    struct provider *provider = make();
    struct credentials *credentials = keys();
    struct asker askers[20] = {0};

    for (int i = 0; i < 20; i++)
        asker_ask(&askers[i], provider);
    CHECK_INT(1, fetches);
    provider_finish(provider, credentials, NULL);
    for (int i = 0; i < 20; i++) {
        CHECK_INT(1, askers[i].answers);
        CHECK(askers[i].credentials == credentials);
        asker_clear(&askers[i]);
    }
    provider_destroy(provider);
    CHECK_INT(1, (int)credentials->references);
    credentials_unref(credentials);
}

TEST(who_leaves_is_not_answered_and_the_fetch_goes_on)
{
    struct provider *provider = make();
    struct credentials *credentials = keys();
    struct asker stays = {0};
    struct asker leaves = {0};

    asker_ask(&leaves, provider);
    asker_ask(&stays, provider);
    provider_cancel(&leaves.request);
    provider_cancel(&leaves.request);
    provider_finish(provider, credentials, NULL);
    CHECK_INT(0, leaves.answers);
    CHECK_INT(1, stays.answers);
    CHECK_INT(1, fetches);
    asker_clear(&stays);
    provider_destroy(provider);
    credentials_unref(credentials);
}

/* ---- callbacks that do things ---- */

static struct provider *meddled;
static struct asker neighbour;
static struct asker again;

static void cancel_neighbour(
    void *data, struct credentials *credentials, const struct failure *failure)
{
    (void)data;
    (void)credentials;
    (void)failure;
    provider_cancel(&neighbour.request);
}

TEST(a_callback_may_cancel_one_that_is_not_yet_answered)
{
    struct failure failure;
    struct provider_request first = {.done = cancel_neighbour};
    struct asker last = {0};

    meddled = make();
    failure_set(&failure, ERROR_CREDENTIALS, "none");
    provider_get(meddled, &first);
    asker_ask(&neighbour, meddled);
    asker_ask(&last, meddled);
    provider_finish(meddled, NULL, &failure);
    CHECK_INT(0, neighbour.answers);
    CHECK_INT(1, last.answers);
    CHECK_INT(ERROR_CREDENTIALS, last.failure.code);
    provider_destroy(meddled);
}

static void ask_again(void *data, struct credentials *credentials, const struct failure *failure)
{
    (void)data;
    (void)credentials;
    (void)failure;
    asker_ask(&again, meddled);
}

TEST(a_callback_may_ask_again_and_waits_for_a_new_fetch)
{
    struct failure failure;
    struct provider_request first = {.done = ask_again};

    meddled = make();
    again = (struct asker){.answers = 0};
    failure_set(&failure, ERROR_CREDENTIALS, "none");
    provider_get(meddled, &first);
    provider_finish(meddled, NULL, &failure);
    CHECK_INT(0, again.answers);
    CHECK_INT(2, fetches);
    provider_finish(meddled, NULL, &failure);
    CHECK_INT(1, again.answers);
    provider_destroy(meddled);
}

static void destroy_it(void *data, struct credentials *credentials, const struct failure *failure)
{
    (void)data;
    (void)credentials;
    (void)failure;
    provider_destroy(meddled);
}

TEST(a_callback_may_destroy_the_provider_and_the_others_are_answered)
{
    struct credentials *credentials = keys();
    struct provider_request first = {.done = destroy_it};
    struct asker second = {0};

    meddled = make();
    provider_get(meddled, &first);
    asker_ask(&second, meddled);
    provider_finish(meddled, credentials, NULL);
    CHECK_INT(1, destroyed);
    CHECK_INT(1, second.answers);
    CHECK(second.credentials == credentials);
    asker_clear(&second);
    credentials_unref(credentials);
}

TEST(a_waiter_at_the_end_gets_shutting_down)
{
    struct provider_request first = {.done = ask_again};
    struct asker second = {0};

    meddled = make();
    again = (struct asker){.answers = 0};
    provider_get(meddled, &first);
    asker_ask(&second, meddled);
    provider_destroy(meddled);
    CHECK_INT(1, destroyed);
    CHECK_INT(ERROR_SHUTTING_DOWN, second.failure.code);
    CHECK_INT(ERROR_SHUTTING_DOWN, again.failure.code);
    CHECK_INT(1, again.answers);
    provider_destroy(NULL);
}

static void keep_trouble(void *data, const struct failure *failure)
{
    struct asker *asker = data;

    asker->failure = *failure;
}

TEST(a_request_that_joins_a_fetch_hears_of_its_trouble)
{
    struct provider *provider = make();
    struct asker first = {.answers = 0}, second = {.request = {.trouble = keep_trouble}};
    struct failure failure;

    failure_set(&failure, ERROR_THROTTLED, "slow down");
    asker_ask(&first, provider);
    provider_trouble(provider, &failure);
    asker_ask(&second, provider);
    CHECK_INT(0, second.answers);
    CHECK_INT(ERROR_THROTTLED, second.failure.code);
    provider_finish(provider, NULL, &failure);
    second.failure.code = ERROR_NONE;
    asker_ask(&second, provider); /* the next fetch has none yet */
    CHECK_INT(ERROR_NONE, second.failure.code);
    provider_cancel(&second.request);
    asker_clear(&first);
    provider_destroy(provider);
}

TEST_MAIN(RUN(everyone_who_waits_joins_one_fetch),
    RUN(a_request_that_joins_a_fetch_hears_of_its_trouble),
    RUN(who_leaves_is_not_answered_and_the_fetch_goes_on),
    RUN(a_callback_may_cancel_one_that_is_not_yet_answered),
    RUN(a_callback_may_ask_again_and_waits_for_a_new_fetch),
    RUN(a_callback_may_destroy_the_provider_and_the_others_are_answered),
    RUN(a_waiter_at_the_end_gets_shutting_down))
