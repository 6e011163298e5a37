/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/reader.h"

#include "proto/frame.h"

#include <endian.h>
#include <string.h>

/* The head of a value: its first byte and the number behind it. */
struct head {
    enum value_type type;
    size_t size;     /* of the head itself */
    uint64_t number; /* an integer or float's bits, true or false, a length, a count */
    bool negative;   /* `number` is the two's complement of a negative integer */
};

/* The meaning of the first byte of a value. */
static const struct {
    uint8_t type;  /* enum value_type; VALUE_NONE: never used, or ext */
    uint8_t width; /* bytes of the number behind it; 0: the number is in the byte itself, … */
    uint8_t mask;  /* … in these bits */
    uint64_t sign; /* the bit that makes the number negative */
} leads[256] = {
    [0x00 ... 0x7f] = {VALUE_INTEGER, 0, 0x7f, 0},
    [0x80 ... 0x8f] = {VALUE_MAP, 0, 0x0f, 0},
    [0x90 ... 0x9f] = {VALUE_ARRAY, 0, 0x0f, 0},
    [0xa0 ... 0xbf] = {VALUE_STRING, 0, 0x1f, 0},
    [0xc0] = {VALUE_NIL, 0, 0, 0},
    [0xc2 ... 0xc3] = {VALUE_BOOL, 0, 0x01, 0},
    [0xc4] = {VALUE_BINARY, 1, 0, 0},
    [0xc5] = {VALUE_BINARY, 2, 0, 0},
    [0xc6] = {VALUE_BINARY, 4, 0, 0},
    [0xca] = {VALUE_FLOAT, 4, 0, 0},
    [0xcb] = {VALUE_FLOAT, 8, 0, 0},
    [0xcc] = {VALUE_INTEGER, 1, 0, 0},
    [0xcd] = {VALUE_INTEGER, 2, 0, 0},
    [0xce] = {VALUE_INTEGER, 4, 0, 0},
    [0xcf] = {VALUE_INTEGER, 8, 0, 0},
    [0xd0] = {VALUE_INTEGER, 1, 0, 0x80},
    [0xd1] = {VALUE_INTEGER, 2, 0, 0x8000},
    [0xd2] = {VALUE_INTEGER, 4, 0, 0x80000000},
    [0xd3] = {VALUE_INTEGER, 8, 0, (uint64_t)1 << 63},
    [0xd9] = {VALUE_STRING, 1, 0, 0},
    [0xda] = {VALUE_STRING, 2, 0, 0},
    [0xdb] = {VALUE_STRING, 4, 0, 0},
    [0xdc] = {VALUE_ARRAY, 2, 0, 0},
    [0xdd] = {VALUE_ARRAY, 4, 0, 0},
    [0xde] = {VALUE_MAP, 2, 0, 0},
    [0xdf] = {VALUE_MAP, 4, 0, 0},
    [0xe0 ... 0xff] = {VALUE_INTEGER, 0, 0xff, 0x80},
};

static inline uint64_t big_endian(const uint8_t *at, unsigned width)
{
    uint16_t two;
    uint32_t four;
    uint64_t eight;

    switch (width) {
    case 1:
        return at[0];
    case 2:
        memcpy(&two, at, sizeof(two));
        return be16toh(two);
    case 4:
        memcpy(&four, at, sizeof(four));
        return be32toh(four);
    case 8:
        memcpy(&eight, at, sizeof(eight));
        return be64toh(eight);
    default:
        return 0;
    }
}

/* VALUE_NONE if the head, or a string, is incomplete. */
static inline struct head head_read(const struct reader *reader)
{
    struct head head = {.type = VALUE_NONE};
    size_t room = (size_t)(reader->end - reader->at);
    unsigned lead, width;

    if (reader->failed || room == 0)
        return head;
    lead = reader->at[0];
    width = leads[lead].width;
    if (room < 1 + width)
        return head;
    head.type = leads[lead].type;
    head.size = 1 + width;
    head.number = width == 0 ? lead & leads[lead].mask : big_endian(reader->at + 1, width);
    if ((head.number & leads[lead].sign) != 0) {
        head.negative = true;
        head.number |= ~(leads[lead].sign - 1);
    }
    if ((head.type == VALUE_STRING || head.type == VALUE_BINARY) && head.number > room - head.size)
        head.type = VALUE_NONE;
    return head;
}

