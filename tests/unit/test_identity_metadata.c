/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/metadata.h"
#include "tests/unit/identity_world.h"

#define JSON                                                                                       \
    "{\"Code\":\"Success\",\"AccessKeyId\":\"ASIA1\",\"SecretAccessKey\":\"s3cret\","              \
    "\"Token\":\"t0ken\",\"Expiration\":\"2026-01-01T00:00:00Z\",\"AccountId\":\"111122223333\"}"

static struct world world;
static struct facts facts;
static struct provider *provider;
static struct asker asker;

static void start(void)
{
    world_open(&world);
    asker = (struct asker){.answers = 0};
    provider = NULL;
}

static void ask_container(void)
{
    if (provider == NULL)
        provider = container_create(&world.context, &facts);
    asker_ask(&asker, provider);
}

static void ask_imds(bool kiam)
{
    if (provider == NULL)
        provider = imds_create(&world.context, &facts, kiam);
    asker_ask(&asker, provider);
}

static void stop(void)
{
    provider_destroy(provider);
    asker_clear(&asker);
    facts_clear(&facts);
    world_close(&world);
}

/* Nothing comes, as often as it is asked. */
static void never_answer(void)
{
    struct http_response silence = {.outcome = HTTP_STALLED, .error = "no answer"};

    while (fake_http_open() > 0) {
        fake_http_answer_with(&silence);
        if (fake_loop_next(world.loop) >= 0)
            fake_loop_advance(world.loop, fake_loop_next(world.loop));
    }
}

/* ---- the container endpoint ---- */

TEST(pod_identity_sends_the_raw_token_past_every_proxy)
{
    const struct fake_http_request *request;

    start();
    world_set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials");
    world_set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", world_write(&world, "token", "t.o.k\n"));
    ask_container();
    CHECK_INT(1, fake_http_count());
    request = fake_http_at(0);
    CHECK_STR("GET", request->method);
    CHECK_STR("http://169.254.170.23/v1/credentials", request->url);
    CHECK(strstr(request->headers, "Authorization: t.o.k\n") != NULL);
    CHECK(request->direct);
    CHECK_INT(0, request->body_len);
    fake_http_answer(200, JSON);
    CHECK_STR("ASIA1", asker.credentials->access_key_id);
    CHECK_STR("s3cret", asker.credentials->secret_access_key);
    CHECK_STR("t0ken", asker.credentials->session_token);
    CHECK(asker.credentials->expires_ms == 1767225600000);
    CHECK_STR("container", facts.kind);
    stop();
}

TEST(the_token_file_is_read_for_each_request)
{
    start();
    world_set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://[fd00:ec2::23]/v1/credentials");
    world_set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", world_write(&world, "token", "one"));
    ask_container();
    fake_http_answer(200, JSON);
    world_write(&world, "token", "two");
    ask_container();
    CHECK(strstr(fake_http_at(1)->headers, "Authorization: two\n") != NULL);
    fake_http_answer(200, JSON);
    CHECK_INT(2, asker.answers);
    stop();
}

TEST(ecs_takes_the_relative_uri_and_needs_no_token)
{
    start();
    world_set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/abc");
    world_set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9/other");
    ask_container();
    CHECK_STR("http://169.254.170.2/v2/credentials/abc", fake_http_at(0)->url);
    CHECK(strstr(fake_http_at(0)->headers, "uthorization") == NULL);
    fake_http_answer(200, JSON);
    CHECK_INT(1, asker.answers);
    stop();
}

TEST(a_token_goes_to_no_foreign_host)
{
    static const char *const urls[] = {
        "http://example.com/creds",
        "http://127.evil.example/creds",
        "http://169.254.170.23.evil.example/",
        "http://169.254.170.23@evil.example/",
        "http://169.254.169.254/latest",
        "http://[fd00:ec2::254]/",
        "http://2130706433/",
        "ftp://127.0.0.1/",
        "not a url",
    };

    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        start();
        world_set("AWS_CONTAINER_CREDENTIALS_FULL_URI", urls[i]);
        world_set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "t.o.k");
        ask_container();
        CHECK_INT(0, fake_http_count());
        CHECK_INT(ERROR_CREDENTIALS, asker.failure.code);
        CHECK(strstr(asker.failure.message, "AWS_CONTAINER_CREDENTIALS_FULL_URI") != NULL);
        stop();
    }
}

TEST(a_relative_uri_cannot_change_the_host)
{
    static const char *const uris[] = {"@evil.example/", ".evil.example/", "evil"};

    for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
        start();
        world_set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", uris[i]);
        ask_container();
        CHECK_INT(0, fake_http_count());
        CHECK_INT(ERROR_CREDENTIALS, asker.failure.code);
        stop();
    }
}

