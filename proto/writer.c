/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/writer.h"

#include <errno.h>
#include <msgpack.h>
#include <string.h>

static int writer_append(void *data, const char *bytes, size_t len)
{
    return buffer_append(data, bytes, len);
}

/* A packer is two pointers on the stack; creating one for each value costs nothing. */
static msgpack_packer writer_packer(struct buffer *buffer)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, buffer, writer_append);
    return packer;
}

void write_nil(struct buffer *buffer)
{
    msgpack_packer to = writer_packer(buffer);

    msgpack_pack_nil(&to);
}

void write_bool(struct buffer *buffer, bool value)
{
    msgpack_packer to = writer_packer(buffer);

    if (value)
        msgpack_pack_true(&to);
    else
        msgpack_pack_false(&to);
}

void write_uint(struct buffer *buffer, uint64_t value)
{
    msgpack_packer to = writer_packer(buffer);

    msgpack_pack_uint64(&to, value);
}

void write_int(struct buffer *buffer, int64_t value)
{
    msgpack_packer to = writer_packer(buffer);

    msgpack_pack_int64(&to, value);
}

/* msgpack-c packs the shortest form. */
void write_uint32(struct buffer *buffer, uint32_t value)
{
    static const uint8_t room[5];
    size_t offset = buffer->len;

    if (buffer_append(buffer, room, sizeof(room)) == 0)
        write_uint32_over(buffer, offset, value);
}

void write_uint32_over(struct buffer *buffer, size_t offset, uint32_t value)
{
    const uint8_t bytes[] = {0xce, (uint8_t)(value >> 24), (uint8_t)(value >> 16),
        (uint8_t)(value >> 8), (uint8_t)value};

    memcpy(buffer->data + offset, bytes, sizeof(bytes));
}

void write_float(struct buffer *buffer, double value)
{
    msgpack_packer to = writer_packer(buffer);

    msgpack_pack_double(&to, value);
}

/* msgpack has no longer strings; msgpack-c would truncate the length silently. */
static bool string_fits(struct buffer *buffer, size_t len)
{
    if (len > UINT32_MAX && !buffer->failed) {
        buffer->failed = true;
        buffer->error = -EMSGSIZE;
    }
    return len <= UINT32_MAX;
}

void write_text(struct buffer *buffer, const char *text, size_t len)
{
    msgpack_packer to = writer_packer(buffer);

    if (!string_fits(buffer, len))
        return;
    msgpack_pack_str(&to, len);
    msgpack_pack_str_body(&to, text, len);
}

void write_string(struct buffer *buffer, const char *string)
{
    if (string == NULL)
        write_nil(buffer);
    else
        write_text(buffer, string, strlen(string));
}

void write_binary(struct buffer *buffer, const void *data, size_t len)
{
    msgpack_packer to = writer_packer(buffer);

    if (!string_fits(buffer, len))
        return;
    msgpack_pack_bin(&to, len);
    msgpack_pack_bin_body(&to, data, len);
}

void write_array(struct buffer *buffer, uint32_t count)
{
    msgpack_packer to = writer_packer(buffer);

    msgpack_pack_array(&to, count);
}

void write_map(struct buffer *buffer, uint32_t pairs)
{
    msgpack_packer to = writer_packer(buffer);

    msgpack_pack_map(&to, pairs);
}

struct map map_begin(struct buffer *buffer)
{
    static const uint8_t head = 0x80;
    struct map map = {.buffer = buffer, .head = buffer->len};

    buffer_append(buffer, &head, 1);
    return map;
}

struct map map_begin_in(struct map *outer, const char *key)
{
    return map_begin(map_key(outer, key));
}

void map_append(struct map *map, const struct map *pairs)
{
    size_t start = pairs->head + 1;

    if (pairs->buffer->failed)
        map->buffer->failed = true;
    else
        buffer_append(map->buffer, pairs->buffer->data + start, pairs->buffer->len - start);
    map->pairs += pairs->pairs;
}

size_t map_end(const struct map *map)
{
    const uint8_t wide[] = {0xde, (uint8_t)(map->pairs >> 8), (uint8_t)map->pairs};
    struct buffer *buffer = map->buffer;

    if (buffer->failed)
        return 0;
    if (map->pairs <= 15) {
        buffer->data[map->head] = (uint8_t)(0x80 | map->pairs);
        return 0;
    }
    /* The wide header replaces the first byte and two bytes that are inserted for it. */
    if (map->pairs > UINT16_MAX || buffer_append(buffer, wide, 2) < 0) {
        buffer->failed = true;
        return 0;
    }
    memmove(buffer->data + map->head + sizeof(wide), buffer->data + map->head + 1,
        buffer->len - map->head - sizeof(wide));
    memcpy(buffer->data + map->head, wide, sizeof(wide));
    return sizeof(wide) - 1;
}

struct buffer *map_key(struct map *map, const char *key)
{
    write_string(map->buffer, key);
    map->pairs++;
    return map->buffer;
}

void map_string(struct map *map, const char *key, const char *value)
{
    if (value != NULL)
        write_string(map_key(map, key), value);
}

void map_bool(struct map *map, const char *key, bool value)
{
    write_bool(map_key(map, key), value);
}

void map_uint(struct map *map, const char *key, uint64_t value)
{
    write_uint(map_key(map, key), value);
}

void map_int(struct map *map, const char *key, int64_t value)
{
    write_int(map_key(map, key), value);
}

size_t map_wide_uint(struct map *map, const char *key, uint64_t value)
{
    struct buffer *buffer = map_key(map, key);
    size_t offset = buffer->len;

    if (value <= UINT32_MAX)
        write_uint32(buffer, (uint32_t)value);
    else
        write_uint(buffer, value);
    return offset;
}

void map_float(struct map *map, const char *key, double value)
{
    write_float(map_key(map, key), value);
}

/* msgpack-c picks the shortest header, so the 16-bit one is written here. */
size_t write_array_begin(struct buffer *buffer)
{
    static const uint8_t head[] = {0xdc, 0, 0};
    size_t offset = buffer->len;

    buffer_append(buffer, head, sizeof(head));
    return offset;
}

void write_array_end(struct buffer *buffer, size_t offset, uint16_t count)
{
    if (buffer->failed)
        return;
    buffer->data[offset + 1] = (uint8_t)(count >> 8);
    buffer->data[offset + 2] = (uint8_t)(count & 0xff);
}
