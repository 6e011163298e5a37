/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/reader.h"

#include "tests/unit/test.h"

#include <stdbool.h>

#define MAX_BYTES 1000u
#define MAX_DEPTH 8u

/* A literal with its length, so that it may hold NULs. */
#define BYTES(literal) (const uint8_t *)(literal), sizeof(literal) - 1

static enum frame_status scan(
    const uint8_t *data, size_t len, size_t max_bytes, unsigned max_depth, size_t *offset)
{
    struct frame_scan scan;
    enum frame_status status;

    frame_scan_init(&scan, max_bytes, max_depth);
    status = frame_scan_feed(&scan, data, len);
    if (offset != NULL)
        *offset = scan.offset;
    return status;
}

/* Feeds byte by byte. What was passed is overwritten, and what has yet to arrive is 0xc1, so
 * looking back or ahead changes the outcome. *used: the bytes that were there at the end. */
static enum frame_status scan_in_bytes(
    const uint8_t *data, size_t len, size_t max_bytes, unsigned max_depth, size_t *used)
{
    uint8_t *arrived = malloc(len + 1);
    enum frame_status status = FRAME_MORE;
    struct frame_scan scan;

    CHECK(arrived != NULL);
    memset(arrived, 0xc1, len + 1);
    frame_scan_init(&scan, max_bytes, max_depth);
    for (*used = 0; *used < len && status == FRAME_MORE;) {
        size_t passed = scan.offset;

        arrived[*used] = data[*used];
        ++*used;
        status = frame_scan_feed(&scan, arrived, *used);
        while (passed < scan.offset && passed < *used)
            arrived[passed++] = 0xc1;
    }
    free(arrived);
    return status;
}

/* ---- a slow model to compare with: recursive, straight from the specification ---- */

struct model {
    const uint8_t *data;
    size_t len;
    size_t at;
};

static uint64_t model_number(const struct model *model, size_t width)
{
    uint64_t number = 0;

    for (size_t i = 1; i <= width; i++)
        number = number << 8 | model->data[model->at + i];
    return number;
}

/* The width of the length behind the first byte, or of the number that is the value. */
static size_t model_width(uint8_t byte)
{
    static const uint8_t widths[32] = {0, 0, 0, 0, 1, 2, 4, 0, 0, 0, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8,
        0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4};

    return byte >= 0xc0 && byte <= 0xdf ? widths[byte - 0xc0] : 0;
}

/* Passes over one value that is all there; anything else answers false. */
static bool model_skip(struct model *model, unsigned depth)
{
    if (model->at >= model->len)
        return false;
    uint8_t byte = model->data[model->at];
    size_t width = model_width(byte);
    uint64_t values = 0;
    uint64_t bytes = 0;
    bool container = false;

    if (byte == 0xc1 || (byte >= 0xc7 && byte <= 0xc9) || (byte >= 0xd4 && byte <= 0xd8))
        return false;
    if (model->len - model->at < 1 + width)
        return false;
    if (byte >= 0x80 && byte <= 0x9f) {
        container = true;
        values = byte <= 0x8f ? 2u * (byte & 15u) : byte & 15u;
    } else if (byte >= 0xdc && byte <= 0xdf) {
        container = true;
        values = model_number(model, width) * (byte >= 0xde ? 2 : 1);
    } else if (byte >= 0xa0 && byte <= 0xbf) {
        bytes = byte & 31u;
    } else if ((byte >= 0xc4 && byte <= 0xc6) || (byte >= 0xd9 && byte <= 0xdb)) {
        bytes = model_number(model, width);
    }
    if (container && depth == 0)
        return false;
    model->at += 1 + width;
    if (bytes > model->len - model->at)
        return false;
    model->at += bytes;
    for (uint64_t i = 0; i < values; i++) {
        if (!model_skip(model, depth - 1))
            return false;
    }
    return true;
}

static uint32_t random_state = 1;

static uint8_t random_byte(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (uint8_t)(random_state >> 24);
}

