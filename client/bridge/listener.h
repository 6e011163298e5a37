/* SPDX-License-Identifier: Apache-2.0 */
/* The TCP port: an address, and the connections to it. */
#ifndef TALLY_BRIDGE_LISTENER_H
#define TALLY_BRIDGE_LISTENER_H

#include "agent/loop.h"

#include <stdbool.h>
#include <stddef.h>

/* Whether the text is ADDRESS:PORT: an IPv4 address, or an IPv6 address in brackets. Pure. */
bool listener_is_address(const char *text);

typedef void listener_fn(void *data, int fd); /* the descriptor is the callee's */

struct listener;

/* NULL: it cannot listen there, and `why` says so. Port 0 is one that is free. Nothing is accepted
 * before listener_begin. */
struct listener *listener_open(const char *address, char *why, size_t why_size);

/* 0 or a negative errno. */
int listener_begin(struct listener *listener, struct loop *loop, listener_fn *fn, void *data);
void listener_close(struct listener *listener); /* NULL is allowed */

/* Where it listens, with the port in place of 0. Borrowed. */
const char *listener_address(const struct listener *listener);

#endif
