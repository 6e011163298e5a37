/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/reader.h"
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

TEST(an_arrays_count_may_come_last)
{
    struct buffer buffer = made(100);
    size_t array;

    write_nil(&buffer);
    array = write_array_begin(&buffer);
    write_uint(&buffer, 7);
    write_array_end(&buffer, array, 1);
    CHECK_PACKED("\xc0\xdc\x00\x01\x07", &buffer);
    buffer_free(&buffer);
}

TEST(a_map_counts_its_pairs)
{
    struct buffer buffer = made(100);
    struct map map = map_begin(&buffer);
    struct map inner;

    map_string(&map, "a", NULL); /* no pair */
    map_string(&map, "b", "x");
    inner = map_begin_in(&map, "c");
    map_bool(&inner, "d", true);
    CHECK_INT(0, map_end(&inner));
    CHECK_INT(0, map_end(&map));
    CHECK_PACKED("\x82\xa1"
                 "b\xa1x\xa1"
                 "c\x81\xa1"
                 "d\xc3",
        &buffer);
    buffer_free(&buffer);
}

TEST(a_map_of_more_than_15_pairs_has_a_longer_header)
{
    for (uint32_t pairs = 14; pairs < 400; pairs += pairs < 18 ? 1 : 191) {
        struct buffer buffer = made(10000);
        struct reader reader;
        struct text key;
        uint32_t found;
        int64_t number;

        write_nil(&buffer);
        struct map map = map_begin(&buffer);
        for (uint32_t i = 0; i < pairs; i++)
            map_int(&map, "key", i);
        size_t end = buffer.len;
        CHECK_INT(pairs > 15 ? 2 : 0, map_end(&map));
        CHECK_INT(end + (pairs > 15 ? 2 : 0), buffer.len);
        reader_init(&reader, buffer.data + 1, buffer.len - 1);
        CHECK(reader_map(&reader, &found));
        CHECK_INT(pairs, found);
        for (uint32_t i = 0; i < pairs; i++) {
            CHECK(reader_text(&reader, &key) && text_equals(key, "key"));
            CHECK(reader_int(&reader, &number));
            CHECK_INT(i, number);
        }
        CHECK(reader.at == reader.end);
        buffer_free(&buffer);
    }
}

TEST(pairs_of_another_map_are_appended_and_counted)
{
    struct buffer buffer = made(100), other = made(100);
    struct map map = map_begin(&buffer), more;

    write_nil(&other);
    more = map_begin(&other);
    map_uint(&more, "n", 1);
    map_append(&map, &more);
    map_end(&map);
    CHECK_PACKED("\x81\xa1n\x01", &buffer);
    buffer_free(&other);
    buffer_free(&buffer);
}

TEST(one_check_after_the_whole_message_is_enough)
{
    for (size_t max = 0; max < 20; max++) {
        struct buffer buffer = made(max);
        struct map map = map_begin(&buffer);

        map_string(&map, "trigger", "orders");
        map_key(&map, "n");
        write_uint(&buffer, 1);
        map_end(&map);
        CHECK_INT(max < 19, buffer.failed);
        CHECK_INT(max < 19 ? -EMSGSIZE : 0, buffer.error);
        CHECK(buffer.len <= max);
        buffer_free(&buffer);
    }
    for (size_t max = 0; max < 52; max++) {
        struct buffer buffer = made(max);
        struct map map = map_begin(&buffer);

        for (unsigned i = 0; i < 16; i++)
            map_bool(&map, "a", true);
        map_end(&map);
        CHECK_INT(max < 51, buffer.failed);
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
    RUN(containers_and_constants), RUN(an_arrays_count_may_come_last), RUN(a_map_counts_its_pairs),
    RUN(a_map_of_more_than_15_pairs_has_a_longer_header),
    RUN(pairs_of_another_map_are_appended_and_counted),
    RUN(one_check_after_the_whole_message_is_enough), RUN(a_string_longer_than_msgpack_has_fails),
    RUN(packing_into_room_keeps_the_memory))