/* Random bytes are mostly refused at once; small lengths and containers are the frames. */
static uint8_t random_head(void)
{
    static const uint8_t heads[] = {0x00, 0x7f, 0x80, 0x81, 0x82, 0x90, 0x91, 0x93, 0xa0, 0xa3,
        0xc0, 0xc4, 0xc5, 0xca, 0xcb, 0xcc, 0xcf, 0xd0, 0xd9, 0xda, 0xdc, 0xdd, 0xde, 0xdf, 0xe0};

    return random_byte() < 200 ? heads[random_byte() % sizeof(heads)] : random_byte();
}

TEST(agrees_with_a_model_of_the_specification)
{
    size_t complete = 0;

    for (int round = 0; round < 400000; round++) {
        uint8_t data[24];
        size_t offset;
        size_t used;

        for (size_t i = 0; i < sizeof(data); i++)
            data[i] = random_byte() < 60 ? random_byte() & 3 : random_head();
        struct model model = {data, sizeof(data), 0};
        bool is_frame = model_skip(&model, 3);
        enum frame_status status = scan(data, sizeof(data), sizeof(data), 3, &offset);

        /* With as many bytes as the maximum there is nothing to wait for. */
        CHECK_INT(is_frame ? FRAME_COMPLETE : FRAME_REFUSED, status);
        if (is_frame)
            CHECK_INT(model.at, offset);
        complete += is_frame;
        CHECK_INT(status, scan_in_bytes(data, sizeof(data), sizeof(data), 3, &used));
        if (is_frame)
            CHECK_INT(model.at, used);
    }
    CHECK(complete > 50000 && complete < 350000);
}

/* ---- by hand ---- */

TEST(each_type_ends_where_the_specification_says)
{
    for (unsigned first = 0; first <= 0xff; first++) {
        uint8_t data[64] = {(uint8_t)first}; /* wide lengths and counts are 0 */
        struct model model = {data, sizeof(data), 0};
        size_t offset;
        size_t used;
        bool valid = model_skip(&model, MAX_DEPTH);

        CHECK_INT(valid ? FRAME_COMPLETE : FRAME_REFUSED,
            scan(data, sizeof(data), MAX_BYTES, MAX_DEPTH, &offset));
        CHECK_INT(valid ? model.at : 0, offset);
        CHECK_INT(valid ? FRAME_COMPLETE : FRAME_REFUSED,
            scan_in_bytes(data, sizeof(data), MAX_BYTES, MAX_DEPTH, &used));
        CHECK_INT(valid ? model.at : 1, used);
    }
}

TEST(each_part_of_a_request_wants_more)
{
    const uint8_t request[] = "\x94\x00\x07\xa5"
                              "count\x91\x81\xa7trigger\xa6orders";
    const size_t len = sizeof(request) - 1;
    size_t offset;

    for (size_t part = 0; part < len; part++)
        CHECK_INT(FRAME_MORE, scan(request, part, MAX_BYTES, MAX_DEPTH, NULL));
    CHECK_INT(FRAME_COMPLETE, scan(request, len, MAX_BYTES, MAX_DEPTH, &offset));
    CHECK_INT(len, offset);
}

TEST(what_follows_a_value_is_not_looked_at)
{
    size_t offset;

    CHECK_INT(FRAME_COMPLETE, scan(BYTES("\x91\x01\xc1\xc1"), MAX_BYTES, MAX_DEPTH, &offset));
    CHECK_INT(2, offset);
    CHECK_INT(FRAME_COMPLETE, scan(BYTES("\xa1x\x94\x00"), MAX_BYTES, MAX_DEPTH, &offset));
    CHECK_INT(2, offset);
}

TEST(a_string_may_be_passed_before_it_arrives)
{
    const uint8_t data[] = "\xa5"
                           "count";
    struct frame_scan scan;

    frame_scan_init(&scan, MAX_BYTES, MAX_DEPTH);
    CHECK_INT(FRAME_MORE, frame_scan_feed(&scan, data, 1));
    CHECK_INT(6, scan.offset);
    CHECK_INT(FRAME_MORE, frame_scan_feed(&scan, data, 5));
    CHECK_INT(FRAME_COMPLETE, frame_scan_feed(&scan, data, 6));
    CHECK_INT(FRAME_COMPLETE, frame_scan_feed(&scan, data, 6));
    CHECK_INT(6, scan.offset);
}