/* Skips the head if `accepted`, else fails. */
static inline bool head_take(struct reader *reader, const struct head *head, bool accepted)
{
    if (!accepted) {
        reader->failed = true;
        return false;
    }
    reader->at += head->size;
    return true;
}

void reader_init(struct reader *reader, const void *data, size_t len)
{
    static const uint8_t nothing;

    /* Pointer arithmetic on NULL is undefined even where len is 0. */
    reader->at = len > 0 ? data : &nothing;
    reader->end = reader->at + len;
    reader->failed = false;
}

enum value_type reader_peek(const struct reader *reader)
{
    return head_read(reader).type;
}

bool reader_nil(struct reader *reader)
{
    struct head head = head_read(reader);

    return head_take(reader, &head, head.type == VALUE_NIL);
}

bool reader_bool(struct reader *reader, bool *value)
{
    struct head head = head_read(reader);

    if (!head_take(reader, &head, head.type == VALUE_BOOL))
        return false;
    *value = head.number != 0;
    return true;
}

bool reader_uint(struct reader *reader, uint64_t *value)
{
    struct head head = head_read(reader);

    if (!head_take(reader, &head, head.type == VALUE_INTEGER && !head.negative))
        return false;
    *value = head.number;
    return true;
}

bool reader_int(struct reader *reader, int64_t *value)
{
    struct head head = head_read(reader);
    bool fits = head.negative || head.number <= INT64_MAX;

    if (!head_take(reader, &head, head.type == VALUE_INTEGER && fits))
        return false;
    *value = (int64_t)head.number;
    return true;
}

static double float_value(const struct head *head)
{
    uint32_t bits = (uint32_t)head->number;
    float single;
    double value;

    if (head->size == 1 + sizeof(single)) {
        memcpy(&single, &bits, sizeof(single));
        return (double)single;
    }
    memcpy(&value, &head->number, sizeof(value));
    return value;
}

bool reader_float(struct reader *reader, double *value)
{
    struct head head = head_read(reader);

    if (!head_take(reader, &head, head.type == VALUE_FLOAT || head.type == VALUE_INTEGER))
        return false;
    if (head.type == VALUE_FLOAT)
        *value = float_value(&head);
    else
        *value = head.negative ? (double)(int64_t)head.number : (double)head.number;
    return true;
}

bool reader_text(struct reader *reader, struct text *value)
{
    struct head head = head_read(reader);

    if (!head_take(reader, &head, head.type == VALUE_STRING || head.type == VALUE_BINARY))
        return false;
    value->data = (const char *)reader->at;
    value->len = (size_t)head.number;
    reader->at += value->len;
    return true;
}

/* A count that exceeds the bytes behind it would be a bug of the scan; but a caller may allocate
 * memory for it. */
static bool reader_container(
    struct reader *reader, enum value_type type, unsigned values_each, uint32_t *count)
{
    struct head head = head_read(reader);
    uint64_t room = (uint64_t)(reader->end - reader->at) - head.size;

    if (!head_take(reader, &head, head.type == type && head.number * values_each <= room))
        return false;
    *count = (uint32_t)head.number;
    return true;
}

bool reader_array(struct reader *reader, uint32_t *count)
{
    return reader_container(reader, VALUE_ARRAY, 1, count);
}

bool reader_map(struct reader *reader, uint32_t *pairs)
{
    struct reader empty = *reader;

    if (reader_peek(reader) == VALUE_ARRAY && reader_array(&empty, pairs) && *pairs == 0) {
        *reader = empty;
        return true;
    }
    return reader_container(reader, VALUE_MAP, 2, pairs);
}

bool reader_skip(struct reader *reader, struct text *value)
{
    size_t room = (size_t)(reader->end - reader->at);
    struct frame_scan scan;

    frame_scan_init(&scan, room, FRAME_DEPTH_MAX);
    if (reader->failed || frame_scan_feed(&scan, reader->at, room) != FRAME_COMPLETE) {
        reader->failed = true;
        return false;
    }
    if (value != NULL)
        *value = (struct text){(const char *)reader->at, scan.offset};
    reader->at += scan.offset;
    return true;
}
