/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2: KEDA's external scaler over gRPC, and the same pages as over HTTP/1.1. A call has its
 * answer within 2 s of its first byte, by this program's clock, whatever the client and the agent
 * do. */
#ifndef TALLY_BRIDGE_HTTP2_H
#define TALLY_BRIDGE_HTTP2_H

#include "client/bridge/agent_link.h"
#include "client/bridge/bridge_stats.h"
#include "client/bridge/page.h"
#include "client/bridge/protocol.h"

/* What all connections share; zeroed, then filled. */
struct http2_room {
    struct loop *loop;
    struct agent_link *link;
    struct page_room *pages;
    struct bridge_stats *stats;
    const char *only_namespace; /* NULL: objects of any namespace may ask */
    size_t request_bytes;       /* of requests that are not whole yet, now */
};

extern const struct protocol http2_protocol;

/* NULL: out of memory. */
void *http2_create(struct http2_room *room, protocol_wake_fn *wake, void *data);

#endif
