/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the end of one msgpack value in untrusted bytes. Allocates nothing, trusts no
 * declared length or count, and resumes where it stopped, so a value that arrives byte by
 * byte costs one pass. msgpack-c must only ever see what this has accepted: it reserves
 * memory from a declared count (five bytes can ask for 8 GB). */
#ifndef TALLY_PROTO_FRAME_H
#define TALLY_PROTO_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_DEPTH_MAX 32u /* what the scan can hold, and msgpack-c's own limit */

enum frame_status {
    FRAME_MORE,     /* the value goes on behind the bytes given */
    FRAME_COMPLETE, /* `offset` is its length */
    FRAME_REFUSED,  /* can never fit, too deep, or not msgpack as used here (0xc1, ext types) */
};

struct frame_scan {
    size_t offset; /* bytes passed; may run ahead into a string that has yet to arrive */
    size_t spare;  /* bytes of the maximum beyond those passed and one for each value owed */
    size_t room;   /* values that containers may still announce */
    unsigned max_depth;
    unsigned depth; /* open containers */
    /* Values owed at each depth (a pair of a map is two); [0] is the value itself. */
    uint32_t left[FRAME_DEPTH_MAX + 1];
};

/* max_bytes from 1 to 2^31, max_depth at most FRAME_DEPTH_MAX. */
void frame_scan_init(struct frame_scan *scan, size_t max_bytes, unsigned max_depth);

/* Bounds the elements of all containers together, for a reader that builds something from
 * each. Before the first frame_scan_feed; without it the bytes alone are bounded. */
void frame_scan_limit_values(struct frame_scan *scan, size_t max_values);

/* `data` is the start of the value at each call, `len` all bytes that are there by now. The
 * refusal comes with the first bytes that show it: a length or count is held against what
 * max_bytes leaves when each value still owed takes one byte. */
enum frame_status frame_scan_feed(struct frame_scan *scan, const uint8_t *data, size_t len);

/* After FRAME_REFUSED: what is wrong with the value at `offset` of the same data, in a word for
 * logs. Static. */
const char *frame_refusal(const struct frame_scan *scan, const uint8_t *data, size_t len);

#endif
