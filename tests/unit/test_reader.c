/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/reader.h"

#include "tests/unit/test.h"

#include <float.h>
#include <math.h>

/* A reader over a literal, which may hold NULs. */
#define READER(literal) reader_over((literal), sizeof(literal) - 1)

static struct reader reader_over(const char *data, size_t len)
{
    struct reader reader;

    reader_init(&reader, data, len);
    return reader;
}

static const struct {
    const char *data;
    size_t len;
    int negative;
    uint64_t number; /* two's complement where negative */
} integers[] = {
    {"\x00", 1, 0, 0},
    {"\x7f", 1, 0, 127},
    {"\xff", 1, 1, UINT64_MAX},
    {"\xe0", 1, 1, (uint64_t)-32},
    {"\xcc\x00", 2, 0, 0},
    {"\xcc\xff", 2, 0, 255},
    {"\xcd\xff\xff", 3, 0, 65535},
    {"\xce\xff\xff\xff\xff", 5, 0, UINT32_MAX},
    {"\xcf\x00\x20\x00\x00\x00\x00\x00\x01", 9, 0, 9007199254740993u},
    {"\xcf\x7f\xff\xff\xff\xff\xff\xff\xff", 9, 0, INT64_MAX},
    {"\xd0\x7f", 2, 0, 127},
    {"\xd0\x80", 2, 1, (uint64_t)-128},
    {"\xd1\x00\x07", 3, 0, 7},
    {"\xd1\x80\x00", 3, 1, (uint64_t)-32768},
    {"\xd2\x7f\xff\xff\xff", 5, 0, INT32_MAX},
    {"\xd2\xff\xff\xff\xff", 5, 1, UINT64_MAX},
    {"\xd3\x7f\xff\xff\xff\xff\xff\xff\xff", 9, 0, INT64_MAX},
    {"\xd3\x80\x00\x00\x00\x00\x00\x00\x00", 9, 1, (uint64_t)INT64_MIN},
};

TEST(integers_of_every_width)
{
    for (size_t i = 0; i < sizeof(integers) / sizeof(integers[0]); i++) {
        struct reader by_int = reader_over(integers[i].data, integers[i].len);
        struct reader by_uint = by_int;
        struct reader by_float = by_int;
        int64_t number = 0;
        uint64_t positive = 0;
        double real = 0;

        CHECK_INT(VALUE_INTEGER, reader_peek(&by_int));
        CHECK(reader_int(&by_int, &number));
        CHECK_INT((int64_t)integers[i].number, number);
        CHECK(by_int.at == by_int.end);
        CHECK_INT(!integers[i].negative, reader_uint(&by_uint, &positive));
        if (!integers[i].negative)
            CHECK(positive == integers[i].number);
        else
            CHECK(by_uint.failed);
        CHECK(reader_float(&by_float, &real));
        CHECK(fabs(real - (double)number) < 0.5);
    }
}

TEST(what_no_int64_holds_is_read_as_uint64_only)
{
    struct reader reader = READER("\xcf\xff\xff\xff\xff\xff\xff\xff\xff");
    struct reader as_float = reader;
    struct reader as_int = reader;
    uint64_t positive;
    int64_t number;
    double real;

    CHECK(reader_uint(&reader, &positive));
    CHECK(positive == UINT64_MAX);
    CHECK(!reader_int(&as_int, &number));
    CHECK(as_int.failed);
    CHECK(reader_float(&as_float, &real));
    CHECK(real > 1.8e19);
}

TEST(floats_of_both_widths)
{
    struct reader reader = READER("\xca\x3f\xc0\x00\x00\xcb\x40\x09\x1e\xb8\x51\xeb\x85\x1f\xcb\x7f"
                                  "\xf0\x00\x00\x00\x00\x00\x00");
    double value;

    CHECK_INT(VALUE_FLOAT, reader_peek(&reader));
    CHECK(reader_float(&reader, &value));
    CHECK(fabs(value - 1.5) < DBL_EPSILON);
    CHECK(reader_float(&reader, &value));
    CHECK(fabs(value - 3.14) < DBL_EPSILON);
    CHECK(reader_float(&reader, &value));
    CHECK(isinf(value));
    CHECK(reader.at == reader.end);
}

TEST(a_float_is_no_integer)
{
    struct reader reader = READER("\xca\x3f\x80\x00\x00");
    uint64_t number;

    CHECK(!reader_uint(&reader, &number));
    CHECK(reader.failed);
}

static const struct {
    const char *data;
    size_t len;
    enum value_type type;
    const char *text;
} texts[] = {
    {"\xa0", 1, VALUE_STRING, ""},
    {"\xa5"
     "count",
        6, VALUE_STRING, "count"},
    {"\xd9\x02\xc3\xa9", 4, VALUE_STRING, "\xc3\xa9"},
    {"\xda\x00\x01x", 4, VALUE_STRING, "x"},
    {"\xdb\x00\x00\x00\x01x", 6, VALUE_STRING, "x"},
    {"\xc4\x05"
     "count",
        7, VALUE_BINARY, "count"},
    {"\xc5\x00\x01\xff", 4, VALUE_BINARY, "\xff"},
    {"\xc6\x00\x00\x00\x01x", 6, VALUE_BINARY, "x"},
};

TEST(texts_as_str_and_bin_of_every_width)
{
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct reader reader = reader_over(texts[i].data, texts[i].len);
        struct text text;

        CHECK_INT(texts[i].type, reader_peek(&reader));
        CHECK(reader_text(&reader, &text));
        CHECK_MEM(texts[i].text, strlen(texts[i].text), text.data, text.len);
        CHECK(text_equals(text, texts[i].text));
        CHECK(reader.at == reader.end);
        for (size_t part = 0; part < texts[i].len; part++) {
            reader = reader_over(texts[i].data, part);
            CHECK_INT(VALUE_NONE, reader_peek(&reader));
            CHECK(!reader_text(&reader, &text));
        }
    }
}

