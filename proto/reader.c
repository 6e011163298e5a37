/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/reader.h"

#include <endian.h>
#include <string.h>

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
    scan->values = SIZE_MAX;
    scan->max_depth = max_depth <= FRAME_DEPTH_MAX ? max_depth : FRAME_DEPTH_MAX;
    scan->depth = 0;
}

void frame_scan_limit_values(struct frame_scan *scan, size_t max_values)
{
    scan->values = max_values;
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
        if (cost > spare || values > scan->values)
            goto finish;

        spare -= cost;
        offset += size;
        left--;
        if (values > 0) {
            scan->values -= values;
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

/* ---- reader ---- */

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
    uint8_t sign;  /* the position of the bit that makes the number negative; 0: none */
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
    [0xd0] = {VALUE_INTEGER, 1, 0, 7},
    [0xd1] = {VALUE_INTEGER, 2, 0, 15},
    [0xd2] = {VALUE_INTEGER, 4, 0, 31},
    [0xd3] = {VALUE_INTEGER, 8, 0, 63},
    [0xd9] = {VALUE_STRING, 1, 0, 0},
    [0xda] = {VALUE_STRING, 2, 0, 0},
    [0xdb] = {VALUE_STRING, 4, 0, 0},
    [0xdc] = {VALUE_ARRAY, 2, 0, 0},
    [0xdd] = {VALUE_ARRAY, 4, 0, 0},
    [0xde] = {VALUE_MAP, 2, 0, 0},
    [0xdf] = {VALUE_MAP, 4, 0, 0},
    [0xe0 ... 0xff] = {VALUE_INTEGER, 0, 0xff, 7},
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
    size_t rest = (size_t)(reader->end - reader->at);
    unsigned lead, width;

    if (reader->failed || rest == 0)
        return head;
    lead = reader->at[0];
    width = leads[lead].width;
    if (rest < 1 + width)
        return head;
    head.type = leads[lead].type;
    head.size = 1 + width;
    head.number = width == 0 ? lead & leads[lead].mask : big_endian(reader->at + 1, width);
    if (leads[lead].sign > 0 && (head.number >> leads[lead].sign & 1) != 0) {
        head.negative = true;
        head.number |= UINT64_MAX << leads[lead].sign;
    }
    if ((head.type == VALUE_STRING || head.type == VALUE_BINARY) && head.number > rest - head.size)
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
    uint64_t rest = (uint64_t)(reader->end - reader->at) - head.size;

    if (!head_take(reader, &head, head.type == type && head.number * values_each <= rest))
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
    size_t rest = (size_t)(reader->end - reader->at);
    struct frame_scan scan;

    frame_scan_init(&scan, rest, FRAME_DEPTH_MAX);
    if (reader->failed || frame_scan_feed(&scan, reader->at, rest) != FRAME_COMPLETE) {
        reader->failed = true;
        return false;
    }
    if (value != NULL)
        *value = (struct text){(const char *)reader->at, scan.offset};
    reader->at += scan.offset;
    return true;
}

bool reader_key(struct reader *reader, struct text *key)
{
    enum value_type type = reader_peek(reader);

    *key = (struct text){NULL, 0};
    return type == VALUE_STRING || type == VALUE_BINARY ? reader_text(reader, key)
                                                        : reader_skip(reader, NULL);
}

static bool reader_find_key(struct reader *reader, const char *key, size_t key_len)
{
    uint32_t pairs = 0;

    if (!reader_map(reader, &pairs))
        return false;
    for (; pairs > 0; pairs--) {
        struct text name;

        if (!reader_key(reader, &name))
            return false;
        if (name.len == key_len && name.data != NULL && memcmp(name.data, key, key_len) == 0)
            return true;
        if (!reader_skip(reader, NULL))
            return false;
    }
    return false;
}

static bool reader_find_position(struct reader *reader, const char *digits, size_t len)
{
    uint32_t count = 0;

    if (len == 0 || len > 9 || !reader_array(reader, &count))
        return false;
    uint32_t position = 0;
    for (size_t i = 0; i < len; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return false;
        position = position * 10 + (uint32_t)(digits[i] - '0');
    }
    if (position >= count)
        return false;
    for (; position > 0; position--) {
        if (!reader_skip(reader, NULL))
            return false;
    }
    return true;
}

bool reader_find(struct reader *reader, const char *path)
{
    while (path != NULL && path[0] != '\0') {
        size_t len = strcspn(path, ".");
        bool found = reader_peek(reader) == VALUE_ARRAY ? reader_find_position(reader, path, len)
                                                        : reader_find_key(reader, path, len);

        if (!found)
            return false;
        path += len;
        if (path[0] == '.')
            path++;
    }
    return !reader->failed;
}
