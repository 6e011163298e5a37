/* SPDX-License-Identifier: Apache-2.0 */
/* What a peer needs of the protocol that it speaks: bytes in, bytes out, and when it must be
 * looked at. HTTP/1.1 and HTTP/2 are both of this form. */
#ifndef TALLY_BRIDGE_PROTOCOL_H
#define TALLY_BRIDGE_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROTOCOL_NEVER INT64_MAX

struct protocol {
    /* Takes all of the bytes. False: the connection is to be closed at once. */
    bool (*take)(void *self, const uint8_t *data, size_t len);
    /* The next bytes to be sent: 0 for none now. *data is borrowed until the next call. */
    size_t (*give)(void *self, const uint8_t **data);
    /* Nothing is to be received or sent any more. */
    bool (*is_over)(const void *self);
    /* Nothing is under way: the connection may be closed in favour of another one. */
    bool (*is_idle)(const void *self);
    /* When `tick` must be called (ms of the loop), or PROTOCOL_NEVER. */
    int64_t (*deadline)(const void *self);
    /* False: the peer is to be closed, because it took too long. */
    bool (*tick)(void *self);
    /* The program is about to end: no new requests. */
    void (*drain)(void *self);
    void (*destroy)(void *self);
};

/* Called when there are bytes to be sent, from anywhere but within `take`, `give` and `tick`. */
typedef void protocol_wake_fn(void *data);

#endif
