/* SPDX-License-Identifier: Apache-2.0 */
#include "client/tally.h"
#include "proto/clock.h"
#include "proto/limits.h"
#include "proto/writer.h"
#include "tests/fake/fake_agent.h"
#include "tests/unit/test.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

struct world {
    char folder[64];
    char path[96];
    struct fake_agent *agent;
    struct tally_async *async;
};

/* What a callback has seen. */
struct seen {
    unsigned calls;
    int error; /* of the last */
    int64_t count;
    struct tally_async *async;
    uint32_t id;
};

static void on_answer(const struct tally_answer *answer, void *data)
{
    struct seen *seen = data;

    seen->calls++;
    seen->error = tally_answer_error(answer);
    seen->count = -1;
    tally_answer_integer(answer, "count", &seen->count);
}

static void pack_count(struct buffer *out, int64_t count)
{
    write_map(out, 2);
    write_string(out, "count");
    write_int(out, count);
    write_string(out, "trigger");
    write_string(out, "default/orders");
}

static bool reply_count(
    const struct message *request, unsigned count, struct buffer *out, void *data)
{
    (void)data;
    message_begin_answer(out, request->id);
    pack_count(out, count);
    return true;
}

static bool reply_never(
    const struct message *request, unsigned count, struct buffer *out, void *data)
{
    (void)request;
    (void)count;
    (void)out;
    (void)data;
    return true;
}

static void world_open(struct world *world, fake_reply *reply, void *data)
{
    fake_folder_make(world->folder, sizeof(world->folder));
    snprintf(world->path, sizeof(world->path), "%s/tally.sock", world->folder);
    world->agent = reply != NULL ? fake_agent_start(world->path, reply, data) : NULL;
    CHECK_INT(0, tally_async_open(&world->async, world->path));
}

static void world_close(struct world *world)
{
    tally_async_close(world->async);
    if (world->agent != NULL)
        fake_agent_stop(world->agent);
    fake_folder_remove(world->folder);
}

/* Turns the loop until *value reaches `wanted`, or for two seconds. */
static void turn_until(struct world *world, const unsigned *value, unsigned wanted)
{
    int64_t end = clock_ms() + 2000;

    while (*value < wanted && clock_ms() < end) {
        struct pollfd fd = {tally_async_fd(world->async), tally_async_events(world->async), 0};
        int timeout = tally_async_timeout(world->async);

        poll(&fd, 1, timeout < 0 || timeout > 50 ? 50 : timeout);
        CHECK_INT(0, tally_async_process(world->async));
    }
    CHECK_INT(wanted, *value);
}

static void turn_for(struct world *world, int milliseconds)
{
    for (int64_t end = clock_ms() + milliseconds; clock_ms() < end;) {
        struct pollfd fd = {tally_async_fd(world->async), tally_async_events(world->async), 0};

        poll(&fd, 1, 5);
        CHECK_INT(0, tally_async_process(world->async));
    }
}

static int ask(struct world *world, int timeout, tally_callback *callback, void *data, uint32_t *id)
{
    struct tally_request *request = NULL;

    CHECK_INT(0, tally_request_new(&request, "count"));
    tally_request_set_string(request, "trigger", "orders");
    int r = tally_async_call(world->async, request, timeout, callback, data, id);
    tally_request_free(request);
    return r;
}

TEST(calls_are_answered_from_process_alone)
{
    struct world world;
    struct seen seen = {0};

    world_open(&world, reply_count, NULL);
    CHECK_INT(-1, tally_async_timeout(world.async));
    for (int i = 0; i < 200; i++)
        CHECK_INT(0, ask(&world, 5000, on_answer, &seen, NULL));
    CHECK_INT(0, seen.calls);
    CHECK_INT(0, tally_async_timeout(world.async));
    turn_until(&world, &seen.calls, 200);
    CHECK_INT(0, seen.error);
    CHECK_INT(200, seen.count);
    CHECK_INT(-1, tally_async_timeout(world.async));
    CHECK_INT(1, fake_agent_connections(world.agent));
    world_close(&world);
}

TEST(a_count_needs_no_request_of_the_callers)
{
    struct world world;
    struct seen seen = {0};
    uint32_t id = 0;

    world_open(&world, reply_count, NULL);
    CHECK_INT(0, tally_async_count(world.async, "orders", 5000, on_answer, &seen, &id));
    turn_until(&world, &seen.calls, 1);
    CHECK_INT(0, seen.error);
    CHECK_INT(1, seen.count);
    CHECK_INT(TALLY_EARGUMENT, tally_async_count(world.async, NULL, 5000, on_answer, &seen, NULL));
    CHECK_INT(TALLY_EARGUMENT, tally_async_count(world.async, "orders", 0, on_answer, &seen, NULL));
    world_close(&world);
    CHECK_INT(1, seen.calls);
}

