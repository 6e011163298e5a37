/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of a service: the queue in front of it. */
#include "agent/aws/call.h"

#include "agent/aws/dynamodb.h"
#include "tests/fake/fake_http.h"
#include "tests/fake/fake_loop.h"
#include "tests/unit/test.h"

#include <string.h>

#define AT_ONCE 32 /* to one service */

struct office {
    struct failure unsent;
    struct loop *loop;
    struct http *http;
    struct aws_client *client;
    struct credentials *good, *unusable; /* a secret that no signing key can be derived from */
    int ok, failed;
    struct aws_reply reply; /* the latest */
};

static void office_open(struct office *office)
{
    char secret[400];

    memset(secret, 's', sizeof(secret) - 1);
    secret[sizeof(secret) - 1] = '\0';
    fake_http_reset();
    *office = (struct office){.loop = loop_create()};
    office->http = http_create(office->loop, NULL, NULL);
    office->client = aws_client_create(office->loop, office->http);
    office->good = credentials_create("AKID", "secret", NULL, CREDENTIALS_NEVER_EXPIRE, NULL);
    office->unusable = credentials_create("AKID", secret, NULL, CREDENTIALS_NEVER_EXPIRE, NULL);
}

static void office_close(struct office *office)
{
    credentials_unref(office->good);
    credentials_unref(office->unusable);
    aws_client_destroy(office->client);
    http_destroy(office->http);
    CHECK_INT(0, loop_timers(office->loop));
    CHECK_INT(0, fake_http_open());
    loop_destroy(office->loop);
}

static void on_done(void *data, const struct aws_reply *reply)
{
    struct office *office = data;

    office->reply = *reply;
    if (reply->error.outcome == AWS_OK)
        office->ok++;
    else
        office->failed++;
}

static struct aws_call *try_call(struct office *office, struct credentials *credentials)
{
    static const struct endpoint endpoint = {.url = "https://dynamodb.eu-west-1.amazonaws.com/",
        .host = "dynamodb.eu-west-1.amazonaws.com",
        .path = "/",
        .region = "eu-west-1"};
    struct aws_request request = {.service = AWS_DYNAMODB,
        .what = "Query",
        .endpoint = &endpoint,
        .body = "",
        .credentials = credentials,
        .max_reply = 1024,
        .parse_error = dynamodb_parse_error};

    return aws_call_start(office->client, &request, on_done, office, &office->unsent);
}

static struct aws_call *call(struct office *office, struct credentials *credentials)
{
    struct aws_call *started = try_call(office, credentials);

    CHECK(started != NULL);
    return started;
}

TEST(calls_over_the_limit_wait_for_their_turn)
{
    struct office office;

    office_open(&office);
    for (int i = 0; i < AT_ONCE + 2; i++)
        call(&office, office.good);
    CHECK_INT(AT_ONCE, fake_http_count());
    fake_http_answer(200, "");
    CHECK_INT(AT_ONCE + 1, fake_http_count());
    while (fake_http_open() > 0)
        fake_http_answer(200, "");
    CHECK_INT(AT_ONCE + 2, office.ok);
    office_close(&office);
}

TEST(one_that_leaves_gives_its_turn_to_the_next)
{
    struct aws_call *first, *queued;
    struct office office;

    office_open(&office);
    first = call(&office, office.good);
    for (int i = 1; i < AT_ONCE; i++)
        call(&office, office.good);
    queued = call(&office, office.good);
    call(&office, office.good);
    aws_call_cancel(queued);
    CHECK_INT(AT_ONCE, fake_http_count());
    aws_call_cancel(first);
    CHECK_INT(AT_ONCE + 1, fake_http_count());
    while (fake_http_open() > 0)
        fake_http_answer(200, "");
    CHECK_INT(AT_ONCE, office.ok);
    office_close(&office);
}

