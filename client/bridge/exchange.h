/* SPDX-License-Identifier: Apache-2.0 */
/* One connection of HTTP/1.1: a request, its page, the next request. Requests that come before the
 * answer wait in the kernel. */
#ifndef TALLY_BRIDGE_EXCHANGE_H
#define TALLY_BRIDGE_EXCHANGE_H

#include "client/bridge/page.h"
#include "client/bridge/protocol.h"

extern const struct protocol exchange_protocol;

/* NULL: out of memory. */
void *exchange_create(struct page_shared *shared, protocol_wake_fn *wake, void *data);

#endif