static const struct {
    const char *what;
    const char *data;
    size_t len;     /* refused when these are there */
    size_t waiting; /* and not yet with these */
} refusals[] = {
    {"array32 of 2^32-1", "\xdd\xff\xff\xff\xff", 5, 4},
    {"array32 of 2^28", "\xdd\x10\x00\x00\x00", 5, 4},
    {"map32 of 2^32-1", "\xdf\xff\xff\xff\xff", 5, 4},
    {"map32 of 2^31: twice that is 2^32", "\xdf\x80\x00\x00\x00", 5, 4},
    {"str32 of 4 GiB", "\xdb\xff\xff\xff\xff", 5, 4},
    {"bin32 of 4 GiB", "\xc6\xff\xff\xff\xff", 5, 4},
    {"array16 that cannot fit", "\xdc\x03\xe6", 3, 2},
    {"map16 that cannot fit", "\xde\x01\xf3", 3, 2},
    {"str16 that cannot fit", "\xda\x03\xe6", 3, 2},
    {"bin16 that cannot fit", "\xc5\x03\xe6", 3, 2},
    {"a str that leaves no room for the element behind it", "\x92\xda\x03\xe4", 4, 3},
    {"counts that fit alone, not together", "\x92\xdc\x01\xf4\xdc\x01\xf4", 4 + 3, 4 + 2},
    {"a bomb behind the start of a request",
        "\x94\x00\x01\xa5"
        "count\xdd\x04\x00\x00\x00",
        14, 13},
    {"the byte that is never used", "\xc1", 1, 0},
    {"it, inside", "\x91\xc1", 2, 1},
    {"fixext 1", "\x91\xd4\x01\x01", 2, 1},
    {"fixext 16", "\x91\xd8", 2, 1},
    {"ext 8", "\x91\xc7\x00\x01", 2, 1},
    {"ext 32", "\x91\xc9", 2, 1},
    {"nine arrays", "\x91\x91\x91\x91\x91\x91\x91\x91\x91", 9, 8},
    {"nine containers, the last empty", "\x91\x81\x91\x91\x91\x91\x91\x91\x90", 9, 8},
    {"depth on the value side of a map", "\x81\xa0\x91\x91\x91\x91\x91\x91\x91\xdf", 10, 9},
};

TEST(what_can_never_be_a_frame_is_refused_at_its_head)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        const uint8_t *data = (const uint8_t *)refusals[i].data;
        size_t used;

        if (scan(data, refusals[i].waiting, MAX_BYTES, MAX_DEPTH, NULL) != FRAME_MORE)
            TEST_FAIL("%s: should wait for more", refusals[i].what);
        if (scan(data, refusals[i].len, MAX_BYTES, MAX_DEPTH, NULL) != FRAME_REFUSED)
            TEST_FAIL("%s: should be refused", refusals[i].what);
        CHECK_INT(FRAME_REFUSED, scan_in_bytes(data, refusals[i].len, MAX_BYTES, MAX_DEPTH, &used));
        CHECK_INT(refusals[i].len, used);
    }
}

TEST(values_are_bounded_at_the_head_that_announces_them)
{
    const uint8_t data[] = "\x92\x93\x80\x80\x80\x81\x01\x02";
    struct frame_scan scan;

    for (size_t most = 0; most < 9; most++) {
        frame_scan_init(&scan, MAX_BYTES, MAX_DEPTH);
        frame_scan_limit_values(&scan, most);
        enum frame_status status = most < 7 ? FRAME_REFUSED : FRAME_COMPLETE;
        CHECK_INT(status, frame_scan_feed(&scan, data, sizeof(data) - 1));
        CHECK_INT(most < 2 ? 0 : most < 5 ? 1 : most < 7 ? 5 : 8, scan.offset);
    }
}

