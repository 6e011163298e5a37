/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/aws/multi.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- sockets ---- */

struct socket {
    struct sockets *sockets;
    struct ring link;
    int fd;
    bool is_connection;
    ino_t inode;  /* of a connection: detects that its descriptor was reused */
    bool is_kept; /* it was established, so libcurl reports its end */
    bool wanted;
    unsigned events; /* watched, possibly while libcurl does not want them */
    struct loop_watch *watch;
};

static struct socket *socket_of(struct ring *link)
{
    return RING_MEMBER(link, struct socket, link);
}

void sockets_init(struct sockets *sockets, struct loop *loop, sockets_fn *fired, void *data)
{
    sockets->loop = loop;
    sockets->fired = fired;
    sockets->data = data;
    ring_init(&sockets->known);
}

static struct socket *sockets_find(const struct sockets *sockets, int fd)
{
    RING_EACH(at, &sockets->known)
        if (socket_of(at)->fd == fd)
            return socket_of(at);
    return NULL;
}

/* The next request handles events that arrive while libcurl wants none, usually a close. */
static void on_events(void *data, unsigned events)
{
    struct socket *socket = data;

    if (socket->wanted) {
        socket->sockets->fired(socket->sockets->data, socket->fd, events);
        return; /* the callback may have freed the socket */
    }
    socket->events = 0;
    loop_watch_set(socket->watch, 0);
}

static struct socket *sockets_add(struct sockets *sockets, int fd)
{
    struct socket *socket = calloc(1, sizeof(*socket));

    if (socket == NULL)
        return NULL;
    socket->watch = loop_watch_create(sockets->loop, fd, on_events, socket);
    if (socket->watch == NULL) {
        free(socket);
        return NULL;
    }
    socket->sockets = sockets;
    socket->fd = fd;
    ring_add(&sockets->known, &socket->link);
    return socket;
}

static void socket_drop(struct socket *socket)
{
    ring_remove(&socket->link);
    loop_watch_destroy(socket->watch);
    free(socket);
}

static int set_events(struct socket *socket, unsigned events)
{
    int r = events != socket->events ? loop_watch_set(socket->watch, events) : 0;

    if (r == 0)
        socket->events = events;
    return r;
}

/* 0: the descriptor is closed. */
static ino_t inode_of(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 ? status.st_ino : 0;
}

/* libcurl closes a connection that was never established without a callback (sockets_forget is for
 * the others), and may not notice that the next connection reuses its descriptor number. */
int sockets_open(struct sockets *sockets, int fd)
{
    struct socket *older = sockets_find(sockets, fd), *socket;
    bool wanted = older != NULL && older->wanted;
    unsigned events = older != NULL ? older->events : 0;

    if (older != NULL)
        socket_drop(older);
    socket = sockets_add(sockets, fd);
    if (socket == NULL)
        return -ENOMEM;
    socket->is_connection = true;
    socket->inode = inode_of(fd);
    socket->wanted = wanted;
    return wanted ? set_events(socket, events) : 0;
}

int sockets_watch(struct sockets *sockets, int fd, unsigned events)
{
    struct socket *socket = sockets_find(sockets, fd);

    if (socket == NULL)
        socket = sockets_add(sockets, fd);
    if (socket == NULL)
        return -ENOMEM;
    socket->wanted = true;
    return set_events(socket, events);
}

void sockets_leave(struct sockets *sockets, int fd)
{
    struct socket *socket = sockets_find(sockets, fd);

    if (socket == NULL)
        return;
    if (socket->is_connection && !socket->is_kept)
        socket->is_kept = inode_of(fd) == socket->inode;
    if (!socket->is_kept) {
        socket_drop(socket);
        return;
    }
    socket->wanted = false;
    if (socket->events & LOOP_WRITABLE) /* an idle socket is always writable */
        set_events(socket, LOOP_READABLE);
}

void sockets_forget(struct sockets *sockets, int fd)
{
    struct socket *socket = sockets_find(sockets, fd);

    if (socket != NULL)
        socket_drop(socket);
}

void sockets_clear(struct sockets *sockets)
{
    while (!ring_is_empty(&sockets->known))
        socket_drop(socket_of(ring_pop(&sockets->known)));
}

/* ---- multi ---- */

/* Connections are kept for the next request: four for each transfer under way, which is libcurl's
 * own limit, but no fewer than this. With fewer, five endpoints queried in turn would never reuse a
 * connection. */
#define CONNECTIONS_PER_TRANSFER 4L
#define CONNECTIONS_MIN          16L

struct multi {
    CURLM *curl;
    struct loop_timer *timer; /* libcurl's own */
    struct sockets sockets;
    struct ring transfers; /* multi_transfer::link */
    long under_way;
    multi_ended_fn *ended;
};

/* ---- events for libcurl ---- */

/* libcurl's own multi-uv example reads this only while transfers run, and so never reports a
 * last transfer that ends by time-out. */
static void drain_ended(struct multi *multi)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(multi->curl, &left)) != NULL) {
        struct multi_transfer *transfer = NULL;
        int code = (int)message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        multi->ended(transfer, code);
    }
}

static CURLM *curl_create(struct multi *multi);

/* libcurl ran out of memory in its own bookkeeping, so its multi handle must not be used again
 * (7.88.1 then divides by zero): all transfers end, and the next ones get a new handle. */
