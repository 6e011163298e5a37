/* SPDX-License-Identifier: Apache-2.0 */
#include "client/bridge/protobuf.h"
#include "tests/unit/test.h"

static struct protobuf_reader reader_of(const char *data, size_t len)
{
    struct protobuf_reader reader;

    protobuf_read(&reader, (struct text){data, len});
    return reader;
}

#define READER(literal) reader_of((literal), sizeof(literal) - 1)

TEST(each_wire_type_is_read)
{
    struct protobuf_reader reader = READER("\x08\x96\x01\x12\x03"
                                           "abc\x19\x01\0\0\0\0\0\0\x80\x25\x02\0\0\0");
    struct protobuf_field field;

    CHECK(protobuf_next(&reader, &field));
    CHECK_INT(1, field.number);
    CHECK_INT(150, field.value);
    CHECK(protobuf_next(&reader, &field));
    CHECK_INT(2, field.number);
    CHECK(text_equals(field.bytes, "abc"));
    CHECK(protobuf_next(&reader, &field));
    CHECK_INT(3, field.number);
    CHECK(field.value == UINT64_C(0x8000000000000001));
    CHECK(protobuf_next(&reader, &field));
    CHECK_INT(2, field.value);
    CHECK(!protobuf_next(&reader, &field));
    CHECK(!reader.failed);
}

TEST(what_is_no_message_fails)
{
    static const struct {
        const char *data;
        size_t len;
    } cases[] = {{"\xff", 1}, {"\x08", 1},
        {"\x0a\x05"
         "abc",
            5},
        {"\x0b", 1}, {"\x00\x01", 2}, {"\x09\0\0\0", 4}, {"\x0d\0\0", 3}, {"\x0e", 1},
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11},
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12},
        {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11}};
    struct protobuf_field field;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct protobuf_reader reader = reader_of(cases[i].data, cases[i].len);

        while (protobuf_next(&reader, &field))
            ;
        if (!reader.failed)
            TEST_FAIL("case %zu was read", i);
        CHECK(!protobuf_next(&reader, &field));
    }
}

TEST(the_largest_varint_is_read)
{
    struct protobuf_reader reader = READER("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    struct protobuf_field field;

    CHECK(protobuf_next(&reader, &field));
    CHECK(field.value == UINT64_MAX);
}

TEST(what_is_written_has_the_bytes_of_proto3)
{
    struct buffer buffer;

    buffer_init(&buffer, 100);
    protobuf_put_integer(&buffer, 1, 300);
    protobuf_put_integer(&buffer, 1, 0);
    protobuf_put_integer(&buffer, 2, -1);
    protobuf_put_double(&buffer, 3, 1.0);
    protobuf_put_double(&buffer, 3, 0);
    protobuf_put_text(&buffer, 4, "ab");
    protobuf_put_text(&buffer, 4, "");
    CHECK_MEM("\x08\xac\x02\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x19\0\0\0\0\0\0\xf0\x3f"
              "\x22\x02"
              "ab",
        27, buffer.data, buffer.len);
    buffer_free(&buffer);
}

TEST_MAIN(RUN(each_wire_type_is_read), RUN(what_is_no_message_fails),
    RUN(the_largest_varint_is_read), RUN(what_is_written_has_the_bytes_of_proto3))
