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
    FRAME_REFUSED,  /* too long, too deep, or not msgpack (0xc1, ext types) */
};

struct frame_scan {
    size_t offset;     /* bytes passed so far */
    size_t max_bytes;
    unsigned max_depth;
    unsigned depth;
    uint32_t left[FRAME_DEPTH_MAX]; /* values still missing in each open container;
                                     * a map counts two for each pair */
};

/* max_depth at most FRAME_DEPTH_MAX. max_bytes at most 2^31. */
void frame_scan_init(struct frame_scan *scan, size_t max_bytes, unsigned max_depth);

/* `data` is the start of the value at each call, `len` all bytes that are there by now. */
enum frame_status frame_scan_feed(struct frame_scan *scan, const uint8_t *data, size_t len);

#endif
