/* SPDX-License-Identifier: Apache-2.0 */
#include "client/bridge/listener.h"

#include "agent/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG        512
#define ACCEPTS_MAX    64  /* in one turn of the loop */
#define NO_DESCRIPTORS 100 /* ms to wait for one */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct listener {
    int fd;
    struct loop_watch *watch;
    struct loop_timer *pause;
    listener_fn *fn;
    void *data;
    char address[INET6_ADDRSTRLEN + 10];
};

/* ---- addresses ---- */

static bool listener_read_port(const char *text, in_port_t *port)
{
    char *end;

    if (*text < '0' || *text > '9' || strlen(text) > 5)
        return false;
    unsigned long number = strtoul(text, &end, 10);
    *port = htons((uint16_t)number);
    return *end == '\0' && number <= UINT16_MAX;
}

static bool listener_read_address(const char *text, union address *address, socklen_t *len)
{
    char host[INET6_ADDRSTRLEN];
    const char *colon = strrchr(text, ':');
    bool in_brackets = text[0] == '[' && colon != NULL && colon > text + 1 && colon[-1] == ']';

    memset(address, 0, sizeof(*address));
    if (colon == NULL)
        return false;
    size_t host_len = (size_t)(colon - text) - (in_brackets ? 2 : 0);
    if (host_len >= sizeof(host))
        return false;
    memcpy(host, text + in_brackets, host_len);
    host[host_len] = '\0';
    if (in_brackets) {
        address->v6.sin6_family = AF_INET6;
        *len = sizeof(address->v6);
        return inet_pton(AF_INET6, host, &address->v6.sin6_addr) == 1 &&
               listener_read_port(colon + 1, &address->v6.sin6_port);
    }
    address->v4.sin_family = AF_INET;
    *len = sizeof(address->v4);
    return inet_pton(AF_INET, host, &address->v4.sin_addr) == 1 &&
           listener_read_port(colon + 1, &address->v4.sin_port);
}

bool listener_is_address(const char *text)
{
    union address address;
    socklen_t len;

    return listener_read_address(text, &address, &len);
}

static void listener_read_own(struct listener *listener)
{
    union address address;
    socklen_t len = sizeof(address);
    char host[INET6_ADDRSTRLEN] = "?";

    memset(&address, 0, sizeof(address));
    getsockname(listener->fd, &address.any, &len);
    if (address.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &address.v6.sin6_addr, host, sizeof(host));
        snprintf(listener->address, sizeof(listener->address), "[%s]:%u", host,
            ntohs(address.v6.sin6_port));
    } else {
        inet_ntop(AF_INET, &address.v4.sin_addr, host, sizeof(host));
        snprintf(listener->address, sizeof(listener->address), "%s:%u", host,
            ntohs(address.v4.sin_port));
    }
}

/* ---- connections ---- */

static void on_pause_over(void *data)
{
    const struct listener *listener = data;

    loop_watch_set(listener->watch, LOOP_READABLE);
}

static void on_connection(void *data, unsigned events)
{
    const struct listener *listener = data;
    const int on = 1;

    (void)events;
    for (unsigned i = 0; i < ACCEPTS_MAX; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
            log_often(LOG_LEVEL_ERROR, "cannot_accept", LOG_TEXT("reason", strerror(errno)));
            loop_watch_set(listener->watch, 0);
            loop_timer_start(listener->pause, NO_DESCRIPTORS);
            return;
        }
        if (fd < 0)
            return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        listener->fn(listener->data, fd);
    }
}

/* ---- life ---- */

static int listener_bind(const union address *address, socklen_t len)
{
    const int on = 1;
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, &address->any, len) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    return -error;
}

struct listener *listener_open(const char *address, char *why, size_t why_size)
{
    union address parsed;
    socklen_t len;
    struct listener *listener = calloc(1, sizeof(*listener));

    snprintf(why, why_size, "out of memory");
    if (listener == NULL)
        return NULL;
    listener->fd = listener_read_address(address, &parsed, &len) ? listener_bind(&parsed, len)
                                                                 : -EINVAL;
    if (listener->fd >= 0) {
        listener_read_own(listener);
        return listener;
    }
    snprintf(why, why_size, "cannot listen at %.80s: %s", address, strerror(-listener->fd));
    free(listener);
    return NULL;
}

int listener_begin(struct listener *listener, struct loop *loop, listener_fn *fn, void *data)
{
    listener->fn = fn;
    listener->data = data;
    listener->pause = loop_timer_create(loop, on_pause_over, listener);
    listener->watch = loop_watch_create(loop, listener->fd, on_connection, listener);
    if (listener->pause == NULL || listener->watch == NULL)
        return -ENOMEM;
    return loop_watch_set(listener->watch, LOOP_READABLE);
}

void listener_close(struct listener *listener)
{
    if (listener == NULL)
        return;
    loop_watch_destroy(listener->watch);
    loop_timer_destroy(listener->pause);
    close(listener->fd);
    free(listener);
}

const char *listener_address(const struct listener *listener)
{
    return listener->address;
}
