#include "agent/identity/identity.h"
#include "tests/unit/identity_world.h"

#define ROLE_A "arn:aws:iam::111122223333:role/a"
#define ROLE_B "arn:aws:iam::444455556666:role/b"

static struct world world;
static struct identities *identities;

static void start(void)
{
    struct identities_options options;

    world_open(&world);
    options = (struct identities_options){
        .loop = world.loop,
        .client = world.context.client,
        .environment = world.context.environment,
        .getenv = world_getenv,
        .random = world_random,
    };
    world_set("HOSTNAME", "pod-7");
    identities = identities_create(&options);
    CHECK(identities != NULL);
}

static void stop(void)
{
    identities_destroy(identities);
    world_close(&world);
}

static void set_web_identity(void)
{
    world_set("AWS_WEB_IDENTITY_TOKEN_FILE", world_write(&world, "token", "t0ken"));
    world_set("AWS_ROLE_ARN", ROLE_A);
}

static struct value_ref literal(const char *text)
{
    return (struct value_ref){.source = SOURCE_LITERAL, .text = text, .origin = "the test"};
}

static void ask(struct asker *asker, struct identity *identity)
{
    asker->request.done = asker_done;
    asker->request.data = asker;
    identity_get(identity, &asker->request);
}

static void answer_web_identity(const char *key_id)
{
    fake_http_answer(
        200, world_sts_reply(&world, "AssumeRoleWithWebIdentity", key_id, 60 * MINUTE));
}

static void answer_assume_role(const char *key_id)
{
    fake_http_answer(200, world_sts_reply(&world, "AssumeRole", key_id, 60 * MINUTE));
}

static const char *body_at(int index)
{
    return fake_http_at(index)->body;
}

/* ---- sharing --------------------------------------------------------------------------------- */

TEST(a_hundred_triggers_with_one_role_make_one_call)
{
    struct asker askers[100] = {0};
    struct identity *held[100];
    struct identity_spec spec = {
        .kind = IDENTITY_WEB_IDENTITY, .reason = "podIdentity aws-eks", .region = "eu-west-1"};

    start();
    set_web_identity();
    for (int i = 0; i < 100; i++) {
        held[i] = identity_acquire(identities, &spec);
        ask(&askers[i], held[i]);
    }
    CHECK_INT(1, identities_count(identities));
    CHECK(identities_at(identities, 0) == held[99]);
    CHECK(identities_at(identities, 1) == NULL);
    CHECK_INT(1, fake_http_count());
    answer_web_identity("ASIA1");
    for (int i = 0; i < 100; i++) {
        CHECK_STR("ASIA1", askers[i].credentials->access_key_id);
        asker_clear(&askers[i]);
        identity_release(held[i]);
    }
    CHECK_INT(0, identities_count(identities));
    stop();
}

TEST(different_reasons_and_roads_to_one_role_make_one_call)
{
    static const struct identity_spec specs[] = {
        {.kind = IDENTITY_WEB_IDENTITY, .reason = "podIdentity aws-eks", .region = "eu-west-1"},
        {.kind = IDENTITY_WEB_IDENTITY, .reason = "another", .region = "us-east-1"},
        {.kind = IDENTITY_CHAIN, .reason = "identityOwner operator"},
        {.kind = IDENTITY_AWS, .reason = "podIdentity aws"},
    };
    struct asker askers[4] = {0};
    struct identity *held[4];

    start();
    set_web_identity();
    for (int i = 0; i < 4; i++) {
        held[i] = identity_acquire(identities, &specs[i]);
        ask(&askers[i], held[i]);
    }
    CHECK_INT(4, identities_count(identities));
    CHECK_INT(1, fake_http_count());
    answer_web_identity("ASIA1");
    for (int i = 0; i < 4; i++) {
        CHECK_STR("ASIA1", askers[i].credentials->access_key_id);
        asker_clear(&askers[i]);
        identity_release(held[i]);
    }
    stop();
}

TEST(credentials_go_with_their_last_holder)
{
    struct identity_spec spec = {.kind = IDENTITY_CHAIN};
    struct asker asker = {0};
    struct identity *identity;

    start();
    set_web_identity();
    for (int i = 0; i < 2; i++) {
        identity = identity_acquire(identities, &spec);
        ask(&asker, identity);
        CHECK_INT(i + 1, fake_http_count());
        answer_web_identity("ASIA1");
        asker_clear(&asker);
        identity_release(identity);
    }
    stop();
}

