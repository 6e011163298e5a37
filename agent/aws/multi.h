/* libcurl's transfers on the loop: the sockets that it wants watched, its timer, and which of its
 * transfers have ended. */
#ifndef TALLY_AGENT_AWS_MULTI_H
#define TALLY_AGENT_AWS_MULTI_H

#include "agent/loop.h"
#include "agent/ring.h"

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
