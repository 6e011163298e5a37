/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/identity_room.h"

static struct failure chain_failure(void)
{
    struct identity_spec spec = {.kind = IDENTITY_CHAIN};
    struct identity *identity = identity_acquire(identities, &spec);
    struct asker asker = {0};
    struct failure failure;

    ask(&asker, identity);
    CHECK_INT(1, asker.answers);
    CHECK(asker.credentials == NULL);
    failure = asker.failure;
    identity_release(identity);
    return failure;
}

TEST(keys_of_the_environment_come_before_web_identity)
{
    struct identity_spec spec = {.kind = IDENTITY_CHAIN};
    struct asker asker = {0};
    struct identity *identity;

    start();
    set_web_identity();
    world_set("AWS_ACCESS_KEY_ID", "AKIA1");
    world_set("AWS_SECRET_ACCESS_KEY", "s");
    identity = identity_acquire(identities, &spec);
    ask(&asker, identity);
    CHECK_STR("AKIA1", asker.credentials->access_key_id);
    CHECK_INT(0, fake_http_count());
    asker_clear(&asker);
    identity_release(identity);
    stop();
}

TEST(half_a_configuration_is_an_error_and_never_another_identity)
{
    static const struct {
        const char *set, *missing;
    } halves[] = {
        {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"},
        {"AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"},
        {"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"},
    };

    for (size_t i = 0; i < sizeof(halves) / sizeof(halves[0]); i++) {
        struct failure failure;

        start();
        world_set(halves[i].set, "x");
        /* Something further down the chain that would work. */
        world_set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials");
        failure = chain_failure();
        CHECK_INT(ERROR_CREDENTIALS, failure.code);
        CHECK(strstr(failure.message, halves[i].set) != NULL);
        CHECK(strstr(failure.message, halves[i].missing) != NULL);
        CHECK_INT(0, fake_http_count());
        stop();
    }
}

TEST(a_web_identity_that_fails_is_not_replaced)
{
    struct identity_spec spec = {.kind = IDENTITY_CHAIN};
    struct asker asker = {0};
    struct identity *identity;

    start();
    set_web_identity();
    world_set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials");
    identity = identity_acquire(identities, &spec);
    ask(&asker, identity);
    fake_http_answer(403, world_sts_error("AccessDenied", "no"));
    CHECK_INT(ERROR_ACCESS_DENIED, asker.failure.code);
    fake_loop_advance(world.loop, MINUTE);
    CHECK_INT(1, fake_http_count());
    identity_release(identity);
    stop();
}

TEST(an_environment_without_any_identity_lists_what_was_looked_for)
{
    struct failure failure;

    start();
    failure = chain_failure();
    CHECK_INT(ERROR_CREDENTIALS, failure.code);
    CHECK(strstr(failure.message, "AWS_ACCESS_KEY_ID") != NULL);
    CHECK(strstr(failure.message, "AWS_WEB_IDENTITY_TOKEN_FILE") != NULL);
    CHECK(strstr(failure.message, "AWS_CONTAINER_CREDENTIALS_FULL_URI") != NULL);
    CHECK(strstr(failure.message, "--imds") != NULL);
    CHECK_INT(0, fake_http_count());
    stop();
}

TEST(aws_eks_needs_the_web_identity_and_takes_nothing_else)
{
    struct identity_spec spec = {.kind = IDENTITY_WEB_IDENTITY};
    struct asker asker = {0};
    struct identity *identity;

    start();
    world_set("AWS_ACCESS_KEY_ID", "AKIA1");
    world_set("AWS_SECRET_ACCESS_KEY", "s");
    identity = identity_acquire(identities, &spec);
    ask(&asker, identity);
    CHECK_INT(ERROR_CREDENTIALS, asker.failure.code);
    CHECK(strstr(asker.failure.message, "AWS_WEB_IDENTITY_TOKEN_FILE is not set") != NULL);
    identity_release(identity);
    stop();
}

/* ---- further down the chain ---- */

#define POD_IDENTITY "http://169.254.170.23/v1/credentials"

static void write_profile(const char *key_id)
{
    char text[128];

    snprintf(
        text, sizeof(text), "[default]\naws_access_key_id=%s\naws_secret_access_key=s\n", key_id);
    world_set("HOME", world.folder);
    CHECK_INT(0, mkdir(world_path(&world, ".aws"), 0700));
    world_write(&world, ".aws/credentials", text);
}

TEST(a_profile_comes_before_the_container_endpoint)
{
    struct identity_spec spec = {.kind = IDENTITY_CHAIN};
    struct asker asker = {0};
    struct identity *identity;

    start();
    write_profile("AKIAPROFILE");
    world_set("AWS_CONTAINER_CREDENTIALS_FULL_URI", POD_IDENTITY);
    identity = identity_acquire(identities, &spec);
    ask(&asker, identity);
    CHECK_STR("AKIAPROFILE", asker.credentials->access_key_id);
    CHECK_INT(0, fake_http_count());
    asker_clear(&asker);
    identity_release(identity);
    stop();
}

TEST(a_profile_that_vanishes_makes_no_other_identity_until_a_reload)
{
    struct identity_spec spec = {.kind = IDENTITY_CHAIN};
    struct asker asker = {0};
    struct identity *identity;

    start();
    write_profile("AKIAPROFILE");
    world_set("AWS_CONTAINER_CREDENTIALS_FULL_URI", POD_IDENTITY);
    identity = identity_acquire(identities, &spec);
    CHECK_INT(0, unlink(world_path(&world, ".aws/credentials")));
    ask(&asker, identity);
    CHECK_INT(ERROR_CREDENTIALS, asker.failure.code);
    CHECK_INT(0, fake_http_count());
    identity_refresh(identity);
    ask(&asker, identity);
    CHECK_STR(POD_IDENTITY, fake_http_at(0)->url);
    identity_release(identity);
    stop();
}

TEST(the_container_endpoint_comes_before_the_metadata_service)
{
    struct identity_spec spec = {.kind = IDENTITY_CHAIN};
    struct asker asker = {0};
    struct identity *identity;

    start_with(true);
    world_set("AWS_CONTAINER_CREDENTIALS_FULL_URI", POD_IDENTITY);
    identity = identity_acquire(identities, &spec);
    ask(&asker, identity);
    CHECK_STR(POD_IDENTITY, fake_http_at(0)->url);
    identity_release(identity);
    stop();
}

TEST(the_metadata_service_is_asked_only_where_it_is_wanted)
{
    static const struct {
        enum identity_kind kind;
        bool imds;
        int requests;
    } cases[] = {
        {IDENTITY_CHAIN, false, 0},
        {IDENTITY_CHAIN, true, 1},
        {IDENTITY_WEB_IDENTITY, true, 0},
        {IDENTITY_KIAM, false, 1},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct identity_spec spec = {.kind = cases[i].kind};
        struct asker asker = {0};
        struct identity *identity;

        start_with(cases[i].imds);
        identity = identity_acquire(identities, &spec);
        ask(&asker, identity);
        CHECK_INT(cases[i].requests, fake_http_count());
        if (cases[i].requests == 1)
            CHECK_STR("http://169.254.169.254/latest/api/token", fake_http_at(0)->url);
        identity_release(identity);
        stop();
    }
}

/* A new choice releases the old source, whose requests would end as SHUTTING_DOWN. */
TEST(a_chain_chooses_again_only_after_its_waiting_requests_are_answered)
{
    struct identity_spec spec = {.kind = IDENTITY_CHAIN};
    struct asker first = {0}, second = {0};
    struct identity *identity;

    start();
    set_web_identity();
    identity = identity_acquire(identities, &spec);
    ask(&first, identity);
    world_set("AWS_ACCESS_KEY_ID", "AKIANEW");
    world_set("AWS_SECRET_ACCESS_KEY", "s");
    identity_refresh(identity);
    ask(&second, identity);
    CHECK_INT(0, first.answers + second.answers);
    answer_web_identity("ASIA1");
    CHECK_STR("ASIA1", first.credentials->access_key_id);
    CHECK_STR("ASIA1", second.credentials->access_key_id);
    ask(&second, identity);
    CHECK_STR("AKIANEW", second.credentials->access_key_id);
    asker_clear(&first);
    asker_clear(&second);
    identity_release(identity);
    stop();
}

TEST_MAIN(RUN(keys_of_the_environment_come_before_web_identity),
    RUN(half_a_configuration_is_an_error_and_never_another_identity),
    RUN(a_web_identity_that_fails_is_not_replaced),
    RUN(an_environment_without_any_identity_lists_what_was_looked_for),
    RUN(aws_eks_needs_the_web_identity_and_takes_nothing_else),
    RUN(a_profile_comes_before_the_container_endpoint),
    RUN(a_profile_that_vanishes_makes_no_other_identity_until_a_reload),
    RUN(a_chain_chooses_again_only_after_its_waiting_requests_are_answered),
    RUN(the_container_endpoint_comes_before_the_metadata_service),
    RUN(the_metadata_service_is_asked_only_where_it_is_wanted))
