/* One connection: what its peer reads late, and what that must not cost it. */
#include "agent/ipc/session.h"

#include "tests/unit/count_world.h"

#include <sys/socket.h>
#include <unistd.h>

#define PINGS 5000 /* sent at once: less than the session reads at once */

struct desk {
    struct bench bench;
    struct socket_path path;
    struct server *server;
    struct session *session;
    int client;
    bool told; /* of a change */
};

static void drained(void *data)
{
    (void)data;
}

static void desk_open(struct desk *desk)
{
    struct ucred peer = {.pid = 1};
    int pair[2], listener[2];

    memset(desk, 0, sizeof(*desk));
    bench_open(&desk->bench, "false");
    CHECK_INT(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
    CHECK_INT(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, listener));
    close(listener[1]);
    desk->path = (struct socket_path){.fd = listener[0]};
    desk->client = pair[0];
    desk->server = server_create(&(struct server_options){.loop = desk->bench.loop,
        .counter = desk->bench.counter,
        .identities = desk->bench.identities,
        .client = desk->bench.client,
        .socket_path = &desk->path,
        .max_buffer = 8u << 20,
        .drained = drained});
    CHECK(desk->server != NULL);
    loop_watch_set(desk->server->watch, 0); /* nobody else comes */
    desk->session = session_create(desk->server, pair[1], &peer, NULL);
    CHECK(desk->session != NULL);
}

static void desk_close(struct desk *desk)
{
    close(desk->client);
    server_destroy(desk->server);
    close(desk->path.fd);
    bench_close(&desk->bench);
}

/* Takes what has arrived at the client. */
static void client_read(struct desk *desk)
{
    uint8_t bytes[65536];
    ssize_t n;

    while ((n = recv(desk->client, bytes, sizeof(bytes), 0)) > 0)
        desk->told |= memmem(bytes, (size_t)n, "changed", strlen("changed")) != NULL;
}

static void answer_late(struct desk *desk)
{
    struct failure failure;

    failure_set(&failure, ERROR_TIMEOUT, "late");
    session_fail(desk->session, 7, &failure);
}

/* An answer of another turn finds that the client has read all, and empties the queue. */
static void answer_another(struct desk *desk)
{
    client_read(desk);
    answer_late(desk);
    CHECK_INT(0, desk->session->output.len);
}

/* All that is ready by itself. */
static void settle(struct desk *desk)
{
    do
        client_read(desk);
    while (fake_loop_deliver(desk->bench.loop));
}

/* Sends pings until the session reads no more of them; returns how many it was sent. */
static unsigned flood(struct desk *desk)
{
    static const uint8_t ping[] = {0x94, 0x00, 0x01, 0xa4, 'p', 'i', 'n', 'g', 0x90};
    uint8_t pings[PINGS * sizeof(ping)];
    unsigned sent = 0;

    for (size_t i = 0; i < PINGS; i++)
        memcpy(pings + i * sizeof(ping), ping, sizeof(ping));
    while (desk->session->output.len < LIMIT_OUTPUT_BYTES) {
        CHECK_INT(sizeof(pings), send(desk->client, pings, sizeof(pings), 0));
        sent += PINGS;
        while (fake_loop_deliver(desk->bench.loop))
            continue;
    }
    return sent;
}

TEST(requests_kept_for_a_slow_reader_are_answered_whoever_empties_its_queue)
{
    struct desk desk;
    unsigned sent;

    desk_open(&desk);
    sent = flood(&desk);
    CHECK(desk.session->input.len > 0);
    CHECK(desk.server->stats.answered < sent);
    answer_another(&desk);
    settle(&desk);
    CHECK_INT(0, desk.session->input.len);
    CHECK_INT(sent + 1, desk.server->stats.answered);
    desk_close(&desk);
}

TEST(a_slow_watcher_catches_up_whoever_empties_its_queue)
{
    const char *name;
    uint8_t request[128];
    struct desk desk;
    int len;

    desk_open(&desk);
    name = counter_config(desk.bench.counter)->triggers[0].name;
    len = snprintf((char *)request, sizeof(request), "....watch..\xa7trigger.%s", name);
    memcpy(request, "\x94\x00\x01\xa5", 4);
    memcpy(request + 9, "\x91\x81", 2);
    request[19] = (uint8_t)(0xa0 + strlen(name));
    CHECK_INT(len, send(desk.client, request, (size_t)len, 0));
    settle(&desk);
    CHECK_INT(1, desk.session->watch_count);
    fake_loop_advance(desk.bench.loop, 0); /* the flight takes off */
    while (!session_is_slow(desk.session))
        answer_late(&desk);
    page(&desk.bench, LAST_PAGE(3));
    CHECK(desk.session->behind);
    answer_another(&desk);
    settle(&desk);
    CHECK(desk.told);
    desk_close(&desk);
}

TEST_MAIN(RUN(requests_kept_for_a_slow_reader_are_answered_whoever_empties_its_queue),
    RUN(a_slow_watcher_catches_up_whoever_empties_its_queue))
