/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of connections share: a server without a listener, connections to it, a clock
 * moved by hand, and a network that answers on command. */
#ifndef TALLY_TESTS_UNIT_SESSION_WORLD_H
#define TALLY_TESTS_UNIT_SESSION_WORLD_H

#include "agent/ipc/dispatch.h"
#include "agent/ipc/server.h"
#include "agent/ipc/session.h"
#include "proto/message.h"
#include "proto/reader.h"
#include "proto/writer.h"
#include "tests/unit/count_world.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS 4

/* An answer or notification, as far as the tests look. */
struct heard {
    enum message_kind kind;
    uint32_t id;
    enum error_code error;
    uint64_t count; /* of a result or a notification; 0: none */
};

struct client {
    int fd; /* -1: closed */
    struct buffer received;
    struct heard heard[4096];
    int count;
    bool ended; /* the agent closed the connection */
};

struct house {
    struct bench bench;
    struct server *server;
    struct socket_path socket_path;
    struct client clients[CLIENTS];
};

__attribute__((unused)) static void on_drained(void *data)
{
    (void)data;
}

__attribute__((unused)) static void house_open(struct house *house, size_t max_buffer)
{
    struct server_options options;

    memset(house, 0, sizeof(*house));
    bench_open(&house->bench, "false");
    house->socket_path.fd = house->socket_path.folder = -1;
    options = (struct server_options){.loop = house->bench.loop,
        .counter = house->bench.counter,
        .identities = house->bench.identities,
        .client = house->bench.client,
        .socket_path = &house->socket_path,
        .max_buffer = max_buffer,
        .hooks = &dispatch_hooks,
        .drained = on_drained};
    house->server = server_create(&options);
    CHECK(house->server != NULL);
    for (int i = 0; i < CLIENTS; i++)
        house->clients[i].fd = -1;
}

__attribute__((unused)) static void house_close(struct house *house)
{
    for (int i = 0; i < CLIENTS; i++) {
        if (house->clients[i].fd >= 0)
            close(house->clients[i].fd);
        buffer_free(&house->clients[i].received);
    }
    /* In the order of main: those who still wait are answered, then the sessions go. */
    counter_destroy(house->bench.counter);
    house->bench.counter = NULL;
    server_destroy(house->server);
    bench_close(&house->bench);
}

__attribute__((unused)) static struct session *last_session(struct house *house)
{
    return session_of(house->server->channels.list.previous);
}

__attribute__((unused)) static struct client *join(
    struct house *house, int index, int type, const struct failure *refusal)
{
    struct client *client = &house->clients[index];
    struct ucred peer = {.uid = 1000, .gid = 1000};
    int fds[2];

    CHECK_INT(0, socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
    client->fd = fds[0];
    buffer_init(&client->received, 64u * 1024u * 1024u);
    CHECK(session_create(house->server, fds[1], &peer, refusal) != NULL);
    return client;
}

__attribute__((unused)) static struct client *come(struct house *house, int index)
{
    return join(house, index, SOCK_STREAM, NULL);
}

__attribute__((unused)) static void turn(struct house *house)
{
    while (fake_loop_deliver(house->bench.loop))
        ;
    fake_loop_advance(house->bench.loop, 0);
}

__attribute__((unused)) static void say(struct client *client, const void *data, size_t len)
{
    CHECK_INT(len, send(client->fd, data, len, MSG_NOSIGNAL));
}

/* Adds a request for a trigger; name NULL: without params. */
__attribute__((unused)) static void add_request(
    struct buffer *buffer, uint32_t id, const char *method, const char *name)
{
    message_begin_request(buffer, id, method);
    write_array(buffer, name != NULL ? 1 : 0);
    if (name == NULL)
        return;
    write_map(buffer, 2);
    write_string(buffer, "trigger");
    write_string(buffer, name);
    write_string(buffer, "max_age_ms");
    write_uint(buffer, 10000);
}

__attribute__((unused)) static void request(
    struct client *client, uint32_t id, const char *method, const char *name)
{
    struct buffer buffer;

    buffer_init(&buffer, 65536);
    add_request(&buffer, id, method, name);
    say(client, buffer.data, buffer.len);
    buffer_free(&buffer);
}

__attribute__((unused)) static void many_requests(
    struct client *client, uint32_t first, int count, const char *method, const char *name)
{
    struct buffer buffer;

    buffer_init(&buffer, 1u << 20);
    for (int i = 0; i < count; i++)
        add_request(&buffer, first + (uint32_t)i, method, name);
    say(client, buffer.data, buffer.len);
    buffer_free(&buffer);
}

__attribute__((unused)) static uint64_t read_count(struct reader map)
{
    uint64_t count = 0;
    uint32_t pairs = 0;
    struct text key;

    if (!reader_map(&map, &pairs))
        return 0;
    while (pairs-- > 0 && reader_text(&map, &key)) {
        if (!text_equals(key, "count"))
            reader_skip(&map, NULL);
        else
            reader_uint(&map, &count);
    }
    return map.failed ? 0 : count;
}

__attribute__((unused)) static void hear_message(
    struct client *client, const uint8_t *frame, size_t len)
{
    struct heard *heard = &client->heard[client->count++];
    struct message message;
    struct failure failure;
    uint32_t elements = 0;

    CHECK(client->count <= 4096);
    CHECK_INT(0, message_decode(&message, frame, len));
    *heard = (struct heard){.kind = message.kind, .id = message.id};
    if (message.kind == MESSAGE_NOTIFICATION && reader_array(&message.params, &elements))
        heard->count = read_count(message.params);
    else if (!message.has_error)
        heard->count = read_count(message.result);
    else if (failure_unpack(&message.error, &failure))
        heard->error = failure.code;
}

/* Reads what is there; how many messages the client has heard in all. */
__attribute__((unused)) static int hear(struct client *client)
{
    static uint8_t data[65536];
    ssize_t n;

    while ((n = recv(client->fd, data, sizeof(data), 0)) > 0)
        CHECK_INT(0, buffer_append(&client->received, data, (size_t)n));
    client->ended = n == 0 || (n < 0 && errno == ECONNRESET);
    for (;;) {
        struct frame_scan scan;

        frame_scan_init(&scan, LIMIT_ANSWER_BYTES, FRAME_DEPTH_MAX);
        if (frame_scan_feed(&scan, client->received.data, client->received.len) != FRAME_COMPLETE)
            return client->count;
        hear_message(client, client->received.data, scan.offset);
        buffer_consume(&client->received, scan.offset);
    }
}

#endif
