/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fake/fake_agent.h"

#include "proto/limits.h"
#include "proto/reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CLIENTS_MAX = 32 };

struct client {
    int fd;
    struct buffer in;
};

struct fake_agent {
    char *path;
    int listener;
    int wake[2]; /* a byte ends the thread */
    pthread_t thread;
    pthread_mutex_t lock; /* guards clients */
    struct client clients[CLIENTS_MAX];
    size_t client_count;
    fake_reply *reply;
    void *data;
    atomic_uint connections, requests;
    atomic_int trickle_ms;
};

static void must(bool good, const char *what)
{
    if (good)
        return;
    perror(what);
    abort();
}

static bool send_all(struct fake_agent *agent, int fd, const struct buffer *bytes)
{
    int pause_ms = agent->trickle_ms;
    size_t chunk = pause_ms > 0 ? 1 : bytes->len;

    for (size_t sent = 0; sent < bytes->len;) {
        size_t left = bytes->len - sent;
        ssize_t n = send(fd, bytes->data + sent, left < chunk ? left : chunk, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        sent += (size_t)n;
        if (pause_ms > 0)
            usleep((useconds_t)pause_ms * 1000);
    }
    return true;
}

/* Answers every whole request in the buffer. False: hang up. */
static bool serve(struct fake_agent *agent, struct client *client)
{
    for (;;) {
        struct frame_scan scan;
        struct message message;

        frame_scan_init(&scan, LIMIT_REQUEST_BYTES, FRAME_DEPTH_MAX);
        if (frame_scan_feed(&scan, client->in.data, client->in.len) != FRAME_COMPLETE)
            return true;
        if (message_decode(&message, client->in.data, scan.offset) < 0)
            return false;
        struct buffer out;
        buffer_init(&out, LIMIT_ANSWER_BYTES * 2);
        bool stay = agent->reply(&message, ++agent->requests, &out, agent->data);
        send_all(agent, client->fd, &out);
        buffer_free(&out);
        buffer_consume(&client->in, scan.offset);
        if (!stay)
            return false;
    }
}

static void drop(struct fake_agent *agent, size_t i)
{
    close(agent->clients[i].fd);
    buffer_free(&agent->clients[i].in);
    agent->clients[i] = agent->clients[--agent->client_count];
}

static void read_client(struct fake_agent *agent, size_t i)
{
    struct client *client = &agent->clients[i];
    uint8_t bytes[4096];
    ssize_t n = recv(client->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (n > 0)
        buffer_append(&client->in, bytes, (size_t)n);
    if (n <= 0 || !serve(agent, client))
        drop(agent, i);
}

static void accept_client(struct fake_agent *agent)
{
    int fd = accept4(agent->listener, NULL, NULL, SOCK_CLOEXEC);

    must(fd >= 0 && agent->client_count < CLIENTS_MAX, "accept");
    struct client *client = &agent->clients[agent->client_count++];
    client->fd = fd;
    buffer_init(&client->in, LIMIT_REQUEST_BYTES);
    agent->connections++;
}

static void *run(void *data)
{
    struct fake_agent *agent = data;

    for (;;) {
        struct pollfd fds[CLIENTS_MAX + 2] = {
            {agent->wake[0], POLLIN, 0}, {agent->listener, POLLIN, 0}};
        size_t count = agent->client_count;

        for (size_t i = 0; i < count; i++)
            fds[i + 2] = (struct pollfd){agent->clients[i].fd, POLLIN, 0};
        if (poll(fds, count + 2, -1) < 0)
            continue;
        if (fds[0].revents)
            return NULL;
        pthread_mutex_lock(&agent->lock);
        for (size_t i = count; i-- > 0;) { /* backwards: drop() moves the last one */
            if (fds[i + 2].revents)
                read_client(agent, i);
        }
        if (fds[1].revents)
            accept_client(agent);
        pthread_mutex_unlock(&agent->lock);
    }
}

/* Binds paths of any length, as the agent does, from inside their folder. */
static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *slash = strrchr(path, '/');
    char *folder = strndup(path, (size_t)(slash - path));
    int here = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

    must(here >= 0, folder);
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d%s", here, slash);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unlink(path);
    must(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "bind");
    must(listen(fd, 16) == 0, "listen");
    close(here);
    free(folder);
    return fd;
}

struct fake_agent *fake_agent_start(const char *path, fake_reply *reply, void *data)
{
    struct fake_agent *agent = calloc(1, sizeof(*agent));

    must(agent != NULL, "calloc");
    agent->path = strdup(path);
    agent->reply = reply;
    agent->data = data;
    agent->listener = listen_at(path);
    must(pipe2(agent->wake, O_CLOEXEC) == 0, "pipe2");
    pthread_mutex_init(&agent->lock, NULL);
    must(pthread_create(&agent->thread, NULL, run, agent) == 0, "pthread_create");
    return agent;
}

void fake_agent_stop(struct fake_agent *agent)
{
    must(write(agent->wake[1], "", 1) == 1, "write");
    pthread_join(agent->thread, NULL);
    while (agent->client_count > 0)
        drop(agent, 0);
    unlink(agent->path);
    close(agent->listener);
    close(agent->wake[0]);
    close(agent->wake[1]);
    pthread_mutex_destroy(&agent->lock);
    free(agent->path);
    free(agent);
}

bool fake_agent_push(struct fake_agent *agent, const struct buffer *frame)
{
    pthread_mutex_lock(&agent->lock);
    bool taken = agent->client_count > 0;
    for (size_t i = 0; i < agent->client_count; i++)
        taken = send_all(agent, agent->clients[i].fd, frame) && taken;
    pthread_mutex_unlock(&agent->lock);
    return taken;
}

unsigned fake_agent_connections(const struct fake_agent *agent)
{
    return agent->connections;
}

unsigned fake_agent_requests(const struct fake_agent *agent)
{
    return agent->requests;
}

void fake_agent_trickle(struct fake_agent *agent, int milliseconds)
{
    agent->trickle_ms = milliseconds;
}

void fake_folder_make(char *path, size_t size)
{
    snprintf(path, size, "/tmp/tally-fake-XXXXXX");
    must(mkdtemp(path) != NULL, "mkdtemp");
}

void fake_folder_remove(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;

    while (folder != NULL && (entry = readdir(folder)) != NULL)
        unlinkat(dirfd(folder), entry->d_name, 0);
    if (folder != NULL)
        closedir(folder);
    rmdir(path);
}