TEST(a_token_with_a_line_break_forges_no_header)
{
    start();
    world_set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:8/creds");
    world_set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "t\r\nX-Forged: 1");
    ask_container();
    CHECK_INT(0, fake_http_count());
    CHECK_INT(ERROR_CREDENTIALS, asker.failure.code);
    CHECK(strstr(asker.failure.message, "Forged") == NULL);
    stop();
}

TEST(an_endpoint_that_is_not_up_yet_is_tried_again)
{
    struct http_response refused = {.outcome = HTTP_UNREACHABLE, .error = "connection refused"};

    start();
    world_set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials");
    ask_container();
    for (int i = 0; i < 3; i++) {
        fake_http_answer_with(&refused);
        CHECK_INT(0, asker.answers);
        fake_loop_advance(world.loop, fake_loop_next(world.loop));
    }
    CHECK_INT(4, fake_http_count());
    fake_http_answer(200, JSON);
    CHECK(asker.credentials != NULL);
    stop();
}

TEST(a_refusal_of_the_endpoint_is_reported_with_its_words)
{
    start();
    world_set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials");
    ask_container();
    fake_http_answer(
        404, "{\"code\":\"ResourceNotFoundException\",\"message\":\"no association\"}");
    CHECK_INT(1, fake_http_count());
    CHECK_INT(1, asker.answers);
    CHECK_STR("ResourceNotFoundException", asker.failure.aws_code);
    CHECK(strstr(asker.failure.message, "no association") != NULL);
    CHECK(strstr(asker.failure.message, "Pod Identity association") != NULL);
    CHECK(!asker.failure.retryable);
    stop();
}

TEST(an_expired_token_is_replayed_once_if_the_file_holds_another)
{
    const char *expired = "[r]: (ExpiredTokenException): old, fault: client\n";

    start();
    world_set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials");
    world_set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", world_write(&world, "token", "old"));
    ask_container();
    world_write(&world, "token", "new");
    fake_http_answer(400, expired);
    CHECK_INT(2, fake_http_count());
    CHECK(strstr(fake_http_at(1)->headers, "Authorization: new\n") != NULL);
    world_write(&world, "token", "newer");
    fake_http_answer(400, expired);
    CHECK_INT(2, fake_http_count());
    CHECK_STR("ExpiredTokenException", asker.failure.aws_code);
    CHECK_STR("r", asker.failure.aws_request_id);
    stop();
}

TEST(hostile_replies_are_refused)
{
    static const char *const replies[] = {
        "",
        "null",
        "[]",
        "{",
        "{}",
        "<html>",
        "{\"Code\":\"Failed\",\"Message\":\"x\"}",
        "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S3CR\",\"Token\":\"t\"}",
        "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S3CR\",\"Token\":\"t\",\"Expiration\":1}",
        "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S3CR\",\"Token\":\"t\","
        "\"Expiration\":\"tomorrow\"}",
        "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":[\"S3CR\"],\"Token\":\"t\","
        "\"Expiration\":\"2026-01-01T00:00:00Z\"}",
        "{\"AccessKeyId\":\"\",\"SecretAccessKey\":\"S3CR\",\"Token\":\"t\","
        "\"Expiration\":\"2026-01-01T00:00:00Z\"}",
        "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S3CR\",\"Token\":\"t\\r\\nX: y\","
        "\"Expiration\":\"2026-01-01T00:00:00Z\"}",
        "{\"AccessKeyId\":\"A\",\"AccessKeyId\":\"B\",\"SecretAccessKey\":\"S3CR\","
        "\"Token\":\"t\",\"Expiration\":\"2026-01-01T00:00:00Z\"}",
        "\xff\xfe{}",
    };

    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        start();
        world_set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials");
        ask_container();
        for (int attempt = 0; attempt < 4; attempt++) {
            CHECK_INT(0, asker.answers);
            fake_http_answer(200, replies[i]);
            if (fake_loop_next(world.loop) >= 0)
                fake_loop_advance(world.loop, fake_loop_next(world.loop));
        }
        CHECK_INT(1, asker.answers);
        CHECK(asker.credentials == NULL);
        CHECK(strstr(asker.failure.message, "S3CR") == NULL);
        stop();
    }
}

/* ---- the instance metadata ---- */

#define ROLES "/latest/meta-data/iam/security-credentials/"

TEST(imds_asks_for_a_token_then_the_role_then_the_credentials)
{
    start();
    ask_imds(false);
    CHECK_STR("PUT", fake_http_at(0)->method);
    CHECK_STR("http://169.254.169.254/latest/api/token", fake_http_at(0)->url);
    CHECK(strstr(fake_http_at(0)->headers, "X-aws-ec2-metadata-token-ttl-seconds: 21600") != NULL);
    fake_http_answer(200, "v2-token");
    CHECK_STR("GET", fake_http_at(1)->method);
    CHECK_STR("http://169.254.169.254" ROLES, fake_http_at(1)->url);
    CHECK(strstr(fake_http_at(1)->headers, "X-aws-ec2-metadata-token: v2-token\n") != NULL);
    fake_http_answer(200, "node-role\n");
    CHECK_STR("http://169.254.169.254" ROLES "node-role", fake_http_at(2)->url);
    CHECK(strstr(fake_http_at(2)->headers, "X-aws-ec2-metadata-token: v2-token\n") != NULL);
    fake_http_answer(200, JSON);
    for (int i = 0; i < 3; i++)
        CHECK(fake_http_at(i)->direct);
    CHECK_STR("ASIA1", asker.credentials->access_key_id);
    CHECK_STR("imds", facts.kind);
    CHECK_STR("node-role", facts.role);
    stop();
}

