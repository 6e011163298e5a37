/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/web_identity.h"
#include "tests/unit/identity_world.h"

/* {"alg":"none"} . {"iss":"https://oidc.example/id/X","sub":"system:serviceaccount:ns:sa",
 * "aud":["sts.amazonaws.com"],"exp":1750000000} */
#define JWT                                                                                        \
    "eyJhbGciOiJub25lIn0."                                                                         \
    "eyJpc3MiOiJodHRwczovL29pZGMuZXhhbXBsZS9pZC9YIiwic3ViIjoic3lzdGVtOnNlcnZpY2VhY2NvdW50Om5zOnNh" \
    "IiwiYXVkIjpbInN0cy5hbWF6b25hd3MuY29tIl0sImV4cCI6MTc1MDAwMDAwMH0."                             \
    "c2lnbmF0dXJl"
#define ROLE "arn:aws:iam::111122223333:role/reader"

static struct world world;
static struct facts facts;
static struct provider *provider;
static struct asker asker;
static char token_path[128];

static void start(void)
{
    struct web_identity_options options = {.context = &world.context,
        .facts = &facts,
        .token_file = token_path,
        .role = {.source = SOURCE_LITERAL, .text = ROLE}};

    world_open(&world);
    asker = (struct asker){.answers = 0};
    snprintf(token_path, sizeof(token_path), "%s", world_path(&world, "token"));
    provider = web_identity_create(&options);
    CHECK(provider != NULL);
}

static void stop(void)
{
    provider_destroy(provider);
    asker_clear(&asker);
    facts_clear(&facts);
    world_close(&world);
}

static void answer_ok(const char *key_id)
{
    fake_http_answer(
        200, world_sts_reply(&world, "AssumeRoleWithWebIdentity", key_id, 60 * MINUTE));
}

TEST(the_token_goes_out_in_an_unsigned_form)
{
    const struct fake_http_request *request;

    start();
    world_write(&world, "token", JWT "\n");
    asker_ask(&asker, provider);
    CHECK_INT(1, fake_http_count());
    request = fake_http_at(0);
    CHECK_STR("POST", request->method);
    CHECK_STR("https://sts.eu-west-1.amazonaws.com/", request->url);
    CHECK(strstr(request->headers, "application/x-www-form-urlencoded") != NULL);
    CHECK(strstr(request->headers, "uthorization") == NULL);
    CHECK(strstr(request->body, "Action=AssumeRoleWithWebIdentity") != NULL);
    CHECK(
        strstr(request->body, "RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Freader") != NULL);
    CHECK(strstr(request->body, "RoleSessionName=tally-pod-7") != NULL);
    CHECK(strstr(request->body, "WebIdentityToken=" JWT) != NULL);
    CHECK(strstr(request->body, "%0A") == NULL);
    CHECK(strstr(request->url, "eyJ") == NULL);
    answer_ok("ASIA1");
    CHECK_INT(1, asker.answers);
    CHECK_STR("ASIA1", asker.credentials->access_key_id);
    CHECK_STR("secret-of-ASIA1", asker.credentials->secret_access_key);
    CHECK_STR("token-of-ASIA1", asker.credentials->session_token);
    CHECK_STR("arn:aws:sts::111122223333:assumed-role/r/tally-pod-7", asker.credentials->arn);
    CHECK_INT(loop_wall(world.loop) + 60 * MINUTE, asker.credentials->expires_ms);
    CHECK_STR("web-identity", facts.kind);
    CHECK_STR(ROLE, facts.role);
    CHECK_STR("tally-pod-7", facts.session_name);
    CHECK_STR(token_path, facts.token_file);
    stop();
}

TEST(the_file_is_read_again_for_each_fetch)
{
    start();
    world_write(&world, "token", "first");
    asker_ask(&asker, provider);
    answer_ok("ASIA1");
    world_write(&world, "token", "second");
    asker_ask(&asker, provider);
    CHECK(strstr(fake_http_at(1)->body, "WebIdentityToken=second") != NULL);
    answer_ok("ASIA2");
    CHECK_STR("ASIA2", asker.credentials->access_key_id);
    stop();
}

TEST(a_file_that_is_missing_or_empty_for_a_moment_is_waited_for)
{
    start();
    asker_ask(&asker, provider);
    fake_loop_advance(world.loop, 600);
    CHECK_INT(0, asker.answers);
    world_write(&world, "token", "\n");
    fake_loop_advance(world.loop, 600);
    CHECK_INT(0, asker.answers);
    CHECK_INT(0, fake_http_count());
    world_write(&world, "token", JWT);
    fake_loop_advance(world.loop, 200);
    CHECK_INT(1, fake_http_count());
    answer_ok("ASIA1");
    CHECK_STR("ASIA1", asker.credentials->access_key_id);
    stop();
}