TEST(no_more_are_in_flight_than_the_agent_allows)
{
    struct world world;
    struct seen seen = {0};

    world_open(&world, reply_never, NULL);
    for (unsigned i = 0; i < LIMIT_IN_FLIGHT + 5; i++)
        CHECK_INT(0, ask(&world, 400, on_answer, &seen, NULL));
    turn_for(&world, 150);
    CHECK_INT(LIMIT_IN_FLIGHT, fake_agent_requests(world.agent));
    CHECK(tally_async_timeout(world.async) > 0);
    turn_until(&world, &seen.calls, LIMIT_IN_FLIGHT + 5);
    CHECK_INT(TALLY_EDEADLINE, seen.error);
    world_close(&world);
}

TEST(without_an_agent_a_call_fails_soon)
{
    struct world world;
    struct seen seen = {0};

    world_open(&world, NULL, NULL);
    CHECK_INT(0, ask(&world, 60000, on_answer, &seen, NULL));
    turn_until(&world, &seen.calls, 1);
    CHECK_INT(TALLY_ENOAGENT, seen.error);
    world_close(&world);
}

static void ask_again(const struct tally_answer *answer, void *data)
{
    struct world *world = data;

    (void)answer;
    ask(world, 60000, ask_again, data, NULL);
}

TEST(a_callback_that_asks_again_does_not_hold_the_loop)
{
    struct world world;

    world_open(&world, NULL, NULL);
    CHECK_INT(0, ask(&world, 60000, ask_again, &world, NULL));
    for (int i = 0; i < 5; i++)
        CHECK_INT(0, tally_async_process(world.async));
    world_close(&world);
}

TEST(a_restart_of_the_agent_is_not_seen)
{
    struct world world;
    struct seen seen = {0};

    world_open(&world, reply_count, NULL);
    int fd = tally_async_fd(world.async);
    CHECK_INT(0, ask(&world, 5000, on_answer, &seen, NULL));
    turn_until(&world, &seen.calls, 1);
    fake_agent_stop(world.agent);
    CHECK_INT(0, ask(&world, 5000, on_answer, &seen, NULL));
    turn_for(&world, 60);
    CHECK_INT(1, seen.calls);
    world.agent = fake_agent_start(world.path, reply_count, NULL);
    turn_until(&world, &seen.calls, 2);
    CHECK_INT(0, seen.error);
    CHECK_INT(fd, tally_async_fd(world.async));
    world_close(&world);
}

TEST(a_cancelled_call_ends_once_and_later)
{
    struct world world;
    struct seen seen = {0};
    uint32_t id = 0;

    world_open(&world, reply_never, NULL);
    CHECK_INT(0, ask(&world, 5000, on_answer, &seen, &id));
    turn_for(&world, 20);
    CHECK_INT(0, tally_async_cancel(world.async, id));
    CHECK_INT(TALLY_EARGUMENT, tally_async_cancel(world.async, id));
    CHECK_INT(0, seen.calls);
    CHECK_INT(0, tally_async_timeout(world.async));
    turn_until(&world, &seen.calls, 1);
    CHECK_INT(TALLY_ECANCELLED, seen.error);
    CHECK_INT(TALLY_EARGUMENT, tally_async_cancel(world.async, id));
    world_close(&world);
    CHECK_INT(1, seen.calls);
}

TEST(closing_ends_every_call)
{
    struct world world;
    struct seen seen = {0};

    world_open(&world, reply_never, NULL);
    for (int i = 0; i < 3; i++)
        CHECK_INT(0, ask(&world, 5000, on_answer, &seen, NULL));
    CHECK_INT(0, tally_async_watch(world.async, "orders", -1, on_answer, &seen, NULL));
    turn_for(&world, 20);
    world_close(&world);
    CHECK_INT(4, seen.calls);
    CHECK_INT(TALLY_ECLOSED, seen.error);
}

static void close_within(const struct tally_answer *answer, void *data)
{
    struct seen *seen = data;

    on_answer(answer, data);
    tally_async_close(seen->async);
    CHECK_INT(TALLY_ECLOSED, tally_async_cancel(seen->async, 1) == 0
                                 ? 0
                                 : tally_async_watch(seen->async, "x", -1, on_answer, seen, NULL));
}

TEST(a_callback_may_close_its_handle)
{
    struct world world;
    struct seen first = {0}, second = {0};

    world_open(&world, reply_count, NULL);
    first.async = world.async;
    CHECK_INT(0, ask(&world, 5000, close_within, &first, NULL));
    CHECK_INT(0, ask(&world, 5000, on_answer, &second, NULL));
    while (first.calls == 0) {
        struct pollfd fd = {tally_async_fd(world.async), POLLIN, 0};

        poll(&fd, 1, tally_async_timeout(world.async));
        tally_async_process(world.async); /* frees the handle, at last */
    }
    CHECK_INT(1, first.calls);
    CHECK_INT(1, second.calls);
    CHECK_INT(TALLY_ECLOSED, second.error);
    world.async = NULL;
    world_close(&world);
}

