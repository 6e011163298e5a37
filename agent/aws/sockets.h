/* The descriptors that libcurl wants watched. A connection that it keeps for the next request
 * stays watched while it is idle, so that no request costs the kernel's bookkeeping. */
#ifndef TALLY_AGENT_AWS_SOCKETS_H
#define TALLY_AGENT_AWS_SOCKETS_H

#include "agent/loop.h"
#include "agent/ring.h"

typedef void sockets_fn(void *data, int fd, unsigned events);

struct sockets {
    struct loop *loop;
    sockets_fn *fired;
    void *data;
    struct ring known; /* socket::link */
};

void sockets_init(struct sockets *sockets, struct loop *loop, sockets_fn *fired, void *data);

/* It was opened for a connection: it is known until sockets_forget. 0 or -ENOMEM. */
int sockets_open(struct sockets *sockets, int fd);

/* Wants these events. 0, or a negative errno. */
int sockets_watch(struct sockets *sockets, int fd, unsigned events);

/* Wants none for now. One that was not opened for a connection is forgotten. */
void sockets_leave(struct sockets *sockets, int fd);

void sockets_forget(struct sockets *sockets, int fd); /* before it is closed */
void sockets_clear(struct sockets *sockets);

#endif
