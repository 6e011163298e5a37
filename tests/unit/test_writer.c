#include "proto/writer.h"

#include "tests/unit/test.h"

#include <errno.h>

static struct buffer made(size_t max)
{
    struct buffer buffer;

    buffer_init(&buffer, max);
    return buffer;
}

#define CHECK_PACKED(literal, buffer)                                                              \
    do {                                                                                           \
        CHECK(!(buffer)->failed);                                                                  \
        CHECK_MEM(literal, sizeof(literal) - 1, (buffer)->data, (buffer)->len);                    \
        buffer_clear(buffer);                                                                      \
    } while (0)

TEST(numbers_take_the_shortest_form)
{
    struct buffer buffer = made(100);

    write_uint(&buffer, 0);
    write_uint(&buffer, 127);
    write_uint(&buffer, 128);
    write_uint(&buffer, 256);
    write_uint(&buffer, 65536);
    CHECK_PACKED("\x00\x7f\xcc\x80\xcd\x01\x00\xce\x00\x01\x00\x00", &buffer);
    write_uint(&buffer, 9007199254740993u);
    CHECK_PACKED("\xcf\x00\x20\x00\x00\x00\x00\x00\x01", &buffer);
    write_int(&buffer, 25000);
    write_int(&buffer, -1);
    write_int(&buffer, -129);
    write_int(&buffer, INT64_MIN);
    CHECK_PACKED("\xcd\x61\xa8\xff\xd1\xff\x7f\xd3\x80\x00\x00\x00\x00\x00\x00\x00", &buffer);
    write_float(&buffer, 1.5);
    CHECK_PACKED("\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00", &buffer);
    buffer_free(&buffer);
}

TEST(texts_are_str_and_bytes_are_bin)
{
    struct buffer buffer = made(100000);
    char text[70000];

    write_string(&buffer, "count");
    write_text(&buffer, "counter", 5);
    write_text(&buffer, NULL, 0);
    write_string(&buffer, NULL);
    write_binary(&buffer, "\0\xff", 2);
    CHECK_PACKED("\xa5"
                 "count\xa5"
                 "count\xa0\xc0\xc4\x02\x00\xff",
        &buffer);
    memset(text, 'x', sizeof(text));
    write_text(&buffer, text, 200);
    CHECK_MEM("\xd9\xc8x", 3, buffer.data, 3);
    CHECK_INT(202, buffer.len);
    buffer_clear(&buffer);
    write_text(&buffer, text, 70000);
    CHECK_MEM("\xdb\x00\x01\x11\x70x", 6, buffer.data, 6);
    CHECK_INT(70005, buffer.len);
    buffer_free(&buffer);
}

TEST(containers_and_constants)
{
    struct buffer buffer = made(100);

    write_map(&buffer, 2);
    write_array(&buffer, 16);
    write_nil(&buffer);
    write_bool(&buffer, true);
    write_bool(&buffer, false);
    CHECK_PACKED("\x82\xdc\x00\x10\xc0\xc3\xc2", &buffer);
    buffer_free(&buffer);
}

TEST(counts_may_come_last)
{
    struct buffer buffer = made(100);
    size_t map;
    size_t array;

    write_nil(&buffer);
    map = write_map_begin(&buffer);
    write_string(&buffer, "a");
    array = write_array_begin(&buffer);
    write_uint(&buffer, 7);
    write_array_end(&buffer, array, 1);
    write_map_end(&buffer, map, 1);
    CHECK_PACKED("\xc0\xde\x00\x01\xa1"
                 "a\xdc\x00\x01\x07",
        &buffer);
    map = write_map_begin(&buffer);
    write_map_end(&buffer, map, 0x1234);
    CHECK_PACKED("\xde\x12\x34", &buffer);
    buffer_free(&buffer);
}

TEST(one_check_after_the_whole_message_is_enough)
{
    for (size_t max = 0; max < 20; max++) {
        struct buffer buffer = made(max);
        size_t map = write_map_begin(&buffer);
        write_string(&buffer, "trigger");
        write_string(&buffer, "orders");
        write_uint(&buffer, 1);
        write_map_end(&buffer, map, 1);
        CHECK_INT(max < 19, buffer.failed);
        CHECK_INT(max < 19 ? -EMSGSIZE : 0, buffer.error);
        CHECK(buffer.len <= max);
        buffer_free(&buffer);
    }
}

TEST(a_string_longer_than_msgpack_has_fails)
{
    struct buffer buffer = made(SIZE_MAX);

    write_text(&buffer, "", (size_t)UINT32_MAX + 1);
    CHECK(buffer.failed);
    CHECK_INT(-EMSGSIZE, buffer.error);
    CHECK_INT(0, buffer.len);
    buffer_free(&buffer);
}

TEST(packing_into_room_keeps_the_memory)
{
    struct buffer buffer = made(1000);

    buffer_reserve(&buffer, 500);
    const uint8_t *data = buffer.data;
    for (int i = 0; i < 50; i++)
        write_string(&buffer, "desired");
    CHECK_INT(400, buffer.len);
    CHECK(buffer.data == data);
    buffer_free(&buffer);
}

TEST_MAIN(RUN(numbers_take_the_shortest_form), RUN(texts_are_str_and_bytes_are_bin),
    RUN(containers_and_constants), RUN(counts_may_come_last),
    RUN(one_check_after_the_whole_message_is_enough), RUN(a_string_longer_than_msgpack_has_fails),
    RUN(packing_into_room_keeps_the_memory))