static void release_in_callback(
    void *data, struct credentials *credentials, const struct failure *failure)
{
    (void)credentials;
    (void)failure;
    identity_release(data);
}

TEST(the_last_holder_may_let_go_in_the_callback)
{
    static const struct identity_spec specs[] = {
        {.kind = IDENTITY_CHAIN},
        {.kind = IDENTITY_WEB_IDENTITY},
        {.kind = IDENTITY_ASSUME_ROLE, .role = {.source = SOURCE_LITERAL, .text = ROLE_B}},
        {.kind = IDENTITY_AWS, .role = {.source = SOURCE_LITERAL, .text = ROLE_B}},
    };

    for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
        struct provider_request request = {.done = release_in_callback};
        struct identity *identity;

        start();
        set_web_identity();
        identity = identity_acquire(identities, &specs[i]);
        request.data = identity;
        identity_get(identity, &request);
        answer_web_identity("ASIA1");
        if (fake_http_open() > 0)
            answer_assume_role("ASIA2");
        CHECK_INT(0, identities_count(identities));
        stop();
    }
}

/* ---- the chain ------------------------------------------------------------------------------- */

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
        {"AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"},
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

/* ---- AssumeRole on top ------------------------------------------------------------------------
 */

TEST(a_role_is_assumed_by_the_chain_with_its_external_id)
{
    struct identity_spec spec = {
        .kind = IDENTITY_ASSUME_ROLE, .role = literal(ROLE_B), .external_id = literal("ext+1")};
    struct asker asker = {0};
    struct identity *identity;

    start();
    set_web_identity();
    identity = identity_acquire(identities, &spec);
    ask(&asker, identity);
    CHECK(strstr(body_at(0), "Action=AssumeRoleWithWebIdentity") != NULL);
    CHECK(strstr(body_at(0), "ExternalId") == NULL);
    answer_web_identity("ASIABASE");
    CHECK_INT(2, fake_http_count());
    CHECK(strstr(body_at(1), "Action=AssumeRole&") != NULL);
    CHECK(strstr(body_at(1), "444455556666%3Arole%2Fb") != NULL);
    CHECK(strstr(body_at(1), "ExternalId=ext%2B1") != NULL);
    CHECK(strstr(body_at(1), "RoleSessionName=tally-pod-7") != NULL);
    CHECK(strstr(fake_http_at(1)->headers, "Credential=ASIABASE/") != NULL);
    CHECK(strstr(fake_http_at(1)->headers, "token-of-ASIABASE") != NULL);
    answer_assume_role("ASIATOP");
    CHECK_STR("ASIATOP", asker.credentials->access_key_id);
    asker_clear(&asker);
    identity_release(identity);
    stop();
}

TEST(several_roles_stand_on_one_base)
{
    struct identity_spec specs[2] = {
        {.kind = IDENTITY_ASSUME_ROLE, .role = literal(ROLE_B)},
        {.kind = IDENTITY_ASSUME_ROLE, .role = literal(ROLE_A)},
    };
    struct asker askers[2] = {0};
    struct identity *held[2];

    start();
    set_web_identity();
    for (int i = 0; i < 2; i++) {
        held[i] = identity_acquire(identities, &specs[i]);
        ask(&askers[i], held[i]);
    }
    CHECK_INT(1, fake_http_count());
    answer_web_identity("ASIABASE");
    CHECK_INT(3, fake_http_count());
    answer_assume_role("ASIA1");
    answer_assume_role("ASIA2");
    for (int i = 0; i < 2; i++) {
        CHECK_INT(1, askers[i].answers);
        asker_clear(&askers[i]);
        identity_release(held[i]);
    }
    stop();
}

