/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/frame.h"

/* The shape of a value, from its first byte. */
struct shape {
    uint8_t size;   /* bytes up to its end or its first element; 0: never accepted */
    uint8_t values; /* elements that follow, for fixarray and fixmap */
    uint8_t length; /* bytes of the big-endian length or count behind the first byte */
    uint8_t unit;   /* values for each element of a container (a map has 2); 0: not a container */
};

#define EACH_OF_16(X)                                                                              \
    X(0), X(1), X(2), X(3), X(4), X(5), X(6), X(7), X(8), X(9), X(10), X(11), X(12), X(13), X(14), \
        X(15)
#define FIXMAP(n)   [0x80 + (n)] = {1, 2 * (n), 0, 2}
#define FIXARRAY(n) [0x90 + (n)] = {1, (n), 0, 1}
#define FIXSTR(n)   [0xa0 + (n)] = {1 + (n), 0, 0, 0}, [0xb0 + (n)] = {17 + (n), 0, 0, 0}

/* 0xc1 and the ext types are left out: their size is 0. */
static const struct shape shapes[256] = {
    [0x00 ... 0x7f] = {1, 0, 0, 0}, /* positive fixint */
    EACH_OF_16(FIXMAP),
    EACH_OF_16(FIXARRAY),
    EACH_OF_16(FIXSTR),
    [0xc0] = {1, 0, 0, 0},          /* nil */
    [0xc2 ... 0xc3] = {1, 0, 0, 0}, /* false, true */
    [0xc4] = {2, 0, 1, 0},          /* bin 8, 16, 32 */
    [0xc5] = {3, 0, 2, 0},
    [0xc6] = {5, 0, 4, 0},
    [0xca] = {5, 0, 0, 0}, /* float 32, 64 */
    [0xcb] = {9, 0, 0, 0},
    [0xcc] = {2, 0, 0, 0}, /* uint 8, 16, 32, 64 */
    [0xcd] = {3, 0, 0, 0},
    [0xce] = {5, 0, 0, 0},
    [0xcf] = {9, 0, 0, 0},
    [0xd0] = {2, 0, 0, 0}, /* int 8, 16, 32, 64 */
    [0xd1] = {3, 0, 0, 0},
    [0xd2] = {5, 0, 0, 0},
    [0xd3] = {9, 0, 0, 0},
    [0xd9] = {2, 0, 1, 0}, /* str 8, 16, 32 */
    [0xda] = {3, 0, 2, 0},
    [0xdb] = {5, 0, 4, 0},
    [0xdc] = {3, 0, 2, 1}, /* array 16, 32 */
    [0xdd] = {5, 0, 4, 1},
    [0xde] = {3, 0, 2, 2}, /* map 16, 32 */
    [0xdf] = {5, 0, 4, 2},
    [0xe0 ... 0xff] = {1, 0, 0, 0}, /* negative fixint */
};

static uint32_t read_length(const uint8_t *data, unsigned bytes)
{
    uint32_t length = 0;

    for (unsigned i = 0; i < bytes; i++)
        length = length << 8 | data[i];
    return length;
}

void frame_scan_init(struct frame_scan *scan, size_t max_bytes, unsigned max_depth)
{
    const size_t most = (size_t)1 << 31;

    if (max_bytes > most)
        max_bytes = most;
    /* The rest of `left` is written before it is read; clearing it costs more than a scan. */
    scan->left[0] = 1;
    scan->offset = 0;
    scan->spare = max_bytes > 0 ? max_bytes - 1 : 0;
    scan->room = SIZE_MAX;
    scan->max_depth = max_depth <= FRAME_DEPTH_MAX ? max_depth : FRAME_DEPTH_MAX;
    scan->depth = 0;
}

void frame_scan_limit_values(struct frame_scan *scan, size_t max_values)
{
    scan->room = max_values;
}

enum frame_status frame_scan_feed(struct frame_scan *scan, const uint8_t *data, size_t len)
{
    enum frame_status status = FRAME_REFUSED;
    unsigned depth = scan->depth;
    size_t offset = scan->offset;
    size_t spare = scan->spare;
    uint32_t left = scan->left[depth]; /* in a register: only containers touch the array */

    while (left > 0 && offset < len) {
        const struct shape shape = shapes[data[offset]];
        uint64_t size = shape.size;
        uint64_t values = shape.values;
        uint64_t cost;

        if (shape.unit > 0 && depth == scan->max_depth)
            goto finish;
        if (shape.length > 0) {
            if (size - 1 > spare)
                goto finish;
            if (size > len - offset)
                break;
            const uint64_t length = read_length(data + offset + 1, shape.length);
            values = length * shape.unit;
            size += shape.unit > 0 ? 0 : length;
        }
        /* One byte of the value is already counted. If size is 0 this wraps and is refused. */
        cost = size + values - 1;
        if (cost > spare || values > scan->room)
            goto finish;

        spare -= cost;
        offset += size;
        left--;
        if (values > 0) {
            scan->room -= values;
            scan->left[depth++] = left;
            left = (uint32_t)values;
        }
        while (left == 0 && depth > 0)
            left = scan->left[--depth];
    }
    status = left == 0 && offset <= len ? FRAME_COMPLETE : FRAME_MORE;

finish:
    scan->offset = offset;
    scan->spare = spare;
    scan->depth = depth;
    scan->left[depth] = left;
    return status;
}

const char *frame_refusal(const struct frame_scan *scan, const uint8_t *data, size_t len)
{
    uint8_t first = scan->offset < len ? data[scan->offset] : 0;

    if (shapes[first].size == 0)
        return first == 0xc1 ? "byte_c1" : "ext_type";
    return shapes[first].unit > 0 && scan->depth == scan->max_depth ? "too_deep" : "too_long";
}