TEST(a_refusal_stays_one)
{
    const uint8_t data[] = "\x92\x01\xc1\x01";
    struct frame_scan scan;

    frame_scan_init(&scan, MAX_BYTES, MAX_DEPTH);
    CHECK_INT(FRAME_REFUSED, frame_scan_feed(&scan, data, 3));
    CHECK_INT(FRAME_REFUSED, frame_scan_feed(&scan, data, 4));
}

TEST(depth_counts_open_containers_not_passed_ones)
{
    uint8_t data[64];
    size_t len = 0;

    data[len++] = 0x9f;
    for (int i = 0; i < 15; i++) {
        data[len++] = 0x91;
        data[len++] = 0x91;
        data[len++] = 0x80;
    }
    CHECK_INT(FRAME_COMPLETE, scan(data, len, MAX_BYTES, 4, NULL));
    CHECK_INT(FRAME_REFUSED, scan(data, len, MAX_BYTES, 3, NULL));
}

TEST(the_deepest_frame_is_32_deep)
{
    uint8_t data[40];

    memset(data, 0x91, sizeof(data));
    data[32] = 0x01;
    CHECK_INT(FRAME_COMPLETE, scan(data, 33, MAX_BYTES, 32, NULL));
    CHECK_INT(FRAME_COMPLETE, scan(data, 33, MAX_BYTES, 1000, NULL));
    data[32] = 0x91;
    CHECK_INT(FRAME_REFUSED, scan(data, 33, MAX_BYTES, 32, NULL));
    CHECK_INT(FRAME_REFUSED, scan(data, 33, MAX_BYTES, 1000, NULL));
}

/* A frame of exactly `len` bytes: an array16 of small integers. */
static void fill_array(uint8_t *data, size_t len)
{
    memset(data, 0x01, len);
    data[0] = 0xdc;
    data[1] = (uint8_t)((len - 3) >> 8);
    data[2] = (uint8_t)((len - 3) & 0xff);
}

TEST(the_maximum_is_exact)
{
    uint8_t data[600];

    for (size_t len = 3; len < sizeof(data); len++) {
        fill_array(data, len);
        CHECK_INT(FRAME_COMPLETE, scan(data, len, len, 1, NULL));
        CHECK_INT(FRAME_REFUSED, scan(data, 3, len - 1, 1, NULL));
    }
    data[0] = 0xd9;
    data[1] = 250;
    CHECK_INT(FRAME_COMPLETE, scan(data, 252, 252, 1, NULL));
    CHECK_INT(FRAME_REFUSED, scan(data, 2, 251, 1, NULL));
    CHECK_INT(FRAME_REFUSED, scan(BYTES("\xcf"), 8, 1, NULL));
    CHECK_INT(FRAME_MORE, scan(BYTES("\xcf"), 9, 1, NULL));
    CHECK_INT(FRAME_REFUSED, scan(BYTES("\xdd"), 4, 1, NULL));
    CHECK_INT(FRAME_COMPLETE, scan(BYTES("\x01"), 1, 1, NULL));
}

TEST(a_long_frame_in_bytes_is_read_once)
{
    const size_t len = 65538;
    uint8_t *data = malloc(len);
    size_t used;

    CHECK(data != NULL);
    fill_array(data, len);
    CHECK_INT(FRAME_COMPLETE, scan_in_bytes(data, len, len, 1, &used));
    CHECK_INT(len, used);
    free(data);
}

TEST_MAIN(RUN(agrees_with_a_model_of_the_specification),
    RUN(each_type_ends_where_the_specification_says), RUN(each_part_of_a_request_wants_more),
    RUN(what_follows_a_value_is_not_looked_at), RUN(a_string_may_be_passed_before_it_arrives),
    RUN(what_can_never_be_a_frame_is_refused_at_its_head),
    RUN(values_are_bounded_at_the_head_that_announces_them), RUN(a_refusal_stays_one),
    RUN(depth_counts_open_containers_not_passed_ones), RUN(the_deepest_frame_is_32_deep),
    RUN(the_maximum_is_exact), RUN(a_long_frame_in_bytes_is_read_once))
