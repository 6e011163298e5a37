/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes from a socket: the frame scan against msgpack-c, the reader and the writer against each
 * other, the envelope and the error map against whatever was accepted. */
#include "proto/limits.h"
#include "proto/message.h"
#include "proto/reader.h"
#include "proto/writer.h"
#include "tests/fuzz/fuzz.h"

#include <msgpack.h>

/* ---- the scan ---- */

static bool is_ext(uint8_t byte)
{
    return (byte >= 0xc7 && byte <= 0xc9) || (byte >= 0xd4 && byte <= 0xd8);
}

static bool is_container(uint8_t byte)
{
    return (byte >= 0x80 && byte <= 0x9f) || (byte >= 0xdc && byte <= 0xdf);
}

/* The bytes that a head declares beyond its first: its number, string, and at least one byte for
 * each element. Of a head that is not all there, its own. */
static uint64_t declared(const uint8_t *head, size_t len)
{
    static const uint8_t widths[32] = {0, 0, 0, 0, 1, 2, 4, 0, 0, 0, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8,
        0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4};
    unsigned width = head[0] >= 0xc0 && head[0] <= 0xdf ? widths[head[0] - 0xc0] : 0;
    uint64_t number = 0;

    if (len < 1 + width)
        return width;
    for (unsigned i = 1; i <= width; i++)
        number = number << 8 | head[i];
    if (head[0] >= 0x80 && head[0] <= 0x9f)
        return head[0] <= 0x8f ? 2u * (head[0] & 15u) : head[0] & 15u;
    if (head[0] >= 0xa0 && head[0] <= 0xbf)
        return head[0] & 31u;
    if (head[0] >= 0xca && head[0] <= 0xd3)
        return width;
    return width + (head[0] >= 0xde && head[0] <= 0xdf ? number * 2 : number);
}

/* A refusal needs a reason, visible at the head where the scan stopped. */
static void check_refusal(const struct frame_scan *scan, const uint8_t *data, size_t size)
{
    MUST(scan->offset < size);
    uint8_t byte = data[scan->offset];
    bool too_deep = is_container(byte) && scan->depth == scan->max_depth;
    bool too_long = declared(data + scan->offset, size - scan->offset) > scan->spare;

    MUST(byte == 0xc1 || is_ext(byte) || too_deep || too_long);
}

/* What msgpack-c says of the same bytes. It may be asked only where nothing is refused, because
 * it reserves memory for whatever count it meets. */
static void check_agreement(enum frame_status status, size_t end, const uint8_t *data, size_t size)
{
    msgpack_unpacked unpacked;
    msgpack_unpack_return r;
    size_t offset = 0;

    msgpack_unpacked_init(&unpacked);
    r = msgpack_unpack_next(&unpacked, (const char *)data, size, &offset);
    if (status == FRAME_COMPLETE) {
        MUST(r == MSGPACK_UNPACK_SUCCESS || r == MSGPACK_UNPACK_EXTRA_BYTES);
        MUST(offset == end);
    } else {
        MUST(r == MSGPACK_UNPACK_CONTINUE);
    }
    msgpack_unpacked_destroy(&unpacked);
}

/* Byte by byte, passed bytes spoilt and later ones not there yet: looking at either changes
 * the outcome. */
static void check_resuming(const struct frame_scan *whole, enum frame_status expected,
    unsigned max_depth, const uint8_t *data, size_t size)
{
    uint8_t *arrived = malloc(size + 1);
    enum frame_status status = FRAME_MORE;
    struct frame_scan scan;
    size_t spoilt = 0;

    MUST(arrived != NULL);
    memset(arrived, 0xc1, size + 1);
    frame_scan_init(&scan, LIMIT_REQUEST_BYTES, max_depth);
    for (size_t len = 1; len <= size && status == FRAME_MORE; len++) {
        arrived[len - 1] = data[len - 1];
        status = frame_scan_feed(&scan, arrived, len);
        if (status == FRAME_COMPLETE)
            MUST(scan.offset == len);
        while (spoilt < scan.offset && spoilt < len)
            arrived[spoilt++] = 0xc1;
    }
    MUST(status == expected);
    MUST(scan.offset == whole->offset);
    free(arrived);
}

static enum frame_status check_scan(
    unsigned max_depth, const uint8_t *data, size_t size, size_t *end)
{
    struct frame_scan scan;
    enum frame_status status;

    frame_scan_init(&scan, LIMIT_REQUEST_BYTES, max_depth);
    status = frame_scan_feed(&scan, data, size);
    if (status == FRAME_REFUSED)
        check_refusal(&scan, data, size);
    else
        check_agreement(status, scan.offset, data, size);
    check_resuming(&scan, status, max_depth, data, size);
    *end = scan.offset;
    return status;
}

/* ---- the reader and the writer ---- */

/* Reads one value and packs it again. The bytes need not be accepted ones: then it fails
 * somewhere, and must not leave them. */
