/* SPDX-License-Identifier: Apache-2.0 */
/* Packs msgpack values at the end of a buffer, by msgpack-c. Errors stay in the buffer
 * (`buffer->failed`): pack a whole message, check once. Strings are packed as str. */
#ifndef TALLY_PROTO_WRITER_H
#define TALLY_PROTO_WRITER_H

#include "proto/buffer.h"

void write_nil(struct buffer *buffer);
void write_bool(struct buffer *buffer, bool value);
void write_uint(struct buffer *buffer, uint64_t value);
void write_int(struct buffer *buffer, int64_t value);

/* An integer in five bytes, whatever its value; and another value written over it. */
void write_uint32(struct buffer *buffer, uint32_t value);
void write_uint32_over(struct buffer *buffer, size_t offset, uint32_t value);

void write_float(struct buffer *buffer, double value);
void write_text(struct buffer *buffer, const char *text, size_t len);
void write_string(struct buffer *buffer, const char *string); /* NULL packs nil */
void write_binary(struct buffer *buffer, const void *data, size_t len);
void write_array(struct buffer *buffer, uint32_t count);
void write_map(struct buffer *buffer, uint32_t pairs);

/* A map that counts its pairs, so that its header is always right. At most UINT16_MAX pairs. */
struct map {
    struct buffer *buffer;
    size_t head; /* offset of the header */
    uint32_t pairs;
};
struct map map_begin(struct buffer *buffer);
struct map map_begin_in(struct map *outer, const char *key); /* as a value of another map */

/* Appends the pairs of a map that has not ended, and is at the end of its buffer. */
void map_append(struct map *map, const struct map *pairs);

/* Returns by how many bytes the pairs moved: a header for more than 15 takes two more. */
size_t map_end(const struct map *map);

/* One more pair: its key; the caller packs exactly one value into the buffer that is returned. */
struct buffer *map_key(struct map *map, const char *key);
void map_string(struct map *map, const char *key, const char *value); /* NULL: no pair */
void map_bool(struct map *map, const char *key, bool value);
void map_uint(struct map *map, const char *key, uint64_t value);
void map_int(struct map *map, const char *key, int64_t value);
size_t map_wide_uint(struct map *map, const char *key, uint64_t value); /* returns its offset: below
                                                  2^32, write_uint32_over may replace it */
void map_float(struct map *map, const char *key, double value);

/* An array whose count is known only at the end: packs a 16-bit header, returns its offset; the end
 * writes the count into it. */
size_t write_array_begin(struct buffer *buffer);
void write_array_end(struct buffer *buffer, size_t offset, uint16_t count);

#endif
