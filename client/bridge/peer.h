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

/* What all peers share. Zeroed, then filled, then peer_room_init. */
struct peer_room {
    struct loop *loop;
    struct tls_room *tls; /* NULL: plain TCP */
    struct stream_room *http2;
    struct page_room *pages;
    struct agent_link *link;
    struct bridge_stats *stats;
    void (*emptied)(void *data); /* while draining: the last peer has gone */
    void *data;
    struct ring peers; /* the one that was accepted first comes first */
    struct ring awake; /* those with bytes to be sent */
    bool draining;
};

void peer_room_init(struct peer_room *room);

/* Sends the questions that the peers have asked, and what was answered. */
void peer_room_settle(struct peer_room *room);

/* Only sends what was answered: inside a turn of the link. */
void peer_room_flush(struct peer_room *room);

/* No new requests; peers leave as they end. */
void peer_room_drain(struct peer_room *room);

/* Closes all at once. */
void peer_room_close(struct peer_room *room);

/* Takes over the descriptor. Where there are too many peers, the one that was idle for longest is
 * closed, or the new one. */
void peer_accept(struct peer_room *room, int fd);

#endif