static void start_anew(struct multi *multi)
{
    CURLM *broken = multi->curl;
    CURLM *fresh = curl_create(multi);
    struct ring broken_off;

    if (fresh == NULL)
        return; /* still broken; a later attempt may succeed */
    multi->curl = fresh;
    /* The timer now belongs to the new handle. */
    curl_multi_setopt(broken, CURLMOPT_TIMERFUNCTION, NULL);
    loop_timer_start(multi->timer, 0);
    ring_take_all(&multi->transfers, &broken_off);
    while (!ring_is_empty(&broken_off))
        multi->ended(
            RING_MEMBER(broken_off.next, struct multi_transfer, link), CURLE_OUT_OF_MEMORY);
    curl_multi_cleanup(broken);
}

/* Called after libcurl handled an event, with its result. */
static void multi_drive(struct multi *multi, CURLMcode code)
{
    if (code == CURLM_OK)
        drain_ended(multi);
    else
        start_anew(multi);
}

static void socket_fired(void *data, int fd, unsigned events)
{
    struct multi *multi = data;
    int mask = 0, running;

    if (events & LOOP_READABLE)
        mask |= CURL_CSELECT_IN;
    if (events & LOOP_WRITABLE)
        mask |= CURL_CSELECT_OUT;
    multi_drive(multi, curl_multi_socket_action(multi->curl, fd, mask, &running));
}

static void multi_timer_fired(void *data)
{
    struct multi *multi = data;
    int running;

    multi_drive(multi, curl_multi_socket_action(multi->curl, CURL_SOCKET_TIMEOUT, 0, &running));
}

/* ---- callbacks of libcurl ---- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *socket_data)
{
    struct multi *multi = data;
    unsigned events = 0;

    (void)easy;
    (void)socket_data;
    if (what & CURL_POLL_IN)
        events |= LOOP_READABLE;
    if (what & CURL_POLL_OUT)
        events |= LOOP_WRITABLE;
    if (what != CURL_POLL_REMOVE)
        return sockets_watch(&multi->sockets, fd, events) < 0 ? -1 : 0;
    sockets_leave(&multi->sockets, fd);
    return 0;
}

static int on_opened(void *data, curl_socket_t fd, curlsocktype purpose)
{
    struct multi *multi = data;

    (void)purpose;
    return sockets_open(&multi->sockets, fd) < 0 ? CURL_SOCKOPT_ERROR : CURL_SOCKOPT_OK;
}

static int on_close(void *data, curl_socket_t fd)
{
    struct multi *multi = data;

    sockets_forget(&multi->sockets, fd);
    return close(fd);
}

static int on_timer(CURLM *curl, long timeout_ms, void *data)
{
    struct multi *multi = data;

    (void)curl;
    if (timeout_ms < 0)
        loop_timer_stop(multi->timer);
    else
        loop_timer_start(multi->timer, timeout_ms);
    return 0;
}

/* ---- transfers ---- */

int multi_prepare(struct multi *multi, void *easy)
{
    CURLcode r = curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_opened);

    r |= curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, multi);
    r |= curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    r |= curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, multi);
    return r == CURLE_OK ? 0 : -ENOMEM;
}

static void limit_connections(struct multi *multi, int more_transfers)
{
    long limit;

    multi->under_way += more_transfers;
    limit = CONNECTIONS_PER_TRANSFER * multi->under_way;
    curl_multi_setopt(
        multi->curl, CURLMOPT_MAXCONNECTS, limit > CONNECTIONS_MIN ? limit : CONNECTIONS_MIN);
}

int multi_add(struct multi *multi, struct multi_transfer *transfer, void *easy)
{
    *transfer = (struct multi_transfer){.multi = multi, .curl = multi->curl, .easy = easy};
    if (curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer) != CURLE_OK ||
        curl_multi_add_handle(multi->curl, easy) != CURLM_OK)
        return -ENOMEM;
    ring_add(&multi->transfers, &transfer->link);
    limit_connections(multi, 1);
    return 0;
}

void multi_remove(struct multi_transfer *transfer)
{
    ring_remove(&transfer->link);
    curl_multi_remove_handle(transfer->curl, transfer->easy);
    limit_connections(transfer->multi, -1);
}

int multi_restart(struct multi_transfer *transfer)
{
    curl_multi_remove_handle(transfer->curl, transfer->easy);
    transfer->curl = transfer->multi->curl;
    return curl_multi_add_handle(transfer->curl, transfer->easy) == CURLM_OK ? 0 : -ENOMEM;
}

static CURLM *curl_create(struct multi *multi)
{
    CURLM *curl = curl_multi_init();

    if (curl == NULL)
        return NULL;
    curl_multi_setopt(curl, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(curl, CURLMOPT_SOCKETDATA, multi);
    curl_multi_setopt(curl, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(curl, CURLMOPT_TIMERDATA, multi);
    return curl;
}

struct multi *multi_create(struct loop *loop, multi_ended_fn *ended)
{
    struct multi *multi = calloc(1, sizeof(*multi));

    if (multi == NULL)
        return NULL;
    multi->ended = ended;
    sockets_init(&multi->sockets, loop, socket_fired, multi);
    ring_init(&multi->transfers);
    multi->timer = loop_timer_create(loop, multi_timer_fired, multi);
    multi->curl = curl_create(multi);
    if (multi->timer == NULL || multi->curl == NULL) {
        multi_destroy(multi);
        return NULL;
    }
    return multi;
}

void multi_destroy(struct multi *multi)
{
    if (multi == NULL)
        return;
    curl_multi_cleanup(multi->curl);
    sockets_clear(&multi->sockets);
    loop_timer_destroy(multi->timer);
    free(multi);
}
