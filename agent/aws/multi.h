/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptors that libcurl wants watched. A connection that it keeps for the next request
 * stays watched while it is idle, so that no request costs the kernel's bookkeeping. */
#ifndef TALLY_AGENT_AWS_MULTI_H
#define TALLY_AGENT_AWS_MULTI_H

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

/* libcurl's transfers on the loop: the sockets that it wants watched, its timer, and which of its
 * transfers have ended. */

struct multi;

/* A transfer under way, to be embedded in what is kept of it. */
struct multi_transfer {
    struct ring link; /* multi::transfers */
    struct multi *multi;
    void *curl; /* CURLM *: multi's at the start */
    void *easy; /* CURL * */
};

/* It ended with this CURLcode, and is to be removed. */
typedef void multi_ended_fn(struct multi_transfer *transfer, int code);

struct multi *multi_create(struct loop *loop, multi_ended_fn *ended); /* NULL: no memory */
void multi_destroy(struct multi *multi); /* no transfer may be under way; NULL is allowed */

/* For all transfers of this libcurl handle (CURL *). 0 or -ENOMEM. */
int multi_prepare(struct multi *multi, void *easy);

/* Starts a transfer with a handle that was prepared. 0; or -ENOMEM, and `ended` is never called. */
int multi_add(struct multi *multi, struct multi_transfer *transfer, void *easy);
void multi_remove(struct multi_transfer *transfer);

/* Within `ended`: makes the transfer once more with the same handle. 0, or -ENOMEM: it has ended.
 */
int multi_restart(struct multi_transfer *transfer);

#endif
