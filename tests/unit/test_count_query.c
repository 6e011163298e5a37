/* SPDX-License-Identifier: Apache-2.0 */
/* How long a count waits between its attempts to get credentials. (Its pages: see test_question.)
 */
#include "agent/count/count_query.h"

#include "tests/unit/count_world.h"

#define DELAYS 5

struct listener {
    int64_t delays[DELAYS];
    size_t count;
    enum error_code code;
    bool ended;
};

static void on_retrying(void *data, const struct failure *failure, int64_t delay_ms)
{
    struct listener *listener = data;

    listener->code = failure->code;
    listener->delays[listener->count++] = delay_ms;
}

static void on_done(void *data, const struct count_value *value, const struct failure *failure)
{
    struct listener *listener = data;

    CHECK(value == NULL && failure != NULL);
    listener->ended = true;
}

TEST(credentials_that_are_not_there_yet_are_asked_for_ever_less_often)
{
    static const int64_t expected[DELAYS] = {500, 1000, 2000, 4000, 5000};
    static const struct identity_spec spec = {.kind = IDENTITY_STATIC,
        .reason = "the test",
        .key_id = {SOURCE_LITERAL, "AKIDEXAMPLE", NULL, "key id"},
        .secret_key = {SOURCE_FILE, "/nowhere/secret", NULL, "secret key"}};
    static const struct count_query_events events = {.retrying = on_retrying, .done = on_done};
    static const struct endpoint_environment environment;
    static const struct retry_patience patience = {.until = INT64_MIN, .attempts = DELAYS + 1};
    static struct bench bench;
    struct listener listener = {.count = 0};
    struct identity *identity;

    bench_open(&bench, "false");
    identity = identity_acquire(bench.identities, &spec);
    CHECK(count_query_start(&(struct count_query_options){.loop = bench.loop,
                                .client = bench.client,
                                .environment = &environment,
                                .identity = identity,
                                .query = &counter_config(bench.counter)->triggers[0].query,
                                .patience = &patience},
              &events, &listener) != NULL);
    for (size_t i = 0; i < DELAYS; i++) {
        CHECK_INT(i + 1, listener.count);
        CHECK_INT(expected[i], listener.delays[i]);
        fake_loop_advance(bench.loop, listener.delays[i]);
    }
    CHECK(listener.ended);
    CHECK_INT(ERROR_CREDENTIALS, listener.code);
    identity_release(identity);
    bench_close(&bench);
}

TEST_MAIN(RUN(credentials_that_are_not_there_yet_are_asked_for_ever_less_often))
