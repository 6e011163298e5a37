#include "proto/writer.h"

#include <errno.h>
#include <msgpack.h>
#include <string.h>

static int append(void *data, const char *bytes, size_t len)
{
    return buffer_append(data, bytes, len);
}

/* A packer is two pointers on the stack; making one for each value costs nothing. */
static msgpack_packer packer(struct buffer *buffer)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, buffer, append);
    return packer;
}

void write_nil(struct buffer *buffer)
{
    msgpack_packer to = packer(buffer);

    msgpack_pack_nil(&to);
}

void write_bool(struct buffer *buffer, bool value)
{
    msgpack_packer to = packer(buffer);

    if (value)
        msgpack_pack_true(&to);
    else
        msgpack_pack_false(&to);
}

void write_uint(struct buffer *buffer, uint64_t value)
{
    msgpack_packer to = packer(buffer);

    msgpack_pack_uint64(&to, value);
}

void write_int(struct buffer *buffer, int64_t value)
{
    msgpack_packer to = packer(buffer);

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
    msgpack_packer to = packer(buffer);

    msgpack_pack_double(&to, value);
}

/* msgpack has no longer strings; msgpack-c would cut the length without a word. */
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
    msgpack_packer to = packer(buffer);

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
    msgpack_packer to = packer(buffer);

    if (!string_fits(buffer, len))
        return;
    msgpack_pack_bin(&to, len);
    msgpack_pack_bin_body(&to, data, len);
}

void write_array(struct buffer *buffer, uint32_t count)
{
    msgpack_packer to = packer(buffer);

    msgpack_pack_array(&to, count);
}

void write_map(struct buffer *buffer, uint32_t pairs)
{
    msgpack_packer to = packer(buffer);

    msgpack_pack_map(&to, pairs);
}

/* msgpack-c picks the shortest head, so the 16-bit ones are written by hand. */
static size_t head_begin(struct buffer *buffer, uint8_t type)
{
    const uint8_t head[3] = {type, 0, 0};
    size_t offset = buffer->len;

    buffer_append(buffer, head, sizeof(head));
    return offset;
}

static void head_end(struct buffer *buffer, size_t offset, uint16_t count)
{
    if (buffer->failed)
        return;
    buffer->data[offset + 1] = (uint8_t)(count >> 8);
    buffer->data[offset + 2] = (uint8_t)(count & 0xff);
}

size_t write_map_begin(struct buffer *buffer)
{
    return head_begin(buffer, 0xde);
}

void write_map_end(struct buffer *buffer, size_t offset, uint16_t pairs)
{
    head_end(buffer, offset, pairs);
}

size_t write_array_begin(struct buffer *buffer)
{
    return head_begin(buffer, 0xdc);
}

void write_array_end(struct buffer *buffer, size_t offset, uint16_t count)
{
    head_end(buffer, offset, count);
}
