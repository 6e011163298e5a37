/* SPDX-License-Identifier: Apache-2.0 */
#include "client/bridge/protobuf.h"

#include <string.h>

#define VARINT_BYTES 10
#define NUMBER_MAX   0x1fffffffu

/* ---- reading ---- */

void protobuf_read(struct protobuf_reader *reader, struct text message)
{
    *reader = (struct protobuf_reader){.at = (const uint8_t *)message.data};
    reader->end = message.len > 0 ? reader->at + message.len : reader->at;
}

static bool protobuf_fail(struct protobuf_reader *reader)
{
    reader->failed = true;
    return false;
}

static bool protobuf_varint(struct protobuf_reader *reader, uint64_t *value)
{
    *value = 0;
    for (unsigned i = 0; i < VARINT_BYTES && reader->at < reader->end; i++) {
        uint8_t byte = *reader->at++;

        if (i == VARINT_BYTES - 1 && byte > 1)
            return protobuf_fail(reader); /* more than 64 bits */
        *value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0)
            return true;
    }
    return protobuf_fail(reader);
}

/* Little-endian. */
static bool protobuf_fixed(struct protobuf_reader *reader, size_t len, uint64_t *value)
{
    if ((size_t)(reader->end - reader->at) < len)
        return protobuf_fail(reader);
    *value = 0;
    for (size_t i = 0; i < len; i++)
        *value |= (uint64_t)reader->at[i] << (8 * i);
    reader->at += len;
    return true;
}

static bool protobuf_bytes(struct protobuf_reader *reader, struct text *bytes)
{
    uint64_t len = 0;

    if (!protobuf_varint(reader, &len) || len > (uint64_t)(reader->end - reader->at))
        return protobuf_fail(reader);
    *bytes = (struct text){(const char *)reader->at, (size_t)len};
    reader->at += len;
    return true;
}

bool protobuf_next(struct protobuf_reader *reader, struct protobuf_field *field)
{
    uint64_t key = 0;

    if (reader->failed || reader->at == reader->end || !protobuf_varint(reader, &key))
        return false;
    *field = (struct protobuf_field){.wire = (enum protobuf_wire)(key & 7)};
    if (key >> 3 == 0 || key >> 3 > NUMBER_MAX)
        return protobuf_fail(reader);
    field->number = (uint32_t)(key >> 3);
    switch (field->wire) {
    case PROTOBUF_VARINT:
        return protobuf_varint(reader, &field->value);
    case PROTOBUF_FIXED64:
        return protobuf_fixed(reader, 8, &field->value);
    case PROTOBUF_BYTES:
        return protobuf_bytes(reader, &field->bytes);
    case PROTOBUF_FIXED32:
        return protobuf_fixed(reader, 4, &field->value);
    }
    return protobuf_fail(reader);
}

/* ---- writing ---- */

static void protobuf_append_varint(struct buffer *buffer, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        buffer_append_byte(buffer, (uint8_t)(value | 0x80));
    buffer_append_byte(buffer, (uint8_t)value);
}

static void protobuf_append_key(struct buffer *buffer, uint32_t number, enum protobuf_wire wire)
{
    protobuf_append_varint(buffer, (uint64_t)number << 3 | wire);
}

void protobuf_put_integer(struct buffer *buffer, uint32_t number, int64_t value)
{
    if (value == 0)
        return;
    protobuf_append_key(buffer, number, PROTOBUF_VARINT);
    protobuf_append_varint(buffer, (uint64_t)value);
}

void protobuf_put_double(struct buffer *buffer, uint32_t number, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    if (bits == 0)
        return;
    protobuf_append_key(buffer, number, PROTOBUF_FIXED64);
    for (unsigned i = 0; i < 8; i++)
        buffer_append_byte(buffer, (uint8_t)(bits >> (8 * i)));
}

static void protobuf_put_bytes(struct buffer *buffer, uint32_t number, const void *data, size_t len)
{
    protobuf_append_key(buffer, number, PROTOBUF_BYTES);
    protobuf_append_varint(buffer, len);
    buffer_append(buffer, data, len);
}

void protobuf_put_text(struct buffer *buffer, uint32_t number, const char *text)
{
    if (*text != '\0')
        protobuf_put_bytes(buffer, number, text, strlen(text));
}

void protobuf_put_message(struct buffer *buffer, uint32_t number, const struct buffer *message)
{
    protobuf_put_bytes(buffer, number, message->data, message->len);
}