TEST(a_file_that_stays_away_is_a_failure_before_patience_ends)
{
    start();
    asker_ask(&asker, provider);
    fake_loop_advance(world.loop, 1499);
    CHECK_INT(0, asker.answers);
    fake_loop_advance(world.loop, 201);
    CHECK_INT(1, asker.answers);
    CHECK_INT(ERROR_CREDENTIALS, asker.failure.code);
    CHECK(asker.failure.retryable);
    CHECK(strstr(asker.failure.message, token_path) != NULL);
    CHECK(strstr(asker.failure.message, "No such file") != NULL);
    CHECK_INT(0, fake_http_count());
    stop();
}

static char trouble[400];

static void on_trouble(void *data, const struct failure *failure)
{
    (void)data;
    snprintf(trouble, sizeof(trouble), "%s", failure->message);
}

TEST(a_waiter_gets_the_reason_and_never_a_token)
{
    start();
    trouble[0] = '\0';
    asker.request.trouble = on_trouble;
    asker_ask(&asker, provider);
    CHECK(strstr(trouble, "No such file") != NULL);
    world_write(&world, "token", JWT);
    fake_loop_advance(world.loop, 200);
    fake_http_answer(500, world_sts_error("InternalFailure", "sent " JWT));
    CHECK_INT(0, asker.answers);
    CHECK(strstr(trouble, "sent *") != NULL);
    asker.request.trouble = NULL;
    stop();
}

TEST(what_is_no_token_is_never_sent)
{
    static char long_text[20002];
    const char *const contents[] = {"two\nlines", "bad\x01", long_text};

    memset(long_text, 'x', sizeof(long_text) - 1);
    for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
        start();
        world_write(&world, "token", contents[i]);
        asker_ask(&asker, provider);
        CHECK_INT(1, asker.answers);
        CHECK_INT(ERROR_CREDENTIALS, asker.failure.code);
        CHECK(strstr(asker.failure.message, "holds no token") != NULL);
        CHECK_INT(0, fake_http_count());
        stop();
    }
}

TEST(a_refusal_says_what_the_trust_policy_needs)
{
    start();
    world_write(&world, "token", JWT);
    asker_ask(&asker, provider);
    fake_http_answer(403,
        world_sts_error("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"));
    CHECK_INT(1, asker.answers);
    CHECK_INT(ERROR_ACCESS_DENIED, asker.failure.code);
    CHECK_STR("AccessDenied", asker.failure.aws_code);
    CHECK_STR("r-2", asker.failure.aws_request_id);
    CHECK(strstr(asker.failure.message, ROLE) != NULL);
    CHECK(strstr(asker.failure.message, "oidc.example/id/X") != NULL);
    CHECK(strstr(asker.failure.message, "system:serviceaccount:ns:sa") != NULL);
    CHECK(strstr(asker.failure.message, "sts.amazonaws.com") != NULL);
    CHECK_INT(1, fake_http_count());
    stop();
}

TEST(faults_that_may_pass_are_tried_again_up_to_four_times)
{
    static const struct {
        int status;
        const char *code, *message;
    } faults[] = {
        {500, "InternalFailure", "x"},
        {503, "ServiceUnavailable", "x"},
        {400, "IDPCommunicationError", "x"},
        {400, "InvalidIdentityToken",
            "Couldn't retrieve verification key from your identity "
            "provider"},
        {400, "Throttling", "Rate exceeded"},
    };

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        start();
        world_write(&world, "token", JWT);
        asker_ask(&asker, provider);
        for (int attempt = 1; attempt <= 4; attempt++) {
            CHECK_INT(attempt, fake_http_count());
            CHECK_INT(0, asker.answers);
            fake_http_answer(faults[i].status, world_sts_error(faults[i].code, faults[i].message));
            if (fake_loop_next(world.loop) >= 0)
                fake_loop_advance(world.loop, fake_loop_next(world.loop));
        }
        CHECK_INT(4, fake_http_count());
        CHECK_INT(1, asker.answers);
        CHECK(asker.failure.retryable);
        CHECK(!web_identity_refused(&asker.failure));
        stop();
    }
}