TEST(imds_may_be_elsewhere_and_may_be_switched_off)
{
    start();
    world_set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://[fd00:ec2::254]/");
    ask_imds(false);
    CHECK_STR("http://[fd00:ec2::254]/latest/api/token", fake_http_at(0)->url);
    stop();
    start();
    world_set("AWS_EC2_METADATA_DISABLED", "TRUE");
    ask_imds(false);
    CHECK_INT(0, fake_http_count());
    CHECK(strstr(asker.failure.message, "AWS_EC2_METADATA_DISABLED") != NULL);
    stop();
}

TEST(imds_never_speaks_version_1)
{
    start();
    ask_imds(false);
    fake_http_answer(403, "");
    CHECK_INT(1, fake_http_count());
    CHECK_INT(1, asker.answers);
    stop();
    start();
    ask_imds(false);
    never_answer();
    CHECK_INT(3, fake_http_count());
    CHECK_INT(1, asker.answers);
    CHECK(strstr(asker.failure.message, "hop limit") != NULL);
    stop();
}

TEST(kiam_is_asked_by_version_1_where_it_knows_no_2)
{
    static const int statuses[] = {400, 403, 404, 405, 500, 0};

    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        start();
        ask_imds(true);
        if (statuses[i] == 0) {
            struct http_response silence = {.outcome = HTTP_STALLED, .error = "no answer"};

            fake_http_answer_with(&silence);
        } else {
            fake_http_answer(statuses[i], "no");
        }
        CHECK_INT(2, fake_http_count());
        CHECK_STR("http://169.254.169.254" ROLES, fake_http_at(1)->url);
        CHECK(strstr(fake_http_at(1)->headers, "X-aws-ec2-metadata-token") == NULL);
        fake_http_answer(200, "pod-role");
        fake_http_answer(200, JSON);
        CHECK_STR("ASIA1", asker.credentials->access_key_id);
        CHECK_STR("kiam", facts.kind);
        stop();
    }
}

TEST(kiam_may_speak_version_2)
{
    start();
    ask_imds(true);
    fake_http_answer(200, "v2-token");
    CHECK(strstr(fake_http_at(1)->headers, "X-aws-ec2-metadata-token: v2-token\n") != NULL);
    fake_http_answer(404, "no role");
    CHECK(strstr(asker.failure.message, "iam.amazonaws.com/role") != NULL);
    stop();
}

TEST(a_role_name_that_is_none_is_not_asked_for)
{
    static const char *const names[] = {"../../user-data", "a/b", "a?b", "<html>", "a b", "a%2fb"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        start();
        ask_imds(false);
        fake_http_answer(200, "v2-token");
        fake_http_answer(200, names[i]);
        for (int again = 0; again < 2 && asker.answers == 0; again++) {
            fake_loop_advance(world.loop, fake_loop_next(world.loop));
            fake_http_answer(200, names[i]);
        }
        CHECK_INT(1, asker.answers);
        CHECK(asker.credentials == NULL);
        for (int j = 1; j < fake_http_count(); j++)
            CHECK_STR("http://169.254.169.254" ROLES, fake_http_at(j)->url);
        stop();
    }
}

TEST_MAIN(RUN(pod_identity_sends_the_raw_token_past_every_proxy),
    RUN(the_token_file_is_read_for_each_request),
    RUN(ecs_takes_the_relative_uri_and_needs_no_token), RUN(a_token_goes_to_no_foreign_host),
    RUN(a_relative_uri_cannot_change_the_host), RUN(a_token_with_a_line_break_forges_no_header),
    RUN(an_endpoint_that_is_not_up_yet_is_tried_again),
    RUN(a_refusal_of_the_endpoint_is_reported_with_its_words),
    RUN(an_expired_token_is_replayed_once_if_the_file_holds_another),
    RUN(hostile_replies_are_refused), RUN(imds_asks_for_a_token_then_the_role_then_the_credentials),
    RUN(imds_may_be_elsewhere_and_may_be_switched_off), RUN(imds_never_speaks_version_1),
    RUN(kiam_is_asked_by_version_1_where_it_knows_no_2), RUN(kiam_may_speak_version_2),
    RUN(a_role_name_that_is_none_is_not_asked_for))