TEST(those_that_cannot_be_sent_hold_up_nobody_behind_them)
{
    struct office office;

    office_open(&office);
    for (int i = 0; i < AT_ONCE; i++)
        call(&office, office.good);
    for (int i = 0; i < AT_ONCE; i++)
        call(&office, office.unusable);
    call(&office, office.good);
    while (fake_http_open() > 0)
        fake_http_answer(200, "");
    CHECK_INT(AT_ONCE, office.failed);
    CHECK_INT(AT_ONCE + 1, office.ok);
    office_close(&office);
}

TEST(one_that_cannot_be_sent_says_why)
{
    struct office office;

    office_open(&office);
    CHECK(try_call(&office, office.unusable) == NULL);
    CHECK_STR(
        "Query: the credentials or headers are longer than can be sent", office.unsent.message);
    fake_loop_jump_wall(office.loop, INT64_C(253402300800000)); /* to after the year 9999 */
    CHECK(try_call(&office, office.good) == NULL);
    CHECK_STR("Query: this machine's clock shows a year that cannot be signed; set it right",
        office.unsent.message);
    office_close(&office);
}

/* When a reply was made, by its Date: a process that was stopped reads it much later. */
TEST(a_reply_says_when_it_was_made)
{
    enum { STOPPED_MS = 60000, AHEAD_MS = 600000 };
    static const struct {
        int64_t date, elapsed_ms; /* date: after the start; INT64_MIN: none */
        int64_t aws, error, made; /* after the start */
    } cases[] = {
        {INT64_MIN, 10, 0, 0, -10},
        {0, 10, 0, 0, 0},
        {-1000, 10, 0, 0, 0},
        {-STOPPED_MS, STOPPED_MS, 0, 0, -STOPPED_MS + 1000},
        {-AHEAD_MS, 10, -AHEAD_MS + 1010, 1000, -AHEAD_MS + 1000},
        {AHEAD_MS, 10, AHEAD_MS, 1000, AHEAD_MS},
    };
    struct office office;

    office_open(&office);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t start = loop_wall(office.loop);

        call(&office, office.good);
        fake_http_answer_with(&(struct http_response){.outcome = HTTP_ANSWERED,
            .error = "",
            .status = 200,
            .body = (const uint8_t *)"",
            .elapsed_us = cases[i].elapsed_ms * 1000,
            .date_ms = cases[i].date != INT64_MIN ? start + cases[i].date : 0});
        CHECK_INT(cases[i].aws, office.reply.aws_ms - start);
        CHECK_INT(cases[i].error, office.reply.aws_error_ms);
        CHECK_INT(cases[i].made, office.reply.made_ms - start);
    }
    office_close(&office);
}

TEST(a_date_that_aws_cannot_have_makes_no_reply_old)
{
    static const int64_t dates[] = {
        1000, INT64_C(1000000000000), INT64_C(253402300799000), INT64_MAX / 1000 * 1000, INT64_MAX};
    struct office office;

    office_open(&office);
    for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
        call(&office, office.good);
        fake_http_answer_with(&(struct http_response){.outcome = HTTP_ANSWERED,
            .error = "",
            .status = 200,
            .body = (const uint8_t *)"",
            .elapsed_us = 10000,
            .date_ms = dates[i]});
        CHECK_INT(loop_wall(office.loop), office.reply.aws_ms);
        CHECK_INT(0, office.reply.aws_error_ms);
        CHECK_INT(loop_wall(office.loop) - 10, office.reply.made_ms);
    }
    office_close(&office);
}

TEST_MAIN(RUN(one_that_cannot_be_sent_says_why), RUN(calls_over_the_limit_wait_for_their_turn),
    RUN(one_that_leaves_gives_its_turn_to_the_next),
    RUN(those_that_cannot_be_sent_hold_up_nobody_behind_them), RUN(a_reply_says_when_it_was_made),
    RUN(a_date_that_aws_cannot_have_makes_no_reply_old))