TEST(final_errors_are_not_tried_again)
{
    static const struct {
        const char *code, *message;
        bool refused;
    } errors[] = {
        {"AccessDenied", "no", true},
        {"InvalidIdentityToken", "No OpenIDConnect provider found in your account", true},
        {"ValidationError", "bad arn", false},
        {"RegionDisabledException", "STS is not activated in this region", false},
        {"MalformedPolicyDocument", "bad", false},
    };

    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        start();
        world_write(&world, "token", JWT);
        asker_ask(&asker, provider);
        fake_http_answer(errors[i].code[0] == 'A' ? 403 : 400,
            world_sts_error(errors[i].code, errors[i].message));
        fake_loop_advance(world.loop, 60 * SECOND);
        CHECK_INT(1, fake_http_count());
        CHECK_INT(1, asker.answers);
        CHECK(!asker.failure.retryable);
        CHECK_INT(errors[i].refused, web_identity_refused(&asker.failure));
        stop();
    }
}

TEST(an_expired_token_is_replayed_once_if_the_file_holds_another)
{
    const char *expired = world_sts_error("ExpiredTokenException", "Token expired");

    start();
    world_write(&world, "token", "old");
    asker_ask(&asker, provider);
    world_write(&world, "token", "new");
    fake_http_answer(400, expired);
    CHECK_INT(2, fake_http_count());
    CHECK(strstr(fake_http_at(1)->body, "WebIdentityToken=new") != NULL);
    world_write(&world, "token", "newer");
    fake_http_answer(400, expired);
    CHECK_INT(2, fake_http_count());
    CHECK_INT(1, asker.answers);
    stop();
}

TEST(an_expired_token_that_nobody_replaced_is_a_failure_that_says_so)
{
    start();
    world_write(&world, "token", JWT);
    fake_loop_jump_wall(world.loop, 90 * SECOND);
    asker_ask(&asker, provider);
    fake_http_answer(400, world_sts_error("ExpiredTokenException", "Token expired"));
    CHECK_INT(1, fake_http_count());
    CHECK_INT(1, asker.answers);
    CHECK(strstr(asker.failure.message, "expired 90 s ago") != NULL);
    CHECK(!web_identity_refused(&asker.failure));
    stop();
}

TEST(hostile_replies_are_refused_and_tried_again)
{
    static const char *const replies[] = {
        "",
        "<html>proxy</html>",
        "<AssumeRoleWithWebIdentityResponse>",
        "{\"AccessKeyId\":\"x\"}",
        "<!DOCTYPE a [<!ENTITY e \"x\">]><AssumeRoleWithWebIdentityResponse/>",
        "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>",
    };

    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        start();
        world_write(&world, "token", JWT);
        asker_ask(&asker, provider);
        fake_http_answer(200, replies[i]);
        fake_loop_advance(world.loop, 10 * SECOND);
        CHECK_INT(2, fake_http_count());
        answer_ok("ASIA1");
        CHECK_INT(1, asker.answers);
        CHECK(asker.credentials != NULL);
        stop();
    }
}

TEST(no_secret_is_in_a_failure)
{
    start();
    world_write(&world, "token", JWT);
    asker_ask(&asker, provider);
    fake_http_answer(400, world_sts_error("ValidationError", "1 error: value '" JWT "' at "
                                                             "'webIdentityToken'"));
    CHECK_INT(1, asker.answers);
    CHECK(strstr(asker.failure.message, "c2lnbmF0dXJl") == NULL);
    stop();
}

TEST(destroying_it_ends_what_is_under_way)
{
    for (int with_token = 0; with_token < 2; with_token++) {
        start();
        if (with_token)
            world_write(&world, "token", JWT);
        asker_ask(&asker, provider);
        CHECK_INT(with_token, fake_http_open());
        provider_destroy(provider);
        CHECK_INT(0, asker.answers); /* its source answers those who wait */
        facts_clear(&facts);
        world_close(&world);
    }
}

TEST_MAIN(RUN(the_token_goes_out_in_an_unsigned_form), RUN(the_file_is_read_again_for_each_fetch),
    RUN(a_file_that_is_missing_or_empty_for_a_moment_is_waited_for),
    RUN(a_file_that_stays_away_is_a_failure_before_patience_ends),
    RUN(a_waiter_gets_the_reason_and_never_a_token), RUN(what_is_no_token_is_never_sent),
    RUN(a_refusal_says_what_the_trust_policy_needs),
    RUN(faults_that_may_pass_are_tried_again_up_to_four_times),
    RUN(final_errors_are_not_tried_again),
    RUN(an_expired_token_is_replayed_once_if_the_file_holds_another),
    RUN(an_expired_token_that_nobody_replaced_is_a_failure_that_says_so),
    RUN(hostile_replies_are_refused_and_tried_again), RUN(no_secret_is_in_a_failure),
    RUN(destroying_it_ends_what_is_under_way))
