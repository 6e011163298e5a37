/* SPDX-License-Identifier: Apache-2.0 */
/* Reads values out of a frame that frame_scan accepted. Allocates nothing; strings are
 * borrowed from the frame. A read of another type fails, sets `failed` and reads nothing
 * further, so several reads need one check. Every valid width of integer is accepted;
 * strings may come as str or bin, as old and new encoders send them. */
#ifndef TALLY_PROTO_READER_H
#define TALLY_PROTO_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum value_type {
    VALUE_NONE, /* at the end, or failed */
    VALUE_NIL,
    VALUE_BOOL,
    VALUE_INTEGER,
    VALUE_FLOAT,
    VALUE_STRING,
    VALUE_BINARY,
    VALUE_ARRAY,
    VALUE_MAP,
};

struct reader { /* zeroed: empty, at its end */
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

struct text { /* borrowed bytes, no terminator; not necessarily UTF-8 */
    const char *data;
    size_t len;
};

void reader_init(struct reader *reader, const void *data, size_t len);
enum value_type reader_peek(const struct reader *reader);

bool reader_nil(struct reader *reader);
bool reader_bool(struct reader *reader, bool *value);
bool reader_uint(struct reader *reader, uint64_t *value);    /* refuses negative numbers */
bool reader_int(struct reader *reader, int64_t *value);      /* refuses over INT64_MAX */
bool reader_float(struct reader *reader, double *value);     /* integers too */
bool reader_text(struct reader *reader, struct text *value); /* str or bin */
bool reader_array(struct reader *reader, uint32_t *count);

/* An empty array is read as an empty map: Lua, PHP and Neovim write it like this. */
bool reader_map(struct reader *reader, uint32_t *pairs);

/* Skips one whole value of any type; *value (may be NULL) gets its bytes. */
bool reader_skip(struct reader *reader, struct text *value);

/* Inline, so that a comparison with a literal compiles to one of a few registers. */
static inline bool text_equals(struct text text, const char *string)
{
    return text.len == strlen(string) &&
           (text.len == 0 || memcmp(text.data, string, text.len) == 0);
}

#endif
