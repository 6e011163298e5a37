/* SPDX-License-Identifier: Apache-2.0 */
/* A connection of HTTP/2: KEDA's external scaler over gRPC, and the same pages as over HTTP/1.1. A
 * call has its answer within 2 s of its first byte, by this program's clock, whatever the client
 * and the agent do. */
#ifndef TALLY_BRIDGE_HTTP2_H
#define TALLY_BRIDGE_HTTP2_H

#include "client/bridge/protocol.h"
#include "client/bridge/stream.h"

extern const struct protocol http2_protocol;

/* NULL: out of memory. */
void *http2_create(struct stream_shared *shared, protocol_wake_fn *wake, void *data);

#endif