TEST(aws_eks_assumes_another_role_on_top_but_not_its_own)
{
    static const struct {
        const char *role;
        int calls;
    } cases[] = {{ROLE_A, 1}, {ROLE_B, 2}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct identity_spec spec = {.kind = IDENTITY_WEB_IDENTITY, .role = literal(cases[i].role)};
        struct asker asker = {0};
        struct identity *identity;

        start();
        set_web_identity();
        identity = identity_acquire(identities, &spec);
        ask(&asker, identity);
        answer_web_identity("ASIA1");
        CHECK_INT(cases[i].calls, fake_http_count());
        if (cases[i].calls == 2)
            answer_assume_role("ASIA2");
        CHECK_STR(cases[i].calls == 2 ? "ASIA2" : "ASIA1", asker.credentials->access_key_id);
        asker_clear(&asker);
        identity_release(identity);
        stop();
    }
}

TEST(an_expired_base_is_refreshed_and_the_call_replayed_once)
{
    struct identity_spec spec = {.kind = IDENTITY_ASSUME_ROLE, .role = literal(ROLE_B)};
    struct asker asker = {0};
    struct identity *identity;

    start();
    set_web_identity();
    identity = identity_acquire(identities, &spec);
    ask(&asker, identity);
    answer_web_identity("ASIAOLD");
    fake_http_answer(403, world_sts_error("ExpiredToken", "expired"));
    CHECK_INT(3, fake_http_count());
    CHECK(strstr(body_at(2), "AssumeRoleWithWebIdentity") != NULL);
    answer_web_identity("ASIANEW");
    CHECK_INT(4, fake_http_count());
    CHECK(strstr(fake_http_at(3)->headers, "Credential=ASIANEW/") != NULL);
    fake_http_answer(403, world_sts_error("ExpiredToken", "expired"));
    CHECK_INT(4, fake_http_count());
    CHECK_INT(1, asker.answers);
    CHECK_STR("ExpiredToken", asker.failure.aws_code);
    identity_release(identity);
    stop();
}

/* ---- podIdentity aws --------------------------------------------------------------------------
 */

