/* SPDX-License-Identifier: Apache-2.0 */
/* The way to the agent, with one that says what a test wants. */
#include "client/bridge/activity.h"
#include "proto/clock.h"
#include "proto/limits.h"
#include "proto/writer.h"
#include "tests/fake/fake_agent.h"
#include "tests/fake/fake_loop.h"
#include "tests/unit/test.h"

#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 5000

/* What the agent has, and what it was asked. */
struct shelf {
    atomic_int activation, count;
    atomic_bool refuses_watch;
    atomic_uint counts, lists, watches, unwatches, pings;
    atomic_int enough; /* of the last count; 0: not given */
};

struct world {
    char folder[64], path[96];
    struct shelf shelf;
    struct fake_agent *agent;
    struct loop *loop;
    struct agent_link *link;
    unsigned turns;
};

/* What a callback has seen. */
struct seen {
    unsigned calls;
    int error; /* of the last */
    bool active;
    int64_t count;
};

/* ---- the agent ---- */

static void pack_count(struct buffer *out, const struct shelf *shelf)
{
    struct map map = map_begin(out);

    map_string(&map, "trigger", "shop/orders");
    map_int(&map, "count", shelf->count);
    map_bool(&map, "active", shelf->count > shelf->activation);
    map_int(&map, "activation_target", shelf->activation);
    map_end(&map);
}

static void pack_list(struct buffer *out, const struct shelf *shelf)
{
    struct map map = map_begin(out), row;

    write_array(map_key(&map, "triggers"), 1);
    row = map_begin(out);
    map_string(&row, "name", "shop/orders");
    map_int(&row, "activation_target", shelf->activation);
    map_end(&row);
    map_end(&map);
}

static int asked_enough(const struct message *request)
{
    static const char key[] = "\xa6"
                              "enough";
    size_t len = (size_t)(request->params.end - request->params.at);
    const uint8_t *at = memmem(request->params.at, len, key, sizeof(key) - 1);

    return at != NULL ? at[sizeof(key) - 1] : 0; /* of one byte */
}

static void answer_count(struct shelf *shelf, const struct message *request, struct buffer *out)
{
    int enough = asked_enough(request), whole = shelf->count;
    struct shelf counted = {.activation = shelf->activation};

    shelf->counts++;
    shelf->enough = enough;
    counted.count = enough > 0 && enough < whole ? enough : whole;
    message_begin_answer(out, request->id);
    pack_count(out, &counted);
}

static bool reply(const struct message *request, unsigned count, struct buffer *out, void *data)
{
    struct shelf *shelf = data;

    (void)count;
    if (text_equals(request->method, "count")) {
        answer_count(shelf, request, out);
        return true;
    }
    shelf->lists += text_equals(request->method, "list");
    shelf->watches += text_equals(request->method, "watch");
    shelf->unwatches += text_equals(request->method, "unwatch");
    shelf->pings += text_equals(request->method, "ping");
    if (shelf->refuses_watch && text_equals(request->method, "watch")) {
        message_error(out, request->id,
            &(struct failure){.code = ERROR_BUSY, .message = "too many watches"}, NULL);
        return true;
    }
    message_begin_answer(out, request->id);
    if (text_equals(request->method, "list"))
        pack_list(out, shelf);
    else
        write_map(out, 0);
    return true;
}

static void push_change(struct world *world)
{
    struct buffer frame;

    buffer_init(&frame, LIMIT_REQUEST_BYTES);
    message_begin_notification(&frame, "changed");
    write_array(&frame, 1);
    pack_count(&frame, &world->shelf);
    fake_agent_push(world->agent, &frame);
    buffer_free(&frame);
}

/* ---- the world ---- */

static void on_turned(void *data)
{
    unsigned *turns = data;

    ++*turns;
}

static void world_open(struct world *world)
{
    *world = (struct world){.shelf = {.count = 100}};
    fake_folder_make(world->folder, sizeof(world->folder));
    snprintf(world->path, sizeof(world->path), "%s/tally.sock", world->folder);
    world->agent = fake_agent_start(world->path, reply, &world->shelf);
    world->loop = loop_create();
    world->link = agent_link_create(&(struct agent_link_options){
        .loop = world->loop, .socket = world->path, .turned = on_turned, .data = &world->turns});
    CHECK(world->loop != NULL && world->link != NULL);
}

