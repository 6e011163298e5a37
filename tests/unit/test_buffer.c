/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/buffer.h"

#include "tests/unit/test.h"

#include <errno.h>

TEST(appends_add_up)
{
    struct buffer buffer;

    buffer_init(&buffer, 1000);
    CHECK_STR("", buffer_string(&buffer));
    CHECK_INT(0, buffer_append_string(&buffer, "count"));
    CHECK_INT(0, buffer_append_byte(&buffer, ' '));
    CHECK_INT(0, buffer_printf(&buffer, "%d of %s", 25, "orders"));
    CHECK_INT(0, buffer_append(&buffer, "!?", 1));
    CHECK_INT(0, buffer_append(&buffer, NULL, 0));
    CHECK_STR("count 25 of orders!", buffer_string(&buffer));
    CHECK_INT(19, buffer.len);
    CHECK(!buffer.failed);
    buffer_free(&buffer);
}

TEST(content_grows_to_the_very_maximum)
{
    struct buffer buffer;

    for (size_t max = 1; max < 300; max++) {
        buffer_init(&buffer, max);
        for (size_t i = 0; i < max; i++)
            CHECK_INT(0, buffer_append_byte(&buffer, (uint8_t)('a' + i % 26)));
        CHECK_INT(max, buffer.len);
        CHECK_INT(max, buffer.capacity);
        CHECK_INT(max, strlen(buffer_string(&buffer)));
        CHECK_INT(-EMSGSIZE, buffer_append_byte(&buffer, 'x'));
        CHECK_INT(max, buffer.len);
        buffer_free(&buffer);
    }
}

TEST(an_append_that_does_not_fit_changes_nothing_and_sticks)
{
    struct buffer buffer;

    buffer_init(&buffer, 8);
    CHECK_INT(0, buffer_append_string(&buffer, "12345"));
    CHECK_INT(-EMSGSIZE, buffer_append_string(&buffer, "6789"));
    CHECK(buffer.failed);
    CHECK_INT(-EMSGSIZE, buffer.error);
    CHECK_MEM("12345", 5, buffer.data, buffer.len);
    CHECK_INT(-EMSGSIZE, buffer_append_string(&buffer, "6")); /* it would fit */
    CHECK_INT(-EMSGSIZE, buffer_printf(&buffer, "6"));
    CHECK_INT(-EMSGSIZE, buffer_reserve(&buffer, 1));
    CHECK_INT(5, buffer.len);
    CHECK_STR("", buffer_string(&buffer));
    buffer_clear(&buffer);
    CHECK(!buffer.failed);
    CHECK_INT(0, buffer_append_string(&buffer, "12345678"));
    CHECK_STR("12345678", buffer_string(&buffer));
    buffer_free(&buffer);
}

TEST(printf_is_whole_or_nothing)
{
    struct buffer buffer;

    buffer_init(&buffer, 8);
    CHECK_INT(0, buffer_printf(&buffer, "%s", "12345678"));
    CHECK_STR("12345678", buffer_string(&buffer));
    buffer_clear(&buffer);
    CHECK_INT(-EMSGSIZE, buffer_printf(&buffer, "%s", "123456789"));
    CHECK_INT(0, buffer.len);
    buffer_clear(&buffer);
    CHECK_INT(0, buffer_printf(&buffer, "%s", ""));
    CHECK_INT(0, buffer.len);
    buffer_free(&buffer);
}

TEST(no_memory_is_reported_and_sticks)
{
    struct buffer buffer;

    buffer_init(&buffer, SIZE_MAX);
    CHECK_INT(0, buffer_append_string(&buffer, "kept"));
    CHECK_INT(-ENOMEM, buffer_reserve(&buffer, SIZE_MAX - 4));
    CHECK_INT(-ENOMEM, buffer_append_byte(&buffer, 'x'));
    CHECK_MEM("kept", 4, buffer.data, buffer.len);
    buffer_clear(&buffer);
    CHECK_INT(-ENOMEM, buffer_reserve(&buffer, SIZE_MAX));
    buffer_free(&buffer);
}

TEST(reserved_room_is_not_content)
{
    struct buffer buffer;

    buffer_init(&buffer, 4096);
    CHECK_INT(0, buffer_reserve(&buffer, 1000));
    CHECK_INT(0, buffer.len);
    CHECK(buffer.capacity >= 1000);
    const uint8_t *data = buffer.data;
    memcpy(buffer.data, "read", 4);
    buffer.len += 4;
    CHECK_INT(0, buffer_reserve(&buffer, buffer.capacity - buffer.len));
    CHECK(data == buffer.data);
    CHECK_STR("read", buffer_string(&buffer));
    CHECK_INT(-EMSGSIZE, buffer_reserve(&buffer, 4096 - 3));
    buffer_free(&buffer);
}