TEST(podidentity_aws_assumes_a_role_only_after_a_refusal)
{
    static const struct {
        int status;
        const char *code, *message;
        bool falls_back;
    } cases[] = {
        {403, "AccessDenied", "no", true},
        {400, "InvalidIdentityToken", "No OpenIDConnect provider found", true},
        {400, "ValidationError", "bad", false},
        {400, "ExpiredTokenException", "old", false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct identity_spec spec = {.kind = IDENTITY_AWS, .role = literal(ROLE_B)};
        struct asker asker = {0};
        struct identity *identity;

        start();
        set_web_identity();
        identity = identity_acquire(identities, &spec);
        ask(&asker, identity);
        CHECK(strstr(body_at(0), "WebIdentity") != NULL && strstr(body_at(0), "role%2Fb") != NULL);
        fake_http_answer(cases[i].status, world_sts_error(cases[i].code, cases[i].message));
        if (cases[i].falls_back) {
            /* The base is the pod's own role. */
            CHECK(strstr(body_at(1), "WebIdentity") != NULL);
            CHECK(strstr(body_at(1), "role%2Fa") != NULL);
            answer_web_identity("ASIABASE");
            CHECK(strstr(body_at(2), "Action=AssumeRole&") != NULL);
            answer_assume_role("ASIATOP");
            CHECK_STR("ASIATOP", asker.credentials->access_key_id);
        } else {
            CHECK_INT(1, fake_http_count());
            CHECK_INT(1, asker.answers);
            CHECK(asker.credentials == NULL);
        }
        asker_clear(&asker);
        identity_release(identity);
        stop();
    }
}

TEST(podidentity_aws_takes_no_fault_for_a_refusal)
{
    struct identity_spec spec = {.kind = IDENTITY_AWS, .role = literal(ROLE_B)};
    struct asker asker = {0};
    struct identity *identity;

    start();
    set_web_identity();
    identity = identity_acquire(identities, &spec);
    ask(&asker, identity);
    for (int attempt = 1; attempt <= 4; attempt++) {
        CHECK_INT(attempt, fake_http_count());
        CHECK(strstr(body_at(attempt - 1), "role%2Fb") != NULL);
        fake_http_answer(400, world_sts_error("InvalidIdentityToken",
                                  "Couldn't retrieve verification key from your provider"));
        if (fake_loop_next(world.loop) >= 0)
            fake_loop_advance(world.loop, fake_loop_next(world.loop));
    }
    CHECK_INT(4, fake_http_count());
    CHECK_INT(1, asker.answers);
    CHECK_STR("InvalidIdentityToken", asker.failure.aws_code);
    identity_release(identity);
    stop();
}

TEST(podidentity_aws_decides_anew_at_each_refresh)
{
    struct identity_spec spec = {.kind = IDENTITY_AWS, .role = literal(ROLE_B)};
    struct asker asker = {0};
    struct identity *identity;

    start();
    set_web_identity();
    identity = identity_acquire(identities, &spec);
    ask(&asker, identity);
    fake_http_answer(403, world_sts_error("AccessDenied", "no"));
    answer_web_identity("ASIABASE");
    answer_assume_role("ASIATOP");
    CHECK_INT(3, fake_http_count());
    identity_expired(identity, asker.credentials);
    ask(&asker, identity);
    CHECK(strstr(body_at(3), "WebIdentity") != NULL && strstr(body_at(3), "role%2Fb") != NULL);
    answer_web_identity("ASIADIRECT");
    CHECK_INT(4, fake_http_count());
    CHECK_STR("ASIADIRECT", asker.credentials->access_key_id);
    asker_clear(&asker);
    identity_release(identity);
    stop();
}

TEST(a_double_refusal_tells_both)
{
    struct identity_spec spec = {.kind = IDENTITY_AWS, .role = literal(ROLE_B)};
    struct asker asker = {0};
    struct identity *identity;

    start();
    set_web_identity();
    identity = identity_acquire(identities, &spec);
    ask(&asker, identity);
    fake_http_answer(403, world_sts_error("AccessDenied", "no web identity"));
    answer_web_identity("ASIABASE");
    fake_http_answer(403, world_sts_error("AccessDenied", "no assume role"));
    CHECK_INT(ERROR_ACCESS_DENIED, asker.failure.code);
    CHECK(strstr(asker.failure.message, "AssumeRole of role") != NULL);
    CHECK(strstr(asker.failure.message, "AssumeRoleWithWebIdentity of role") != NULL);
    identity_release(identity);
    stop();
}

/* ---- what AWS calls expired, what changes -----------------------------------------------------
 */

TEST(expired_credentials_are_dropped_and_fetched_once)
{
    struct identity_spec spec = {.kind = IDENTITY_CHAIN};
    struct asker asker = {0};
    struct identity *identity;

    start();
    set_web_identity();
    identity = identity_acquire(identities, &spec);
    ask(&asker, identity);
    answer_web_identity("ASIA1");
    ask(&asker, identity);
    CHECK_INT(1, fake_http_count());
    identity_expired(identity, asker.credentials);
    ask(&asker, identity);
    CHECK_INT(2, fake_http_count());
    answer_web_identity("ASIA2");
    CHECK_STR("ASIA2", asker.credentials->access_key_id);
    identity_refresh(identity);
    ask(&asker, identity);
    CHECK_INT(3, fake_http_count());
    answer_web_identity("ASIA3");
    CHECK_STR("ASIA3", asker.credentials->access_key_id);
    asker_clear(&asker);
    identity_release(identity);
    stop();
}

TEST_MAIN(RUN(a_hundred_triggers_with_one_role_make_one_call),
    RUN(different_reasons_and_roads_to_one_role_make_one_call),
    RUN(credentials_go_with_their_last_holder), RUN(the_last_holder_may_let_go_in_the_callback),
    RUN(keys_of_the_environment_come_before_web_identity),
    RUN(half_a_configuration_is_an_error_and_never_another_identity),
    RUN(a_web_identity_that_fails_is_not_replaced),
    RUN(an_environment_without_any_identity_lists_what_was_looked_for),
    RUN(aws_eks_needs_the_web_identity_and_takes_nothing_else),
    RUN(a_role_is_assumed_by_the_chain_with_its_external_id), RUN(several_roles_stand_on_one_base),
    RUN(aws_eks_assumes_another_role_on_top_but_not_its_own),
    RUN(an_expired_base_is_refreshed_and_the_call_replayed_once),
    RUN(podidentity_aws_assumes_a_role_only_after_a_refusal),
    RUN(podidentity_aws_takes_no_fault_for_a_refusal),
    RUN(podidentity_aws_decides_anew_at_each_refresh), RUN(a_double_refusal_tells_both),
    RUN(expired_credentials_are_dropped_and_fetched_once))
