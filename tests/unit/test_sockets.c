/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/aws/multi.h"
#include "tests/fake/fake_loop.h"
#include "tests/unit/test.h"

#include <sys/socket.h>
#include <unistd.h>

struct world {
    struct loop *loop;
    struct sockets sockets;
    int pair[2]; /* [0] is watched, [1] is the peer's */
    int fired;
    unsigned events;
};

static void on_event(void *data, int fd, unsigned events)
{
    struct world *world = data;

    CHECK_INT(world->pair[0], fd);
    world->fired++;
    world->events = events;
}

static void watch(struct world *world, unsigned events)
{
    CHECK_INT(0, sockets_watch(&world->sockets, world->pair[0], events));
}

static void leave(struct world *world)
{
    sockets_leave(&world->sockets, world->pair[0]);
}

static bool is_known(const struct world *world)
{
    return !ring_is_empty(&world->sockets.known);
}

static void setup(struct world *world)
{
    *world = (struct world){.loop = loop_create()};
    CHECK_INT(0, socketpair(AF_UNIX, SOCK_STREAM, 0, world->pair));
    sockets_init(&world->sockets, world->loop, on_event, world);
}

/* A socket that was opened for a connection, and is watched. */
static void setup_connection(struct world *world, unsigned events)
{
    setup(world);
    CHECK_INT(0, sockets_open(&world->sockets, world->pair[0]));
    watch(world, events);
}

static void teardown(struct world *world)
{
    sockets_clear(&world->sockets);
    close(world->pair[0]);
    close(world->pair[1]);
    loop_destroy(world->loop); /* complains of watches that are left */
}

/* Closes what is watched, and gives its number to this socket. */
static void give_number_to(struct world *world, int fd)
{
    CHECK_INT(world->pair[0], dup2(fd, world->pair[0]));
    close(fd);
}

TEST(what_is_wanted_is_reported)
{
    struct world world;

    setup(&world);
    watch(&world, LOOP_READABLE);
    CHECK(!fake_loop_deliver(world.loop));
    CHECK_INT(1, write(world.pair[1], "x", 1));
    CHECK(fake_loop_deliver(world.loop));
    CHECK_INT(1, world.fired);
    CHECK_INT(LOOP_READABLE, world.events);
    teardown(&world);
}

TEST(what_is_left_is_forgotten)
{
    struct world world;

    setup(&world);
    watch(&world, LOOP_READABLE);
    leave(&world);
    CHECK(!is_known(&world));
    leave(&world); /* nothing is left of it */
    teardown(&world);
}

TEST(an_idle_connection_stays_watched_and_shows_nothing)
{
    struct world world;

    setup_connection(&world, LOOP_READABLE);
    leave(&world);
    CHECK(is_known(&world));
    CHECK_INT(0, close(world.pair[1]));
    world.pair[1] = -1;
    CHECK(fake_loop_deliver(world.loop));  /* its end is seen once, … */
    CHECK(!fake_loop_deliver(world.loop)); /* … and does not keep the loop busy */
    CHECK_INT(0, world.fired);
    /* The next request hears of it. */
    watch(&world, LOOP_READABLE);
    CHECK(fake_loop_deliver(world.loop));
    CHECK_INT(1, world.fired);
    teardown(&world);
}

TEST(an_idle_connection_is_not_watched_for_writing)
{
    struct world world;

    setup_connection(&world, LOOP_WRITABLE);
    CHECK(fake_loop_deliver(world.loop));
    CHECK_INT(1, world.fired);
    leave(&world);
    CHECK(!fake_loop_deliver(world.loop));
    CHECK_INT(1, world.fired);
    teardown(&world);
}

TEST(a_connection_that_is_closed_is_forgotten)
{
    struct world world;

    setup_connection(&world, LOOP_READABLE);
    sockets_forget(&world.sockets, world.pair[0]);
    CHECK(!is_known(&world));
    sockets_forget(&world.sockets, world.pair[0]);
    /* The number is another's now. */
    watch(&world, LOOP_READABLE);
    leave(&world);
    CHECK(!is_known(&world));
    teardown(&world);
}

/* As a connection that was not accepted in time. */
TEST(a_connection_that_is_closed_without_a_word_is_forgotten)
{
    struct world world;

    setup_connection(&world, LOOP_WRITABLE);
    CHECK_INT(0, close(world.pair[0]));
    leave(&world);
    CHECK(!is_known(&world));
    world.pair[0] = -1;
    teardown(&world);
}

TEST(a_number_that_is_anothers_now_is_not_watched)
{
    struct world world;

    setup_connection(&world, LOOP_WRITABLE);
    give_number_to(&world, socket(AF_UNIX, SOCK_STREAM, 0));
    leave(&world);
    CHECK(!is_known(&world));
    teardown(&world);
}

/* libcurl sees one number that it wants the same of, and says nothing. */
TEST(the_next_connection_with_the_number_is_watched_as_the_last_was)
{
    struct world world;
    int pair[2];

    setup_connection(&world, LOOP_READABLE);
    CHECK_INT(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    give_number_to(&world, pair[0]);
    CHECK_INT(0, sockets_open(&world.sockets, world.pair[0]));
    CHECK_INT(1, write(pair[1], "x", 1));
    CHECK(fake_loop_deliver(world.loop));
    CHECK_INT(1, world.fired);
    sockets_forget(&world.sockets, world.pair[0]);
    CHECK(!is_known(&world)); /* one, not two */
    close(pair[1]);
    teardown(&world);
}

TEST_MAIN(RUN(what_is_wanted_is_reported), RUN(what_is_left_is_forgotten),
    RUN(an_idle_connection_stays_watched_and_shows_nothing),
    RUN(an_idle_connection_is_not_watched_for_writing),
    RUN(a_connection_that_is_closed_is_forgotten),
    RUN(a_connection_that_is_closed_without_a_word_is_forgotten),
    RUN(a_number_that_is_anothers_now_is_not_watched),
    RUN(the_next_connection_with_the_number_is_watched_as_the_last_was))
