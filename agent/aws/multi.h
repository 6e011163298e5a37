/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptors that libcurl wants watched. A connection that it keeps for the next request stays
 * watched while it is idle, so that requests do not add and remove watches in the kernel. */
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

/* The descriptor was opened for a connection: it stays known until sockets_forget. 0 or -ENOMEM. */
int sockets_open(struct sockets *sockets, int fd);

/* Wants these events. 0, or a negative errno. */
int sockets_watch(struct sockets *sockets, int fd, unsigned events);

/* Wants no events for now. A descriptor that was not opened for a connection is forgotten. */
void sockets_leave(struct sockets *sockets, int fd);

void sockets_forget(struct sockets *sockets, int fd); /* call before it is closed */
void sockets_clear(struct sockets *sockets);

/* libcurl's transfers on the loop: the sockets that it wants watched, its timer, and the transfers
 * that have ended. */

struct multi;

/* A running transfer, embedded in its owner's struct. */
struct multi_transfer {
    struct ring link; /* multi::transfers */
    struct multi *multi;
    void *curl; /* CURLM *: the multi's handle at the start */
    void *easy; /* CURL * */
};

/* The transfer ended with this CURLcode; the callback removes it. */
typedef void multi_ended_fn(struct multi_transfer *transfer, int code);

struct multi *multi_create(struct loop *loop, multi_ended_fn *ended); /* NULL: no memory */
void multi_destroy(struct multi *multi); /* no transfer may be under way; NULL is allowed */

/* For all transfers of this libcurl handle (CURL *). 0 or -ENOMEM. */
int multi_prepare(struct multi *multi, void *easy);

/* Starts a transfer with a prepared handle. 0; or -ENOMEM, and `ended` is never called. */
int multi_add(struct multi *multi, struct multi_transfer *transfer, void *easy);
void multi_remove(struct multi_transfer *transfer);

/* Within `ended`: repeats the transfer with the same handle. 0, or -ENOMEM: it has ended. */
int multi_restart(struct multi_transfer *transfer);

#endif