TEST(texts_are_compared_whole)
{
    const struct text text = {"max_age_ms", 7};

    CHECK(text_equals(text, "max_age"));
    CHECK(!text_equals(text, "max_age_ms"));
    CHECK(!text_equals(text, "max"));
    CHECK(!text_equals((struct text){"a\0b", 3}, "a"));
    CHECK(text_equals((struct text){NULL, 0}, ""));
}

TEST(containers_of_every_width)
{
    struct reader reader = READER(
        "\x91\x81\xdc\x00\x01\xdd\x00\x00\x00\x01\xde\x00\x01\xdf\x00\x00\x00\x01\x00\x00"
        "\x00\x00");
    uint32_t count;

    CHECK_INT(VALUE_ARRAY, reader_peek(&reader));
    CHECK(reader_array(&reader, &count) && count == 1);
    CHECK_INT(VALUE_MAP, reader_peek(&reader));
    CHECK(reader_map(&reader, &count) && count == 1);
    CHECK(reader_array(&reader, &count) && count == 1);
    CHECK(reader_array(&reader, &count) && count == 1);
    CHECK(reader_map(&reader, &count) && count == 1);
    CHECK(reader_map(&reader, &count) && count == 1);
    CHECK(!reader_map(&reader, &count));
}

TEST(a_count_that_the_bytes_cannot_hold_is_refused)
{
    struct reader array = READER("\xdd\x10\x00\x00\x00");
    struct reader map = READER("\x82\x00\x00\x00");
    struct reader fits = READER("\x92\x00\x00");
    uint32_t count = 99;

    CHECK(!reader_array(&array, &count));
    CHECK(!reader_map(&map, &count));
    CHECK_INT(99, count);
    CHECK(reader_array(&fits, &count));
    CHECK_INT(2, count);
}

TEST(nil_and_booleans)
{
    struct reader reader = READER("\xc0\xc2\xc3");
    bool value = true;

    CHECK_INT(VALUE_NIL, reader_peek(&reader));
    CHECK(reader_nil(&reader));
    CHECK_INT(VALUE_BOOL, reader_peek(&reader));
    CHECK(reader_bool(&reader, &value) && !value);
    CHECK(reader_bool(&reader, &value) && value);
    CHECK_INT(VALUE_NONE, reader_peek(&reader));
    CHECK(!reader.failed);
    CHECK(!reader_nil(&reader));
    CHECK(reader.failed);
}

TEST(a_wrong_type_fails_and_nothing_more_is_read)
{
    struct reader reader = READER("\x07\xa1x");
    const uint8_t *start = reader.at;
    struct text text = {NULL, 0};
    uint64_t number = 0;

    CHECK(!reader_text(&reader, &text));
    CHECK(reader.failed);
    CHECK(reader.at == start);
    CHECK_INT(VALUE_NONE, reader_peek(&reader));
    CHECK(!reader_uint(&reader, &number)); /* it would fit */
    CHECK(!reader_skip(&reader, &text));
    CHECK_INT(0, number);
    CHECK(text.data == NULL);
}

TEST(skip_passes_one_whole_value)
{
    struct reader reader = READER("\x82\xa1k\x93\x01\xc0\x80\xa1l\xcb\0\0\0\0\0\0\0\0\x2a");
    struct text text;
    uint64_t number;

    CHECK(reader_skip(&reader, &text));
    CHECK_INT(18, text.len);
    CHECK(reader_uint(&reader, &number));
    CHECK_INT(42, number);
    CHECK(!reader_skip(&reader, NULL));
}

TEST(skip_never_leaves_the_bytes)
{
    const char *broken[] = {"\x92\x01", "\xd9\x05xxxx", "\xdd\x10", "\xc1", "\xd4\x01\x01"};

    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct reader reader = reader_over(broken[i], strlen(broken[i]));
        const uint8_t *start = reader.at;

        CHECK(!reader_skip(&reader, NULL));
        CHECK(reader.failed);
        CHECK(reader.at == start);
    }
}

TEST(nothing_and_what_is_never_accepted_have_no_type)
{
    struct reader reader = reader_over(NULL, 0);

    CHECK_INT(VALUE_NONE, reader_peek(&reader));
    for (unsigned byte = 0; byte <= 0xff; byte++) {
        const char data[20] = {(char)byte};
        bool refused = byte == 0xc1 || (byte >= 0xc7 && byte <= 0xc9) ||
                       (byte >= 0xd4 && byte <= 0xd8);

        reader = reader_over(data, 1);
        if (refused)
            CHECK_INT(VALUE_NONE, reader_peek(&reader));
        reader = reader_over(data, sizeof(data));
        CHECK_INT(refused || (byte >= 0xb4 && byte <= 0xbf), reader_peek(&reader) == VALUE_NONE);
    }
}

TEST_MAIN(RUN(integers_of_every_width), RUN(what_no_int64_holds_is_read_as_uint64_only),
    RUN(floats_of_both_widths), RUN(a_float_is_no_integer),
    RUN(texts_as_str_and_bin_of_every_width), RUN(texts_are_compared_whole),
    RUN(containers_of_every_width), RUN(a_count_that_the_bytes_cannot_hold_is_refused),
    RUN(nil_and_booleans), RUN(a_wrong_type_fails_and_nothing_more_is_read),
    RUN(skip_passes_one_whole_value), RUN(skip_never_leaves_the_bytes),
    RUN(nothing_and_what_is_never_accepted_have_no_type))
