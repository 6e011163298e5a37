#include "agent/aws/sockets.h"
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

static void setup(struct world *world)
{
    *world = (struct world){.loop = loop_create()};
    CHECK_INT(0, socketpair(AF_UNIX, SOCK_STREAM, 0, world->pair));
    sockets_init(&world->sockets, world->loop, on_event, world);
}

static void teardown(struct world *world)
{
    sockets_clear(&world->sockets);
    close(world->pair[0]);
    close(world->pair[1]);
    loop_destroy(world->loop); /* complains of watches that are left */
}

TEST(what_is_wanted_is_told)
{
    struct world world;

    setup(&world);
    CHECK_INT(0, sockets_watch(&world.sockets, world.pair[0], LOOP_READABLE));
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
    CHECK_INT(0, sockets_watch(&world.sockets, world.pair[0], LOOP_READABLE));
    sockets_leave(&world.sockets, world.pair[0]);
    CHECK(ring_is_empty(&world.sockets.known));
    sockets_leave(&world.sockets, world.pair[0]); /* nothing is left of it */
    teardown(&world);
}

TEST(an_idle_connection_stays_watched_and_tells_nothing)
{
    struct world world;

    setup(&world);
    CHECK_INT(0, sockets_open(&world.sockets, world.pair[0]));
    CHECK_INT(0, sockets_watch(&world.sockets, world.pair[0], LOOP_READABLE));
    sockets_leave(&world.sockets, world.pair[0]);
    CHECK(!ring_is_empty(&world.sockets.known));
    CHECK_INT(0, close(world.pair[1]));
    world.pair[1] = -1;
    CHECK(fake_loop_deliver(world.loop));  /* its end is seen once, … */
    CHECK(!fake_loop_deliver(world.loop)); /* … and does not keep the loop busy */
    CHECK_INT(0, world.fired);
    /* The next request hears of it. */
    CHECK_INT(0, sockets_watch(&world.sockets, world.pair[0], LOOP_READABLE));
    CHECK(fake_loop_deliver(world.loop));
    CHECK_INT(1, world.fired);
    teardown(&world);
}

TEST(an_idle_connection_is_not_watched_for_writing)
{
    struct world world;

    setup(&world);
    CHECK_INT(0, sockets_open(&world.sockets, world.pair[0]));
    CHECK_INT(0, sockets_watch(&world.sockets, world.pair[0], LOOP_WRITABLE));
    CHECK(fake_loop_deliver(world.loop));
    CHECK_INT(1, world.fired);
    sockets_leave(&world.sockets, world.pair[0]);
    CHECK(!fake_loop_deliver(world.loop));
    CHECK_INT(1, world.fired);
    teardown(&world);
}

TEST(a_connection_that_is_closed_is_forgotten)
{
    struct world world;

    setup(&world);
    CHECK_INT(0, sockets_open(&world.sockets, world.pair[0]));
    CHECK_INT(0, sockets_watch(&world.sockets, world.pair[0], LOOP_READABLE));
    sockets_forget(&world.sockets, world.pair[0]);
    CHECK(ring_is_empty(&world.sockets.known));
    sockets_forget(&world.sockets, world.pair[0]);
    /* The number is another's now. */
    CHECK_INT(0, sockets_watch(&world.sockets, world.pair[0], LOOP_READABLE));
    sockets_leave(&world.sockets, world.pair[0]);
    CHECK(ring_is_empty(&world.sockets.known));
    teardown(&world);
}

/* As a connection that nobody accepted in time. */
TEST(a_connection_that_is_closed_without_a_word_is_forgotten)
{
    struct world world;

    setup(&world);
    CHECK_INT(0, sockets_open(&world.sockets, world.pair[0]));
    CHECK_INT(0, sockets_watch(&world.sockets, world.pair[0], LOOP_WRITABLE));
    CHECK_INT(0, close(world.pair[0]));
    sockets_leave(&world.sockets, world.pair[0]);
    CHECK(ring_is_empty(&world.sockets.known));
    world.pair[0] = -1;
    teardown(&world);
}

TEST(a_number_that_is_anothers_now_is_not_watched)
{
    struct world world;
    int other;

    setup(&world);
    CHECK_INT(0, sockets_open(&world.sockets, world.pair[0]));
    CHECK_INT(0, sockets_watch(&world.sockets, world.pair[0], LOOP_WRITABLE));
    other = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_INT(world.pair[0], dup2(other, world.pair[0]));
    close(other);
    sockets_leave(&world.sockets, world.pair[0]);
    CHECK(ring_is_empty(&world.sockets.known));
    teardown(&world);
}

/* libcurl sees one number that it wants the same of, and says nothing. */
TEST(the_next_connection_with_the_number_is_watched_as_the_last_was)
{
    struct world world;
    int pair[2];

    setup(&world);
    CHECK_INT(0, sockets_open(&world.sockets, world.pair[0]));
    CHECK_INT(0, sockets_watch(&world.sockets, world.pair[0], LOOP_READABLE));
    CHECK_INT(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    CHECK_INT(world.pair[0], dup2(pair[0], world.pair[0]));
    close(pair[0]);
    CHECK_INT(0, sockets_open(&world.sockets, world.pair[0]));
    CHECK_INT(1, write(pair[1], "x", 1));
    CHECK(fake_loop_deliver(world.loop));
    CHECK_INT(1, world.fired);
    sockets_forget(&world.sockets, world.pair[0]);
    CHECK(ring_is_empty(&world.sockets.known)); /* one, not two */
    close(pair[1]);
    teardown(&world);
}

TEST_MAIN(RUN(what_is_wanted_is_told), RUN(what_is_left_is_forgotten),
    RUN(an_idle_connection_stays_watched_and_tells_nothing),
    RUN(an_idle_connection_is_not_watched_for_writing),
    RUN(a_connection_that_is_closed_is_forgotten),
    RUN(a_connection_that_is_closed_without_a_word_is_forgotten),
    RUN(a_number_that_is_anothers_now_is_not_watched),
    RUN(the_next_connection_with_the_number_is_watched_as_the_last_was))
