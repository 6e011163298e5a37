/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/clock.h"
#include "tests/unit/client_world.h"

#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Hangs up instead of answering every second request. */
static bool reply_hang_up(
    const struct message *request, unsigned count, struct buffer *out, void *data)
{
    (void)data;
    if (count % 2 == 0)
        return false;
    answer_count(out, request->id, count);
    return true;
}

TEST(a_lost_connection_is_not_seen_by_the_caller)
{
    struct world world;
    int64_t count = 0;

    world_open(&world, reply_hang_up, NULL);
    CHECK_INT(0, tally_count(world.tally, "orders", &count));
    CHECK_INT(1, count);
    CHECK_INT(0, tally_count(world.tally, "orders", &count));
    CHECK_INT(3, count);
    CHECK_INT(2, fake_agent_connections(world.agent));
    world_close(&world);
}

static void *start_later(void *data)
{
    struct world *world = data;

    usleep(150 * 1000);
    world->agent = fake_agent_start(world->path, reply_count, NULL);
    return NULL;
}

TEST(a_restart_of_the_agent_is_not_seen_by_the_caller)
{
    struct world world;
    pthread_t thread;
    int64_t count = 0;

    world_open(&world, reply_count, NULL);
    CHECK_INT(0, tally_count(world.tally, "orders", &count));
    fake_agent_stop(world.agent);
    pthread_create(&thread, NULL, start_later, &world);
    CHECK_INT(0, tally_count(world.tally, "orders", &count));
    pthread_join(thread, NULL);
    world_close(&world);
}

TEST(a_handle_can_wait_for_an_agent_that_was_never_there)
{
    struct world world;
    pthread_t thread;

    world_open(&world, NULL, NULL);
    tally_set_wait_for_agent(world.tally, 1);
    pthread_create(&thread, NULL, start_later, &world);
    CHECK_INT(0, tally_ping(world.tally));
    pthread_join(thread, NULL);
    world_close(&world);
}

TEST(who_waited_in_vain_does_not_wait_again)
{
    struct world world;

    world_open(&world, reply_count, NULL);
    tally_set_timeout(world.tally, 300);
    CHECK_INT(0, tally_ping(world.tally));
    fake_agent_stop(world.agent);
    world.agent = NULL;
    int64_t start = clock_ms();
    CHECK_INT(TALLY_ENOAGENT, tally_ping(world.tally));
    CHECK(clock_ms() - start >= 150);
    tally_set_timeout(world.tally, 60000);
    CHECK_INT(TALLY_ENOAGENT, tally_ping(world.tally));
    CHECK(clock_ms() - start < 20000);
    world_close(&world);
}

static bool reply_shutdown(
    const struct message *request, unsigned count, struct buffer *out, void *data)
{
    struct failure failure;

    (void)data;
    if (count != 2) {
        answer_count(out, request->id, count);
        return true;
    }
    failure_set(&failure, ERROR_SHUTTING_DOWN, "bye");
    message_error(out, request->id, &failure, NULL);
    return false;
}

TEST(an_agent_that_shuts_down_is_asked_again_when_it_is_back)
{
    struct world world;
    int64_t count = 0;

    world_open(&world, reply_shutdown, NULL);
    CHECK_INT(0, tally_ping(world.tally));
    CHECK_INT(0, tally_count(world.tally, "orders", &count));
    CHECK_INT(3, count);
    world_close(&world);
}

TEST(a_child_gets_a_connection_of_its_own)
{
    struct world world;
    int answer[2], r = -1, status = 0;

    CHECK_INT(0, pipe(answer));
    world_open(&world, reply_count, NULL);
    CHECK_INT(0, tally_ping(world.tally));
    pid_t child = fork();
    if (child == 0) {
        r = tally_ping(world.tally);
        tally_close(world.tally);
        /* Not as the exit status: valgrind misses there what the agent's thread held, which no
         * child has. */
        _exit(write(answer[1], &r, sizeof(r)) == sizeof(r) ? 0 : 1);
    }
    close(answer[1]);
    CHECK_INT(sizeof(r), read(answer[0], &r, sizeof(r)));
    CHECK_INT(0, r);
    close(answer[0]);
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status));
    CHECK_INT(0, tally_ping(world.tally));
    CHECK_INT(2, fake_agent_connections(world.agent));
    CHECK_INT(3, fake_agent_requests(world.agent));
    world_close(&world);
}

TEST(a_path_may_be_longer_than_an_address)
{
    struct world world;
    char part[121], path[512];

    memset(part, 'x', sizeof(part) - 1);
    part[sizeof(part) - 1] = '\0';
    world_open(&world, NULL, NULL);
    snprintf(path, sizeof(path), "%s/%s", world.folder, part);
    mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/%s/tally.sock", world.folder, part);
    struct fake_agent *agent = fake_agent_start(path, reply_count, NULL);
    struct tally *tally = NULL;
    CHECK_INT(0, tally_open(&tally, path));
    CHECK_INT(0, tally_ping(tally));
    tally_close(tally);
    fake_agent_stop(agent);
    snprintf(path, sizeof(path), "%s/%s", world.folder, part);
    rmdir(path);
    world_close(&world);
}

TEST_MAIN(RUN(a_lost_connection_is_not_seen_by_the_caller),
    RUN(a_restart_of_the_agent_is_not_seen_by_the_caller),
    RUN(a_handle_can_wait_for_an_agent_that_was_never_there),
    RUN(who_waited_in_vain_does_not_wait_again),
    RUN(an_agent_that_shuts_down_is_asked_again_when_it_is_back),
    RUN(a_child_gets_a_connection_of_its_own), RUN(a_path_may_be_longer_than_an_address))
