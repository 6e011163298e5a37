/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/static.h"
#include "tests/unit/identity_world.h"

static struct world world;
static struct facts facts;

static struct provider *make(struct value_ref id, struct value_ref secret, struct value_ref token)
{
    struct static_options options = {.context = &world.context,
        .facts = &facts,
        .key_id = id,
        .secret_key = secret,
        .session_token = token};
    struct provider *provider = static_create(&options);

    CHECK(provider != NULL);
    return provider;
}

#define ABSENT                                                                                     \
    (struct value_ref)                                                                             \
    {                                                                                              \
        .source = SOURCE_ABSENT                                                                    \
    }
#define LITERAL(text_)                                                                             \
    (struct value_ref)                                                                             \
    {                                                                                              \
        .source = SOURCE_LITERAL, .text = (text_)                                                  \
    }
#define FILE_AT(path_)                                                                             \
    (struct value_ref)                                                                             \
    {                                                                                              \
        .source = SOURCE_FILE, .text = (path_), .origin = "Secret ns/keys"                         \
    }

TEST(keys_are_found_at_once_with_and_without_a_token)
{
    struct asker asker = {0};
    struct provider *provider;

    world_open(&world);
    provider = make(LITERAL("AKIA"), LITERAL("s3cret"), ABSENT);
    asker_ask(&asker, provider);
    CHECK_STR("AKIA", asker.credentials->access_key_id);
    CHECK_STR("s3cret", asker.credentials->secret_access_key);
    CHECK(asker.credentials->session_token == NULL);
    CHECK(asker.credentials->expires_ms == CREDENTIALS_NEVER_EXPIRE);
    provider_destroy(provider);
    provider = make(LITERAL("ASIA"), LITERAL("s3cret"), LITERAL("t0ken"));
    asker_ask(&asker, provider);
    CHECK_STR("t0ken", asker.credentials->session_token);
    provider_destroy(provider);
    asker_clear(&asker);
    world_close(&world);
}

TEST(half_a_pair_is_an_error_that_names_the_missing_half)
{
    struct asker asker = {0};
    struct provider *provider;

    world_open(&world);
    provider = make(LITERAL("AKIA"), ABSENT, ABSENT);
    asker_ask(&asker, provider);
    CHECK_INT(ERROR_CREDENTIALS, asker.failure.code);
    CHECK(strstr(asker.failure.message, "no secret access key") != NULL);
    provider_destroy(provider);
    provider = make(ABSENT, LITERAL("s3cret"), ABSENT);
    asker_ask(&asker, provider);
    CHECK(strstr(asker.failure.message, "no access key id") != NULL);
    provider_destroy(provider);
    provider = make(ABSENT, ABSENT, ABSENT);
    asker_ask(&asker, provider);
    CHECK(strstr(asker.failure.message, "no access key is configured") != NULL);
    provider_destroy(provider);
    asker_clear(&asker);
    world_close(&world);
}

TEST(a_failure_never_shows_a_value)
{
    struct asker asker = {0};
    struct provider *provider;

    world_open(&world);
    provider = make(LITERAL("AKIA"), LITERAL("s3cret\nwith a break"), ABSENT);
    asker_ask(&asker, provider);
    CHECK_INT(ERROR_CREDENTIALS, asker.failure.code);
    CHECK(strstr(asker.failure.message, "s3cret") == NULL);
    provider_destroy(provider);
    asker_clear(&asker);
    world_close(&world);
}

TEST(a_mounted_secret_that_changes_is_used_without_a_failed_call)
{
    struct asker asker = {0};
    struct credentials *first;
    struct source *keeper;
    char id[128], secret[128];

    world_open(&world);
    snprintf(id, sizeof(id), "%s", world_write(&world, "id", "OLD"));
    snprintf(secret, sizeof(secret), "%s", world_write(&world, "secret", "old"));
    keeper = world_source(&world, make(FILE_AT(id), FILE_AT(secret), ABSENT));
    asker_ask_source(&asker, keeper);
    CHECK_STR("OLD", asker.credentials->access_key_id);
    first = credentials_ref(asker.credentials);
    asker_ask_source(&asker, keeper);
    CHECK(asker.credentials == first); /* unchanged files: not read again */
    world_write(&world, "id", "NEW");
    world_write(&world, "secret", "new");
    asker_ask_source(&asker, keeper);
    CHECK_STR("NEW", asker.credentials->access_key_id);
    CHECK_STR("new", asker.credentials->secret_access_key);
    credentials_unref(first);
    asker_clear(&asker);
    source_release(keeper);
    world_close(&world);
}

TEST(a_secret_that_is_gone_for_a_while_leaves_the_known_keys)
{
    struct asker asker = {0};
    struct source *keeper;
    char id[128];

    world_open(&world);
    snprintf(id, sizeof(id), "%s", world_write(&world, "id", "OLD"));
    keeper = world_source(&world, make(FILE_AT(id), LITERAL("secret"), ABSENT));
    asker_ask_source(&asker, keeper);
    CHECK_INT(0, unlink(id));
    asker_ask_source(&asker, keeper);
    CHECK_STR("OLD", asker.credentials->access_key_id);
    world_write(&world, "id", "NEW");
    fake_loop_advance(world.loop, 5 * SECOND);
    asker_ask_source(&asker, keeper);
    CHECK_STR("NEW", asker.credentials->access_key_id);
    asker_clear(&asker);
    source_release(keeper);
    world_close(&world);
}

TEST(what_is_too_long_to_be_a_key_is_said_to_be_so)
{
    static const char *const what[] = {"access key id", "secret access key"};
    struct asker asker = {0};
    struct provider *provider;
    char text[400];

    memset(text, 'k', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    world_open(&world);
    for (int i = 0; i < 2; i++) {
        provider = make(LITERAL(i == 0 ? text : "AKIA"), LITERAL(i == 1 ? text : "s3cret"), ABSENT);
        asker_ask(&asker, provider);
        CHECK_INT(ERROR_CREDENTIALS, asker.failure.code);
        CHECK(strstr(asker.failure.message, what[i]) != NULL);
        CHECK(strstr(asker.failure.message, "399 characters") != NULL);
        CHECK(strstr(asker.failure.message, "kkk") == NULL);
        provider_destroy(provider);
    }
    asker_clear(&asker);
    world_close(&world);
}

TEST_MAIN(RUN(keys_are_found_at_once_with_and_without_a_token),
    RUN(half_a_pair_is_an_error_that_names_the_missing_half), RUN(a_failure_never_shows_a_value),
    RUN(a_mounted_secret_that_changes_is_used_without_a_failed_call),
    RUN(a_secret_that_is_gone_for_a_while_leaves_the_known_keys),
    RUN(what_is_too_long_to_be_a_key_is_said_to_be_so))
