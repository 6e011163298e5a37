#include "agent/aws/sockets.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>

struct socket {
    struct sockets *sockets;
    struct ring link;
    int fd;
    bool is_connection;
    ino_t inode;  /* of a connection: whether its descriptor is another's now */
    bool is_kept; /* it came about, so its end will be told */
    bool wanted;
    unsigned events; /* watched for, perhaps while nobody wants them */
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

static struct socket *find(const struct sockets *sockets, int fd)
{
    for (struct ring *at = sockets->known.next; at != &sockets->known; at = at->next)
        if (socket_of(at)->fd == fd)
            return socket_of(at);
    return NULL;
}

/* What comes while nobody wants it, an end most often, is for the next request to find. */
static void on_events(void *data, unsigned events)
{
    struct socket *socket = data;

    if (socket->wanted) {
        socket->sockets->fired(socket->sockets->data, socket->fd, events);
        return; /* the socket may be gone */
    }
    socket->events = 0;
    loop_watch_set(socket->watch, 0);
}

static struct socket *add(struct sockets *sockets, int fd)
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

static void drop(struct socket *socket)
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

/* 0: it is closed. */
static ino_t inode_of(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 ? status.st_ino : 0;
}

/* libcurl closes a connection that did not come about without a word (sockets_forget is for the
 * others), and may not notice that the next one has its number. */
int sockets_open(struct sockets *sockets, int fd)
{
    struct socket *older = find(sockets, fd), *socket;
    bool wanted = older != NULL && older->wanted;
    unsigned events = older != NULL ? older->events : 0;

    if (older != NULL)
        drop(older);
    socket = add(sockets, fd);
    if (socket == NULL)
        return -ENOMEM;
    socket->is_connection = true;
    socket->inode = inode_of(fd);
    socket->wanted = wanted;
    return wanted ? set_events(socket, events) : 0;
}

int sockets_watch(struct sockets *sockets, int fd, unsigned events)
{
    struct socket *socket = find(sockets, fd);

    if (socket == NULL)
        socket = add(sockets, fd);
    if (socket == NULL)
        return -ENOMEM;
    socket->wanted = true;
    return set_events(socket, events);
}

void sockets_leave(struct sockets *sockets, int fd)
{
    struct socket *socket = find(sockets, fd);

    if (socket == NULL)
        return;
    if (socket->is_connection && !socket->is_kept)
        socket->is_kept = inode_of(fd) == socket->inode;
    if (!socket->is_kept) {
        drop(socket);
        return;
    }
    socket->wanted = false;
    if (socket->events & LOOP_WRITABLE) /* it always is */
        set_events(socket, LOOP_READABLE);
}

void sockets_forget(struct sockets *sockets, int fd)
{
    struct socket *socket = find(sockets, fd);

    if (socket != NULL)
        drop(socket);
}

void sockets_clear(struct sockets *sockets)
{
    while (!ring_is_empty(&sockets->known))
        drop(socket_of(ring_pop(&sockets->known)));
}