static void copy_value(struct reader *reader, struct buffer *copy, unsigned depth);

static void copy_container(struct reader *reader, struct buffer *copy, unsigned depth, bool is_map)
{
    uint32_t count = 0;
    uint64_t values;

    if (is_map ? !reader_map(reader, &count) : !reader_array(reader, &count))
        return;
    if (is_map)
        write_map(copy, count);
    else
        write_array(copy, count);
    values = is_map ? (uint64_t)count * 2 : count;
    for (uint64_t i = 0; i < values && !reader->failed; i++)
        copy_value(reader, copy, depth);
}

static void copy_integer(struct reader *reader, struct buffer *copy)
{
    struct reader probe = *reader;
    int64_t number;
    uint64_t positive;

    if (reader_int(&probe, &number)) {
        write_int(copy, number);
        *reader = probe;
    } else if (reader_uint(reader, &positive)) {
        MUST(positive > INT64_MAX);
        write_uint(copy, positive);
    }
}

static void copy_text(struct reader *reader, struct buffer *copy, bool is_binary)
{
    struct text text;

    if (!reader_text(reader, &text))
        return;
    if (is_binary)
        write_binary(copy, text.data, text.len);
    else
        write_text(copy, text.data, text.len);
}

static void copy_value(struct reader *reader, struct buffer *copy, unsigned depth)
{
    enum value_type type = reader_peek(reader);
    bool truth = false;
    double real = 0;

    if (type == VALUE_NONE || depth == 0) {
        reader->failed = true;
    } else if (type == VALUE_NIL) {
        reader_nil(reader);
        write_nil(copy);
    } else if (type == VALUE_BOOL) {
        reader_bool(reader, &truth);
        write_bool(copy, truth);
    } else if (type == VALUE_INTEGER) {
        copy_integer(reader, copy);
    } else if (type == VALUE_FLOAT) {
        reader_float(reader, &real);
        write_float(copy, real);
    } else if (type == VALUE_STRING || type == VALUE_BINARY) {
        copy_text(reader, copy, type == VALUE_BINARY);
    } else {
        copy_container(reader, copy, depth - 1, type == VALUE_MAP);
    }
    MUST(reader->at <= reader->end);
}

/* A copy, being in the shortest form, is its own copy. */
static void check_copies(const uint8_t *frame, size_t len)
{
    struct buffer first;
    struct buffer second;
    struct reader reader;

    buffer_init(&first, 16 * LIMIT_REQUEST_BYTES);
    buffer_init(&second, 16 * LIMIT_REQUEST_BYTES);
    reader_init(&reader, frame, len);
    copy_value(&reader, &first, FRAME_DEPTH_MAX + 1);
    MUST(!reader.failed && reader.at == reader.end && !first.failed);
    reader_init(&reader, first.data, first.len);
    copy_value(&reader, &second, FRAME_DEPTH_MAX + 1);
    MUST(!reader.failed && reader.at == reader.end && !second.failed);
    MUST(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
    buffer_free(&second);
    buffer_free(&first);
}

static void check_unaccepted(const uint8_t *data, size_t size)
{
    struct buffer copy;
    struct reader reader;

    buffer_init(&copy, LIMIT_REQUEST_BYTES);
    reader_init(&reader, data, size);
    while (!reader.failed)
        copy_value(&reader, &copy, FRAME_DEPTH_MAX);
    buffer_free(&copy);
}

/* ---- the envelope ---- */

static void check_inside(const void *at, const uint8_t *frame, size_t len)
{
    MUST((const uint8_t *)at >= frame && (const uint8_t *)at <= frame + len);
}

static void check_message(const uint8_t *frame, size_t len)
{
    struct message message;
    struct failure failure;
    struct buffer packed;

    if (message_decode(&message, frame, len) < 0)
        return;
    if (message.kind != MESSAGE_ANSWER && message.flaw == NULL) {
        check_inside(message.method.data + message.method.len, frame, len);
        check_inside(message.params.end, frame, len);
        MUST(reader_skip(&message.params, NULL));
        MUST(message.params.at == message.params.end);
    }
    if (message.kind == MESSAGE_ANSWER && message.has_error &&
        failure_unpack(&message.error, &failure)) {
        buffer_init(&packed, LIMIT_REQUEST_BYTES);
        message_error(&packed, message.id, &failure, NULL);
        MUST(!packed.failed && memchr(failure.message, '\0', sizeof(failure.message)) != NULL);
        buffer_free(&packed);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t end;

    if (size == 0)
        return 0;
    check_unaccepted(data, size);
    if (check_scan(FRAME_DEPTH_MAX, data, size, &end) == FRAME_COMPLETE) {
        check_copies(data, end);
        check_message(data, end);
    }
    if (check_scan(LIMIT_DEPTH, data, size, &end) == FRAME_COMPLETE)
        check_message(data, end);
    return 0;
}
