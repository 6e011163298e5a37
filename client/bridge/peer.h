/* SPDX-License-Identifier: Apache-2.0 */
/* One TCP connection: it owns the descriptor, the bytes that are yet to be sent, and the deadlines,
 * finds out which protocol the peer speaks, and closes it. */
#ifndef TALLY_BRIDGE_PEER_H
#define TALLY_BRIDGE_PEER_H

#include "agent/loop.h"
#include "agent/ring.h"
#include "client/bridge/bridge_stats.h"
#include "client/bridge/http2.h"
#include "client/bridge/page.h"
#include "client/bridge/peer_tls.h"

#define PEERS_MAX 512

/* What all peers share. Zeroed, then filled, then peer_shared_init. */
struct peer_shared {
    struct loop *loop;
    struct tls_shared *tls; /* NULL: plain TCP */
    struct stream_shared *http2;
    struct page_shared *pages;
    struct agent_link *link;
    struct bridge_stats *stats;
    void (*emptied)(void *data); /* while draining: the last peer has gone */
    void *data;
    struct ring peers; /* the one that was accepted first comes first */
    struct ring awake; /* those with bytes to be sent */
    bool draining;
};

void peer_shared_init(struct peer_shared *shared);

/* Sends the calls that the peers need to the agent, and the answers to the peers. */
void peer_shared_settle(struct peer_shared *shared);

/* Only sends what was answered: inside a turn of the link. */
void peer_shared_flush(struct peer_shared *shared);

/* No new requests; peers leave as they end. */
void peer_shared_drain(struct peer_shared *shared);

/* Closes all at once. */
void peer_shared_close(struct peer_shared *shared);

/* Takes over the descriptor. Where there are too many peers, the one that was idle for longest is
 * closed, or the new one. */
void peer_accept(struct peer_shared *shared, int fd);

#endif