static void world_close(struct world *world)
{
    agent_link_destroy(world->link);
    CHECK_INT(-1, fake_loop_next(world->loop));
    loop_destroy(world->loop);
    if (world->agent != NULL)
        fake_agent_stop(world->agent);
    fake_folder_remove(world->folder);
}

/* One round of the loop, whose clock goes on by 1 ms. */
static void loop_round(struct world *world)
{
    fake_loop_advance(world->loop, 1);
    if (!fake_loop_deliver(world->loop))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void turn(struct world *world)
{
    agent_link_turn(world->link);
    loop_round(world);
}

static void turn_until(struct world *world, const unsigned *value, unsigned wanted)
{
    for (int64_t end = clock_ms() + WAIT_MS; *value < wanted && clock_ms() < end;)
        turn(world);
    CHECK_INT(wanted, *value);
}

static void turn_until_asked(struct world *world, const atomic_uint *value, unsigned wanted)
{
    for (int64_t end = clock_ms() + WAIT_MS; *value < wanted && clock_ms() < end;)
        turn(world);
    CHECK_INT(wanted, *value);
}

static void turn_for(struct world *world, unsigned milliseconds)
{
    for (unsigned i = 0; i < milliseconds; i++)
        turn(world);
}

static void on_answer(const struct tally_answer *answer, void *data)
{
    struct seen *seen = data;

    seen->calls++;
    seen->error = tally_answer_error(answer);
    seen->count = -1;
    tally_answer_integer(answer, "count", &seen->count);
}

static void on_watch_state(const struct watch_state *state, void *data)
{
    struct seen *seen = data;

    seen->calls++;
    seen->error = state->error;
    seen->active = state->active;
}

/* ---- questions ---- */

TEST(the_same_question_is_asked_once)
{
    struct world world;
    struct seen seen[3] = {{0}};
    struct link_waiter waiters[3];
    struct agent_link_stats stats;

    world_open(&world);
    for (int i = 0; i < 3; i++) {
        link_waiter_init(&waiters[i], on_answer, &seen[i]);
        CHECK_INT(0, agent_link_count(world.link, "orders", 0, &waiters[i]));
    }
    CHECK_INT(0, seen[0].calls);
    turn_until(&world, &seen[2].calls, 1);
    for (int i = 0; i < 3; i++)
        CHECK_INT(100, seen[i].count);
    CHECK_INT(1, world.shelf.counts);
    agent_link_read_stats(world.link, &stats);
    CHECK_INT(3, stats.calls);
    CHECK_INT(2, stats.joined);
    CHECK(stats.up);
    world_close(&world);
}

TEST(questions_for_different_thresholds_are_not_joined)
{
    struct world world;
    struct seen seen[3] = {{0}};
    struct link_waiter waiters[3];

    world_open(&world);
    for (int i = 0; i < 3; i++) {
        link_waiter_init(&waiters[i], on_answer, &seen[i]);
        CHECK_INT(0, agent_link_count(world.link, "orders", i, &waiters[i]));
    }
    turn_until(&world, &seen[2].calls, 1);
    turn_until(&world, &seen[0].calls, 1);
    CHECK_INT(100, seen[0].count);
    CHECK_INT(1, seen[1].count);
    CHECK_INT(2, seen[2].count);
    world_close(&world);
}

TEST(a_waiter_that_left_is_not_called)
{
    struct world world;
    struct seen left = {0}, stays = {0};
    struct link_waiter waiters[2];

    world_open(&world);
    link_waiter_init(&waiters[0], on_answer, &left);
    link_waiter_init(&waiters[1], on_answer, &stays);
    CHECK_INT(0, agent_link_call(world.link, "ping", &waiters[0]));
    CHECK_INT(0, agent_link_call(world.link, "ping", &waiters[1]));
    link_waiter_cancel(&waiters[0]);
    turn_until(&world, &stays.calls, 1);
    CHECK_INT(0, left.calls);
    link_waiter_cancel(&waiters[1]);
    world_close(&world);
}

TEST(an_agent_that_is_away_is_an_error_and_its_names_are_forgotten)
{
    struct world world;
    struct seen seen = {0};
    struct link_waiter waiter;
    struct agent_link_stats stats;

    world_open(&world);
    agent_link_note(world.link, "orders", &(struct trigger_entry){"shop/orders", 3});
    CHECK_INT(3, agent_link_recall(world.link, "orders")->activation);
    fake_agent_stop(world.agent);
    world.agent = NULL;
    link_waiter_init(&waiter, on_answer, &seen);
    CHECK_INT(0, agent_link_count(world.link, "orders", 0, &waiter));
    turn_until(&world, &seen.calls, 1);
    CHECK(seen.error < 0);
    CHECK_INT(-1, seen.count);
    agent_link_read_stats(world.link, &stats);
    CHECK(!stats.up);
    CHECK_INT(1, stats.lost);
    CHECK(agent_link_recall(world.link, "orders") == NULL);
    world_close(&world);
}

/* ---- watches ---- */

static void watch(struct world *world, struct link_watcher *watcher, struct seen *seen)
{
    link_watcher_init(watcher, on_watch_state, seen);
    CHECK_INT(0, agent_link_watch(world->link, "shop/orders", watcher));
}

TEST(watchers_share_a_watch_and_each_hears_what_is_known)
{
    struct world world;
    struct seen seen[2] = {{0}};
    struct link_watcher watchers[2];
    unsigned before;
    bool active = false;

    world_open(&world);
    watch(&world, &watchers[0], &seen[0]);
    turn_until_asked(&world, &world.shelf.watches, 1);
    CHECK(!agent_link_knows(world.link, "shop/orders", &active));
    before = world.turns;
    push_change(&world);
    for (int64_t end = clock_ms() + WAIT_MS; seen[0].calls < 1 && clock_ms() < end;)
        loop_round(&world); /* not agent_link_turn, which may receive it before the loop does */
    CHECK_INT(1, seen[0].calls);
    CHECK(world.turns > before);
    CHECK(agent_link_knows(world.link, "shop/orders", &active) && active);
    watch(&world, &watchers[1], &seen[1]);
    CHECK_INT(0, seen[1].calls);
    turn_until(&world, &seen[1].calls, 1);
    world.shelf.count = 99;
    push_change(&world); /* it is active as before: no news */
    world.shelf.count = 0;
    push_change(&world);
    turn_until(&world, &seen[0].calls, 2);
    turn_until(&world, &seen[1].calls, 2);
    CHECK(!seen[0].active && !seen[1].active);
    CHECK_INT(1, world.shelf.watches);
    link_unwatch(&watchers[0]);
    turn_for(&world, 5);
    CHECK_INT(0, world.shelf.unwatches);
    link_unwatch(&watchers[1]);
    turn_until_asked(&world, &world.shelf.unwatches, 1);
    CHECK(!agent_link_knows(world.link, "shop/orders", &active));
    world_close(&world);
}

TEST(a_state_found_otherwise_reaches_watchers_without_one)
{
    struct world world;
    struct seen seen = {0};
    struct link_watcher watcher;

    world_open(&world);
    watch(&world, &watcher, &seen);
    turn_until_asked(&world, &world.shelf.watches, 1);
    link_watcher_learn(&watcher, true);
    CHECK_INT(1, seen.calls);
    CHECK(seen.active);
    link_watcher_learn(&watcher, false);
    push_change(&world); /* the state that it has */
    turn_for(&world, 20);
    CHECK_INT(1, seen.calls);
    link_unwatch(&watcher);
    world_close(&world);
}

TEST(a_refused_watch_ends)
{
    struct world world;
    struct seen seen = {0};
    struct link_watcher watcher;
    struct agent_link_stats stats;

    world_open(&world);
    world.shelf.refuses_watch = true;
    watch(&world, &watcher, &seen);
    turn_until(&world, &seen.calls, 1);
    CHECK_INT(TALLY_EBUSY, seen.error);
    CHECK(watcher.watch == NULL);
    agent_link_read_stats(world.link, &stats);
    CHECK_INT(0, stats.watches);
    link_unwatch(&watcher);
    world_close(&world);
}

TEST(a_watch_of_an_agent_that_is_away_knows_nothing)
{
    struct world world;
    struct seen seen = {0};
    struct link_watcher watcher;
    bool active;

    world_open(&world);
    watch(&world, &watcher, &seen);
    turn_until_asked(&world, &world.shelf.watches, 1);
    push_change(&world);
    turn_until(&world, &seen.calls, 1);
    fake_agent_stop(world.agent);
    world.agent = NULL;
    for (int64_t end = clock_ms() + WAIT_MS;
         agent_link_knows(world.link, "shop/orders", &active) && clock_ms() < end;)
        turn(&world);
    CHECK(!agent_link_knows(world.link, "shop/orders", &active));
    CHECK_INT(1, seen.calls); /* silence, and not inactive */
    link_unwatch(&watcher);
    world_close(&world);
}

/* ---- activity ---- */

static void ask(struct world *world, struct activity *activity, struct seen *seen)
{
    bool active;

    activity_init(activity, world->link, on_watch_state, seen);
    CHECK_INT(0, activity_start(activity, "orders", &active));
}

TEST(activity_asks_for_one_item_above_the_activation)
{
    struct world world;
    struct seen seen = {0};
    struct activity activity;

    world_open(&world);
    world.shelf.activation = 30;
    ask(&world, &activity, &seen);
    turn_until(&world, &seen.calls, 1);
    CHECK(seen.active);
    CHECK_INT(31, world.shelf.enough);
    ask(&world, &activity, &seen);
    turn_until(&world, &seen.calls, 2);
    CHECK_INT(1, world.shelf.lists); /* kept */
    CHECK_INT(2, world.shelf.counts);
    fake_loop_advance(world.loop, BOOK_MS);
    ask(&world, &activity, &seen);
    turn_until(&world, &seen.calls, 3);
    CHECK_INT(2, world.shelf.lists);
    world_close(&world);
}

TEST(activity_asks_again_where_the_activation_was_raised)
{
    struct world world;
    struct seen seen = {0};
    struct activity activity;

    world_open(&world);
    ask(&world, &activity, &seen);
    turn_until(&world, &seen.calls, 1);
    CHECK_INT(1, world.shelf.enough);
    world.shelf.activation = 60;
    ask(&world, &activity, &seen);
    turn_until(&world, &seen.calls, 2);
    CHECK(seen.active);
    CHECK_INT(61, world.shelf.enough);
    world.shelf.activation = 100;
    ask(&world, &activity, &seen);
    turn_until(&world, &seen.calls, 3);
    CHECK(!seen.active);
    CHECK_INT(101, world.shelf.enough);
    CHECK_INT(1, world.shelf.lists);
    world_close(&world);
}

TEST(activity_of_a_watched_trigger_is_the_watch_s)
{
    struct world world;
    struct seen seen = {0}, first = {0};
    struct activity activity;
    struct link_watcher watcher;
    bool active = false;

    world_open(&world);
    watch(&world, &watcher, &first);
    turn_until_asked(&world, &world.shelf.watches, 1);
    push_change(&world);
    turn_until(&world, &first.calls, 1);
    world.shelf.count = 0;
    ask(&world, &activity, &seen); /* the name is looked up */
    turn_until(&world, &seen.calls, 1);
    CHECK(seen.active);
    activity_init(&activity, world.link, on_watch_state, &seen);
    CHECK_INT(ACTIVITY_KNOWN, activity_start(&activity, "orders", &active));
    CHECK(active);
    CHECK_INT(0, world.shelf.counts);
    link_unwatch(&watcher);
    world_close(&world);
}

TEST(activity_that_was_left_is_not_reported)
{
    struct world world;
    struct seen seen = {0};
    struct activity activity;

    world_open(&world);
    ask(&world, &activity, &seen);
    activity_cancel(&activity);
    activity_cancel(&activity);
    turn_until_asked(&world, &world.shelf.lists, 1);
    turn_for(&world, 20);
    CHECK_INT(0, seen.calls);
    CHECK_INT(0, world.shelf.counts);
    world_close(&world);
}

TEST(activity_of_an_agent_that_is_away_is_an_error)
{
    struct world world;
    struct seen seen = {0};
    struct activity activity;

    world_open(&world);
    fake_agent_stop(world.agent);
    world.agent = NULL;
    ask(&world, &activity, &seen);
    turn_until(&world, &seen.calls, 1);
    CHECK(seen.error < 0);
    world_close(&world);
}

TEST_MAIN(RUN(the_same_question_is_asked_once),
    RUN(questions_for_different_thresholds_are_not_joined), RUN(a_waiter_that_left_is_not_called),
    RUN(an_agent_that_is_away_is_an_error_and_its_names_are_forgotten),
    RUN(watchers_share_a_watch_and_each_hears_what_is_known),
    RUN(a_state_found_otherwise_reaches_watchers_without_one), RUN(a_refused_watch_ends),
    RUN(a_watch_of_an_agent_that_is_away_knows_nothing),
    RUN(activity_asks_for_one_item_above_the_activation),
    RUN(activity_asks_again_where_the_activation_was_raised),
    RUN(activity_of_a_watched_trigger_is_the_watch_s), RUN(activity_that_was_left_is_not_reported),
    RUN(activity_of_an_agent_that_is_away_is_an_error))
