/* SPDX-License-Identifier: Apache-2.0 */
/* Trigger states that no request can reach any more, after a reload. */
#include "tests/unit/count_world.h"

/* The trigger with the same query, another key and its id. */
static struct config *config_of_key(const char *id)
{
    static const char *const environment[] = {"SECRET", "wJalr", NULL};
    char text[1024];
    char *at;

    world_environment = environment;
    snprintf(text, sizeof(text), world_trigger, "a", "false");
    at = strstr(text, "AKIDEXAMPLE");
    memcpy(at, id, strlen(id));
    return config_of(text);
}

TEST(a_flight_without_requests_ends_with_the_reload_that_removes_its_trigger)
{
    struct bench bench;

    bench_open(&bench, "false");
    ask(&bench, 0, 0, 5000);
    trigger_state_leave(&bench.askers[0].request);
    CHECK_INT(1, fake_http_open());
    CHECK_INT(0, counter_load(bench.counter, config_for("b", "false")));
    CHECK_INT(0, fake_http_open());
    CHECK_INT(0, counter_stats(bench.counter)->flights_active);
    bench_close(&bench);
}

TEST(a_flight_that_has_not_begun_sends_nothing_after_such_a_reload)
{
    struct asker *asker;
    struct bench bench;

    bench_open(&bench, "false");
    asker = &bench.askers[0];
    *asker = (struct asker){.request = {.timeout_ms = 5000, .done = on_answer, .data = asker}};
    trigger_state_ask(trigger_state_of(&bench, NULL), &asker->request);
    trigger_state_leave(&asker->request);
    CHECK_INT(0, counter_load(bench.counter, config_for("b", "false")));
    fake_loop_advance(bench.loop, 0);
    CHECK_INT(0, fake_http_count());
    bench_close(&bench);
}

TEST(its_flight_ends_when_its_last_request_leaves)
{
    struct bench bench;

    bench_open(&bench, "false");
    ask(&bench, 0, 0, 5000);
    CHECK_INT(0, counter_load(bench.counter, config_for("b", "false")));
    fake_loop_advance(bench.loop, 0);
    CHECK_INT(1, fake_http_open()); /* a request waits for it */
    trigger_state_leave(&bench.askers[0].request);
    CHECK_INT(0, fake_http_open());
    bench_close(&bench);
}

TEST(it_holds_its_identity_until_its_flight_has_ended)
{
    struct bench bench;

    bench_open(&bench, "false");
    ask(&bench, 0, 0, 60000);
    CHECK_INT(0, counter_load(bench.counter, config_of_key("AKIDANOTHER")));
    fake_loop_advance(bench.loop, 0);
    CHECK_INT(2, identities_count(bench.identities));
    page(&bench, PAGE(2)); /* the next page is signed with it */
    page(&bench, LAST_PAGE(3));
    CHECK_INT(5, bench.askers[0].value.count);
    CHECK_INT(1, identities_count(bench.identities));
    bench_close(&bench);
}

TEST_MAIN(RUN(a_flight_without_requests_ends_with_the_reload_that_removes_its_trigger),
    RUN(a_flight_that_has_not_begun_sends_nothing_after_such_a_reload),
    RUN(its_flight_ends_when_its_last_request_leaves),
    RUN(it_holds_its_identity_until_its_flight_has_ended))