TEST(growth_doubles)
{
    struct buffer buffer;
    size_t moves = 0;
    size_t capacity = 0;

    buffer_init(&buffer, 1 << 20);
    for (size_t i = 0; i < 1 << 20; i++) {
        CHECK_INT(0, buffer_append_byte(&buffer, 'x'));
        moves += buffer.capacity != capacity;
        capacity = buffer.capacity;
    }
    CHECK_INT(15, moves); /* 64 … 2^20 */
    buffer_free(&buffer);
}

TEST(consume_drops_the_front_and_truncate_the_end)
{
    struct buffer buffer;

    buffer_init(&buffer, 100);
    buffer_consume(&buffer, 0);
    buffer_append_string(&buffer, "frame one;frame two;rest");
    buffer_consume(&buffer, 10);
    CHECK_STR("frame two;rest", buffer_string(&buffer));
    buffer_truncate(&buffer, 9);
    CHECK_STR("frame two", buffer_string(&buffer));
    buffer_truncate(&buffer, 50);
    CHECK_STR("frame two", buffer_string(&buffer));
    buffer_consume(&buffer, 50);
    CHECK_STR("", buffer_string(&buffer));
    CHECK_INT(0, buffer.len);
    buffer_free(&buffer);
}

TEST(a_freed_buffer_is_usable_again)
{
    struct buffer buffer;

    buffer_init_secret(&buffer, 8);
    buffer_append_string(&buffer, "123456789");
    buffer_free(&buffer);
    buffer_free(&buffer);
    CHECK_INT(8, buffer.max);
    CHECK(buffer.secret);
    CHECK(!buffer.failed);
    CHECK_INT(0, buffer_append_string(&buffer, "again"));
    CHECK_STR("again", buffer_string(&buffer));
    buffer_free(&buffer);
}

static size_t nonzero_from(const struct buffer *buffer, size_t start)
{
    size_t count = 0;

    for (size_t i = start; i < buffer->capacity; i++)
        count += buffer->data[i] != 0;
    return count;
}

TEST(what_a_secret_buffer_drops_is_wiped)
{
    struct buffer buffer;

    buffer_init_secret(&buffer, 64);
    buffer_reserve(&buffer, 64);
    memset(buffer.data, 0, buffer.capacity);
    buffer_append_string(&buffer, "AKIAEXAMPLE:wJalrXUtnFEMI");
    buffer_consume(&buffer, 12);
    CHECK_STR("wJalrXUtnFEMI", buffer_string(&buffer));
    CHECK_INT(0, nonzero_from(&buffer, buffer.len));
    buffer_truncate(&buffer, 2);
    CHECK_INT(0, nonzero_from(&buffer, 2));
    memcpy(buffer.data + 2, "uncounted", 9);
    buffer_clear(&buffer);
    CHECK_INT(0, nonzero_from(&buffer, 0));
    buffer_free(&buffer);
}

TEST(a_secret_buffer_keeps_its_content_when_it_grows)
{
    struct buffer buffer;

    buffer_init_secret(&buffer, 100000);
    for (int i = 0; i < 10000; i++)
        CHECK_INT(0, buffer_printf(&buffer, "%04d", i));
    CHECK_INT(40000, buffer.len);
    CHECK(memcmp(buffer.data, "000000010002", 12) == 0);
    CHECK(memcmp(buffer.data + 39996, "9999", 4) == 0);
    buffer_free(&buffer);
}

TEST(wipe_overwrites)
{
    char secret[] = "wJalrXUtnFEMI";

    wipe(secret, 4);
    CHECK_MEM("\0\0\0\0rXUtnFEMI", sizeof(secret), secret, sizeof(secret));
    wipe(NULL, 0);
}

TEST_MAIN(RUN(appends_add_up), RUN(content_grows_to_the_very_maximum),
    RUN(an_append_that_does_not_fit_changes_nothing_and_sticks), RUN(printf_is_whole_or_nothing),
    RUN(no_memory_is_reported_and_sticks), RUN(reserved_room_is_not_content), RUN(growth_doubles),
    RUN(consume_drops_the_front_and_truncate_the_end), RUN(a_freed_buffer_is_usable_again),
    RUN(what_a_secret_buffer_drops_is_wiped), RUN(a_secret_buffer_keeps_its_content_when_it_grows),
    RUN(wipe_overwrites))
