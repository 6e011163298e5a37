/* Packs msgpack values at the end of a buffer, by msgpack-c. Errors stay in the buffer
 * (`buffer->failed`): pack a whole message, check once. Strings are packed as str. */
#ifndef TALLY_PROTO_WRITER_H
#define TALLY_PROTO_WRITER_H

#include "proto/buffer.h"

void write_nil(struct buffer *buffer);
void write_bool(struct buffer *buffer, bool value);
void write_uint(struct buffer *buffer, uint64_t value);
void write_int(struct buffer *buffer, int64_t value);

/* An integer in five bytes, whatever its value; another value in its place. */
void write_uint32(struct buffer *buffer, uint32_t value);
void write_uint32_over(struct buffer *buffer, size_t offset, uint32_t value);

void write_float(struct buffer *buffer, double value);
void write_text(struct buffer *buffer, const char *text, size_t len);
void write_string(struct buffer *buffer, const char *string); /* NULL packs nil */
void write_binary(struct buffer *buffer, const void *data, size_t len);
void write_array(struct buffer *buffer, uint32_t count);
void write_map(struct buffer *buffer, uint32_t pairs);

/* A map or array whose count is known only at the end: packs a 16-bit header, returns its
 * offset; *_end writes the count into it. */
size_t write_map_begin(struct buffer *buffer);
void write_map_end(struct buffer *buffer, size_t offset, uint16_t pairs);
size_t write_array_begin(struct buffer *buffer);
void write_array_end(struct buffer *buffer, size_t offset, uint16_t count);

#endif