/* `watch` is answered with the trigger's full name. */
static bool reply_watch(
    const struct message *request, unsigned count, struct buffer *out, void *data)
{
    unsigned *unwatched = data;

    (void)count;
    if (text_equals(request->method, "unwatch"))
        (*unwatched)++;
    message_begin_answer(out, request->id);
    write_map(out, 1);
    write_string(out, "trigger");
    write_string(out, "default/orders");
    return true;
}

static void push_change(struct world *world, int64_t count)
{
    struct buffer frame;

    buffer_init(&frame, LIMIT_REQUEST_BYTES);
    message_begin_notification(&frame, "changed");
    write_array(&frame, 1);
    pack_count(&frame, count);
    fake_agent_push(world->agent, &frame);
    buffer_free(&frame);
}

static void wait_for_requests(struct world *world, unsigned wanted)
{
    for (int i = 0; i < 400 && fake_agent_requests(world->agent) < wanted; i++)
        turn_for(world, 5);
    turn_for(world, 20);
    CHECK_INT(wanted, fake_agent_requests(world->agent));
}

TEST(a_watch_reports_changes_until_it_is_cancelled)
{
    struct world world;
    struct seen seen = {0};
    unsigned unwatched = 0;
    uint32_t id = 0;

    world_open(&world, reply_watch, &unwatched);
    CHECK_INT(0, tally_async_watch(world.async, "orders", -1, on_answer, &seen, &id));
    wait_for_requests(&world, 1);
    push_change(&world, 7);
    turn_until(&world, &seen.calls, 1);
    CHECK_INT(7, seen.count);
    push_change(&world, 8);
    turn_until(&world, &seen.calls, 2);
    CHECK_INT(8, seen.count);
    CHECK_INT(-1, tally_async_timeout(world.async));
    CHECK_INT(0, tally_async_cancel(world.async, id));
    turn_until(&world, &seen.calls, 3);
    CHECK_INT(TALLY_ECANCELLED, seen.error);
    wait_for_requests(&world, 2);
    CHECK_INT(1, unwatched);
    world_close(&world);
    CHECK_INT(3, seen.calls);
}

/* The agent is asked for each, so that each begins with what is known, and forgets neither while
 * one of them is left. */
TEST(a_second_watch_of_a_trigger_is_subscribed_too)
{
    struct world world;
    struct seen first = {0}, second = {0};
    unsigned unwatched = 0;
    uint32_t ids[2];

    world_open(&world, reply_watch, &unwatched);
    CHECK_INT(0, tally_async_watch(world.async, "orders", 60000, on_answer, &first, &ids[0]));
    wait_for_requests(&world, 1);
    push_change(&world, 7);
    turn_until(&world, &first.calls, 1);
    CHECK_INT(0, tally_async_watch(world.async, "orders", 1000, on_answer, &second, &ids[1]));
    wait_for_requests(&world, 2);
    push_change(&world, 7);
    turn_until(&world, &second.calls, 1);
    CHECK_INT(7, second.count);
    CHECK_INT(0, tally_async_cancel(world.async, ids[0]));
    turn_until(&world, &second.calls, 1);
    wait_for_requests(&world, 2);
    CHECK_INT(0, unwatched);
    push_change(&world, 8);
    turn_until(&world, &second.calls, 2);
    CHECK_INT(8, second.count);
    CHECK_INT(0, tally_async_cancel(world.async, ids[1]));
    wait_for_requests(&world, 3);
    CHECK_INT(1, unwatched);
    world_close(&world);
}

static void push_error(struct world *world, enum error_code code)
{
    struct buffer frame;
    struct failure failure;

    buffer_init(&frame, LIMIT_REQUEST_BYTES);
    failure_set(&failure, code, "told");
    message_begin_notification(&frame, "changed");
    write_array(&frame, 1);
    write_map(&frame, 2);
    write_string(&frame, "trigger");
    write_string(&frame, "default/orders");
    write_string(&frame, "error");
    failure_pack(&frame, &failure, NULL);
    fake_agent_push(world->agent, &frame);
    buffer_free(&frame);
}

TEST(a_watch_reports_errors_and_ends_with_its_trigger)
{
    struct world world;
    struct seen seen = {0};
    unsigned unwatched = 0;

    world_open(&world, reply_watch, &unwatched);
    CHECK_INT(0, tally_async_watch(world.async, "orders", 1000, on_answer, &seen, NULL));
    wait_for_requests(&world, 1);
    push_error(&world, ERROR_THROTTLED);
    turn_until(&world, &seen.calls, 1);
    CHECK_INT(TALLY_ETHROTTLED, seen.error);
    push_change(&world, 3);
    turn_until(&world, &seen.calls, 2);
    CHECK_INT(3, seen.count);
    push_error(&world, ERROR_UNKNOWN_TRIGGER);
    turn_until(&world, &seen.calls, 3);
    CHECK_INT(TALLY_EUNKNOWN_TRIGGER, seen.error);
    push_change(&world, 4);
    turn_for(&world, 20);
    world_close(&world);
    CHECK_INT(3, seen.calls);
}

