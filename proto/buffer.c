/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/buffer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_FIRST ((size_t)64)

void wipe(void *data, size_t len)
{
    if (len > 0)
        explicit_bzero(data, len);
}

void buffer_init(struct buffer *buffer, size_t max)
{
    *buffer = (struct buffer){.max = max};
}

void buffer_init_secret(struct buffer *buffer, size_t max)
{
    *buffer = (struct buffer){.max = max, .secret = true};
}

void buffer_free(struct buffer *buffer)
{
    if (buffer->secret)
        wipe(buffer->data, buffer->capacity);
    free(buffer->data);
    *buffer = (struct buffer){.max = buffer->max, .secret = buffer->secret};
}

static int buffer_fail(struct buffer *buffer, int error)
{
    buffer->failed = true;
    buffer->error = error;
    return error;
}

/* The block is one byte larger than the capacity, for the terminator of buffer_string. */
static int buffer_grow(struct buffer *buffer, size_t needed)
{
    size_t capacity = buffer->capacity > buffer->max / 2 ? buffer->max : buffer->capacity * 2;
    uint8_t *data;

    if (capacity < CAPACITY_FIRST)
        capacity = CAPACITY_FIRST < buffer->max ? CAPACITY_FIRST : buffer->max;
    if (capacity < needed)
        capacity = needed;
    if (capacity == SIZE_MAX)
        return buffer_fail(buffer, -ENOMEM);

    /* realloc may leave a copy behind that can no longer be wiped. */
    data = buffer->secret ? malloc(capacity + 1) : realloc(buffer->data, capacity + 1);
    if (data == NULL)
        return buffer_fail(buffer, -ENOMEM);
    if (buffer->secret && buffer->data != NULL) {
        memcpy(data, buffer->data, buffer->len);
        wipe(buffer->data, buffer->capacity);
        free(buffer->data);
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return 0;
}

static bool buffer_has_space(const struct buffer *buffer, size_t len)
{
    return len <= buffer->capacity - buffer->len && !buffer->failed;
}

int buffer_reserve(struct buffer *buffer, size_t len)
{
    if (buffer_has_space(buffer, len))
        return 0;
    if (buffer->failed)
        return buffer->error;
    if (len > buffer->max - buffer->len)
        return buffer_fail(buffer, -EMSGSIZE);
    return buffer_grow(buffer, buffer->len + len);
}

int buffer_append(struct buffer *buffer, const void *data, size_t len)
{
    int r = buffer_has_space(buffer, len) ? 0 : buffer_reserve(buffer, len);

    if (r < 0 || len == 0)
        return r;
    memcpy(buffer->data + buffer->len, data, len);
    buffer->len += len;
    return 0;
}

int buffer_append_string(struct buffer *buffer, const char *text)
{
    return buffer_append(buffer, text, strlen(text));
}

int buffer_append_byte(struct buffer *buffer, uint8_t byte)
{
    return buffer_append(buffer, &byte, 1);
}

int buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_list again;
    int length;
    int r;

    va_start(arguments, format);
    va_copy(again, arguments);
    length = vsnprintf(NULL, 0, format, arguments);
    r = length < 0 ? buffer_fail(buffer, -EMSGSIZE) : buffer_reserve(buffer, (size_t)length);
    if (r == 0 && length > 0) {
        /* The terminator goes into the spare byte behind the capacity. */
        vsnprintf((char *)buffer->data + buffer->len, (size_t)length + 1, format, again);
        buffer->len += (size_t)length;
    }
    va_end(again);
    va_end(arguments);
    return r;
}

void buffer_consume(struct buffer *buffer, size_t len)
{
    size_t rest;

    if (len == 0)
        return;
    rest = len < buffer->len ? buffer->len - len : 0;
    if (rest > 0)
        memmove(buffer->data, buffer->data + len, rest);
    buffer_truncate(buffer, rest);
}

void buffer_truncate(struct buffer *buffer, size_t len)
{
    if (len >= buffer->len)
        return;
    if (buffer->secret)
        wipe(buffer->data + len, buffer->len - len);
    buffer->len = len;
}

void buffer_clear(struct buffer *buffer)
{
    /* The whole block: a reader may have written into reserved space that was never counted. */
    if (buffer->secret)
        wipe(buffer->data, buffer->capacity);
    buffer->len = 0;
    buffer->failed = false;
    buffer->error = 0;
}

const char *buffer_string(struct buffer *buffer)
{
    if (buffer->failed || buffer->data == NULL)
        return "";
    buffer->data[buffer->len] = '\0';
    return (const char *)buffer->data;
}

void *array_grow(void *items, size_t count, size_t *capacity, size_t size)
{
    size_t larger = *capacity > 0 ? *capacity * 2 : 16;

    if (count < *capacity)
        return items;
    if (larger <= count)
        larger = count + 1;
    void *grown = reallocarray(items, larger, size);
    if (grown != NULL)
        *capacity = larger;
    return grown;
}
