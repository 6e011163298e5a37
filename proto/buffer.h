/* SPDX-License-Identifier: Apache-2.0 */
/* Growable bytes with a mandatory maximum. An append that does not fit or cannot be
 * allocated leaves the bytes as they were and makes `failed` true; it stays true until
 * buffer_clear, so several appends need only one check. */
#ifndef TALLY_PROTO_BUFFER_H
#define TALLY_PROTO_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer {
    uint8_t *data; /* NULL while nothing was appended */
    size_t len;
    size_t capacity;
    size_t max;
    bool secret; /* wiped when it grows, is cleared or freed */
    bool failed;
    int error; /* the error of the first append that failed */
};

void buffer_init(struct buffer *buffer, size_t max);
void buffer_init_secret(struct buffer *buffer, size_t max);
void buffer_free(struct buffer *buffer); /* usable again afterwards, with the same maximum */

/* 0, or a negative errno: -EMSGSIZE over the maximum, -ENOMEM. Once one has failed, the later ones
 * append nothing and return the same, so that there is no gap. `data` must not point into the
 * buffer itself. */
int buffer_append(struct buffer *buffer, const void *data, size_t len);
int buffer_append_string(struct buffer *buffer, const char *text);
int buffer_append_byte(struct buffer *buffer, uint8_t byte);
int buffer_printf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Reserves space for `len` more bytes behind data[len], without counting them as content. Returns
 * and fails as an append does. */
int buffer_reserve(struct buffer *buffer, size_t len);

void buffer_consume(struct buffer *buffer, size_t len);  /* drops that many at the front */
void buffer_truncate(struct buffer *buffer, size_t len); /* keeps that many at the front */
void buffer_clear(struct buffer *buffer);                /* keeps the memory, clears `failed` */

/* The content as a C string, borrowed until the next change; "" after a failed append. */
const char *buffer_string(struct buffer *buffer);

/* Overwrites memory in a way that the compiler may not drop. */
void wipe(void *data, size_t len);

/* For an array on the heap: space for one more item than `count`. `items` itself, or where all
 * `*capacity` are used a larger block; NULL: out of memory, and `items` stays. */
void *array_grow(void *items, size_t count, size_t *capacity, size_t size);

#endif