TEST(a_watch_survives_a_restart_of_the_agent)
{
    struct world world;
    struct seen seen = {0};
    unsigned unwatched = 0;

    world_open(&world, reply_watch, &unwatched);
    CHECK_INT(0, tally_async_watch(world.async, "orders", -1, on_answer, &seen, NULL));
    wait_for_requests(&world, 1);
    fake_agent_stop(world.agent);
    turn_until(&world, &seen.calls, 1);
    CHECK_INT(TALLY_ENOAGENT, seen.error);
    turn_for(&world, 50);
    CHECK_INT(1, seen.calls);
    world.agent = fake_agent_start(world.path, reply_watch, &unwatched);
    wait_for_requests(&world, 1);
    push_change(&world, 9);
    turn_until(&world, &seen.calls, 2);
    CHECK_INT(9, seen.count);
    world_close(&world);
}

static bool reply_unknown(
    const struct message *request, unsigned count, struct buffer *out, void *data)
{
    struct failure failure;

    (void)count;
    (void)data;
    failure_set(&failure, ERROR_UNKNOWN_TRIGGER, "no such trigger");
    message_error(out, request->id, &failure, NULL);
    return true;
}

TEST(a_refused_watch_ends)
{
    struct world world;
    struct seen seen = {0};

    world_open(&world, reply_unknown, NULL);
    CHECK_INT(0, tally_async_watch(world.async, "nope", -1, on_answer, &seen, NULL));
    turn_until(&world, &seen.calls, 1);
    CHECK_INT(TALLY_EUNKNOWN_TRIGGER, seen.error);
    CHECK_INT(-1, tally_async_timeout(world.async));
    world_close(&world);
    CHECK_INT(1, seen.calls);
}

TEST(a_child_can_close_without_disturbing_the_parent)
{
    struct world world;
    struct seen seen = {0};
    int status = 0;

    world_open(&world, reply_count, NULL);
    CHECK_INT(0, ask(&world, 5000, on_answer, &seen, NULL));
    turn_until(&world, &seen.calls, 1);
    pid_t child = fork();
    if (child == 0) {
        tally_async_close(world.async);
        _exit(0);
    }
    waitpid(child, &status, 0);
    CHECK_INT(0, status);
    CHECK_INT(0, ask(&world, 5000, on_answer, &seen, NULL));
    turn_until(&world, &seen.calls, 2);
    CHECK_INT(0, seen.error);
    CHECK_INT(1, fake_agent_connections(world.agent));
    world_close(&world);
}

TEST(bad_arguments_are_refused)
{
    struct world world;
    struct tally_async *none = NULL;
    struct seen seen = {0};

    world_open(&world, reply_count, NULL);
    CHECK_INT(TALLY_EARGUMENT, tally_async_open(&none, ""));
    CHECK(none == NULL);
    CHECK_INT(TALLY_EARGUMENT, ask(&world, 0, on_answer, &seen, NULL));
    CHECK_INT(TALLY_EARGUMENT, ask(&world, 300001, on_answer, &seen, NULL));
    CHECK_INT(TALLY_EARGUMENT, ask(&world, 5000, NULL, &seen, NULL));
    CHECK_INT(TALLY_EARGUMENT, tally_async_watch(world.async, NULL, -1, on_answer, &seen, NULL));
    tally_async_close(NULL);
    world_close(&world);
    CHECK_INT(0, seen.calls);
}

TEST_MAIN(RUN(calls_are_answered_from_process_alone), RUN(a_count_needs_no_request_of_the_callers),
    RUN(no_more_are_in_flight_than_the_agent_allows), RUN(without_an_agent_a_call_fails_soon),
    RUN(a_callback_that_asks_again_does_not_hold_the_loop), RUN(a_restart_of_the_agent_is_not_seen),
    RUN(a_cancelled_call_ends_once_and_later), RUN(closing_ends_every_call),
    RUN(a_callback_may_close_its_handle), RUN(a_watch_reports_changes_until_it_is_cancelled),
    RUN(a_second_watch_of_a_trigger_is_subscribed_too),
    RUN(a_watch_reports_errors_and_ends_with_its_trigger),
    RUN(a_watch_survives_a_restart_of_the_agent), RUN(a_refused_watch_ends),
    RUN(a_child_can_close_without_disturbing_the_parent), RUN(bad_arguments_are_refused))
