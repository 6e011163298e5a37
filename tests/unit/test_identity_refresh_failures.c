/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/aws/dynamodb.h"
#include "tests/unit/identity_source.h"

TEST(a_failed_refresh_keeps_the_credentials_until_they_expire)
{
    start();
    ask();
    succeed("first", 60 * MINUTE);
    ask();
    fake_loop_advance(world.loop, 55 * MINUTE);
    for (int second = 0; second < 300; second++) {
        if (source->fetching)
            fail_with(ERROR_AWS_UNAVAILABLE, "down");
        CHECK_STR("first", ask());
        fake_loop_advance(world.loop, SECOND - 1);
        if (source->fetching)
            fail_with(ERROR_AWS_UNAVAILABLE, "down");
        fake_loop_advance(world.loop, 1);
    }
    /* Not one try a second, and not only one. */
    CHECK(fetches > 3 && fetches < 30);
    if (source->fetching)
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
        source_refresh(source);
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

TEST(a_fault_that_lasts_is_met_with_fewer_tries)
{
    static const int64_t memory[] = {500, 1000, 2000, 4000, 4000};

    start();
    for (size_t i = 0; i < sizeof(memory) / sizeof(memory[0]); i++) {
        CHECK_STR("waits", ask());
        fail_with(i % 2 == 0 ? ERROR_AWS_UNAVAILABLE : ERROR_THROTTLED, "down");
        CHECK_INT(memory[i], ask_failure().retry_after_ms);
        fake_loop_advance(world.loop, memory[i]);
    }
    CHECK_STR("waits", ask());
    fail_with(ERROR_CREDENTIALS, "the token file is not there yet");
    CHECK_INT(500, ask_failure().retry_after_ms); /* which is worth looking for */
    fake_loop_advance(world.loop, 500);
    CHECK_STR("waits", ask());
    fail_with(ERROR_AWS_UNAVAILABLE, "down");
    CHECK_INT(500, ask_failure().retry_after_ms);
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
    if (!source->fetching)
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
    CHECK(strstr(failure.message, "expired 30 s ago") != NULL);
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

static void on_skewed(void *data, const struct aws_reply *reply)
{
    *(enum aws_outcome *)data = reply->error.outcome;
}

static struct aws_call *call(const char *host, bool own, enum aws_service service, void *outcome)
{
    struct credentials *signer = credentials_create(
        "AK", "s", NULL, CREDENTIALS_NEVER_EXPIRE, NULL);
    struct endpoint endpoint = {.path = "/", .region = "eu-west-1", .own = own};
    struct aws_request request = {.service = service,
        .what = "Query",
        .endpoint = &endpoint,
        .body = "",
        .credentials = signer,
        .max_reply = 1024,
        .parse_error = dynamodb_parse_error};
    struct aws_call *started;
    struct failure failure;

    snprintf(endpoint.host, sizeof(endpoint.host), "%s", host);
    snprintf(endpoint.url, sizeof(endpoint.url), "https://%s/", host);
    started = aws_call_start(world.context.client, &request, on_skewed, outcome, &failure);
    credentials_unref(signer);
    return started;
}

/* A reply by a clock that is so much later than this machine's. */
static void reply(int status, const char *body, int64_t offset_ms)
{
    fake_http_answer_with(&(struct http_response){.outcome = HTTP_ANSWERED,
        .error = "",
        .status = status,
        .body = (const uint8_t *)body,
        .body_len = strlen(body),
        .date_ms = loop_wall(world.loop) + offset_ms});
    fake_loop_advance(world.loop, 0);
}

/* The host refuses a signature's time, and gives its own. */
static void learn_offset_of(const char *host, bool own, int64_t offset_ms)
{
    enum aws_outcome outcome = AWS_REFUSED;

    CHECK(call(host, own, AWS_DYNAMODB, &outcome) != NULL);
    reply(400,
        "{\"__type\":\"x#InvalidSignatureException\","
        "\"message\":\"Signature expired: 1 is now earlier than 2\"}",
        offset_ms);
    fake_http_answer(200, "");
    CHECK_INT(AWS_OK, outcome);
}

static void learn_offset(int64_t offset_ms)
{
    learn_offset_of("dynamodb.eu-west-1.amazonaws.com", false, offset_ms);
    CHECK_INT(loop_wall(world.loop) + offset_ms, aws_client_wall(world.context.client));
}

/* What the latest request was signed as of: "20250615T150640Z". */
static const char *signed_at(void)
{
    const char *line = strstr(fake_http_at(fake_http_count() - 1)->headers, "X-Amz-Date: ");

    return line != NULL ? line + strlen("X-Amz-Date: ") : "";
}

TEST(an_odd_endpoint_has_its_own_time_alone)
{
    enum aws_outcome outcome = AWS_REFUSED;

    start();
    learn_offset_of("odd.example", true, 2880 * MINUTE);
    CHECK(strncmp(signed_at(), "20250617T", 9) == 0);
    CHECK_INT(loop_wall(world.loop), aws_client_wall(world.context.client));
    CHECK(call("dynamodb.eu-west-1.amazonaws.com", false, AWS_DYNAMODB, &outcome) != NULL);
    CHECK(strncmp(signed_at(), "20250615T", 9) == 0);
    fake_http_answer(200, "");
    CHECK(call("odd.example", true, AWS_DYNAMODB, &outcome) != NULL);
    CHECK(strncmp(signed_at(), "20250617T", 9) == 0);
    fake_http_answer(200, "");
    learn_offset(-1440 * MINUTE);
    CHECK(call("dynamodb.us-east-1.amazonaws.com", false, AWS_DYNAMODB, &outcome) != NULL);
    CHECK(strncmp(signed_at(), "20250614T", 9) == 0); /* AWS has one clock */
    fake_http_answer(200, "");
    stop();
}

TEST(a_clock_that_is_ahead_of_all_credentials_is_corrected_by_sts)
{
    enum aws_outcome outcome = AWS_REFUSED;

    start();
    ask();
    succeed("by a clock of hours ago", -120 * MINUTE);
    CHECK_STR("", ask());
    fake_loop_advance(world.loop, SECOND);
    CHECK(call("sts.eu-west-1.amazonaws.com", false, AWS_STS, &outcome) != NULL);
    reply(200, "", -180 * MINUTE);
    CHECK_INT(loop_wall(world.loop), aws_client_wall(world.context.client)); /* no need yet */
    ask();
    succeed("first", -120 * MINUTE);
    CHECK_STR("first", ask());
    CHECK_INT(loop_wall(world.loop) - 180 * MINUTE, aws_client_wall(world.context.client));
    stop();
}

TEST(an_offset_that_makes_fresh_credentials_expired_is_forgotten)
{
    start();
    learn_offset(2880 * MINUTE);
    fake_loop_jump_wall(world.loop, 2880 * MINUTE); /* this machine's clock is set right */
    ask();
    succeed("first", 60 * MINUTE);
    CHECK_STR("first", ask());
    CHECK_INT(loop_wall(world.loop), aws_client_wall(world.context.client));
    stop();
}

TEST(what_one_service_does_not_know_serves_on_until_others_come)
{
    struct asker asker = {0};

    start();
    ask();
    succeed("first", 60 * MINUTE);
    asker_ask_source(&asker, source);
    sources_refused(&world.sources, asker.credentials, "UnrecognizedClientException");
    CHECK_STR("waits", ask());
    fail_with(ERROR_AWS_UNAVAILABLE, "STS is down");
    CHECK_STR("first", ask());
    fake_loop_advance(world.loop, 10 * MINUTE);
    sources_refused(&world.sources, asker.credentials, "UnrecognizedClientException");
    CHECK_STR("waits", ask());
    succeed("second", 60 * MINUTE);
    CHECK_STR("second", ask());
    asker_clear(&asker);
    stop();
}

TEST_MAIN(RUN(a_failed_refresh_keeps_the_credentials_until_they_expire),
    RUN(the_next_try_after_a_failed_refresh_is_random_and_within_the_life_left),
    RUN(a_fault_without_credentials_is_remembered_only_for_a_moment),
    RUN(a_fault_that_lasts_is_met_with_fewer_tries),
    RUN(a_refusal_is_remembered_longer_each_time_up_to_a_minute),
    RUN(credentials_that_arrive_expired_are_a_failure),
    RUN(a_refresh_that_brings_expired_credentials_keeps_the_valid_ones),
    RUN(an_odd_endpoint_has_its_own_time_alone),
    RUN(a_clock_that_is_ahead_of_all_credentials_is_corrected_by_sts),
    RUN(an_offset_that_makes_fresh_credentials_expired_is_forgotten),
    RUN(what_one_service_does_not_know_serves_on_until_others_come))
