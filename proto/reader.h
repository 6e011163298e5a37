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

/* ---- frame ---- */

/* Finds the end of one msgpack value in untrusted bytes. Allocates nothing, trusts no
 * declared length or count, and resumes where it stopped, so a value that arrives byte by
 * byte costs one pass. msgpack-c must only ever see what this has accepted: it reserves
 * memory from a declared count (five bytes can ask for 8 GB). */

#define FRAME_DEPTH_MAX 32u /* what the scan can hold, and msgpack-c's own limit */

enum frame_status {
    FRAME_MORE,     /* the value goes on behind the bytes given */
    FRAME_COMPLETE, /* `offset` is its length */
    FRAME_REFUSED,  /* can never fit, too deep, or not msgpack as used here (0xc1, ext types) */
};

struct frame_scan {
    size_t offset; /* bytes passed; may run ahead into a string that has yet to arrive */
    size_t spare;  /* bytes of the maximum beyond those passed and one for each value owed */
    size_t values; /* that containers may still announce */
    unsigned max_depth;
    unsigned depth; /* open containers */
    /* Values owed at each depth (a pair of a map is two); [0] is the value itself. */
    uint32_t left[FRAME_DEPTH_MAX + 1];
};

/* max_bytes from 1 to 2^31, max_depth at most FRAME_DEPTH_MAX. */
void frame_scan_init(struct frame_scan *scan, size_t max_bytes, unsigned max_depth);

/* Bounds the elements of all containers together, for a reader that builds something from
 * each. Before the first frame_scan_feed; without it the bytes alone are bounded. */
void frame_scan_limit_values(struct frame_scan *scan, size_t max_values);

/* `data` is the start of the value at each call, `len` all bytes that are there by now. The
 * refusal comes with the first bytes that show it: a length or count is held against what
 * max_bytes leaves when each value still owed takes one byte. */
enum frame_status frame_scan_feed(struct frame_scan *scan, const uint8_t *data, size_t len);

/* After FRAME_REFUSED: what is wrong with the value at `offset` of the same data, in a word for
 * logs. Static. */
const char *frame_refusal(const struct frame_scan *scan, const uint8_t *data, size_t len);

/* ---- reader ---- */

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

/* Reads a key. One of another type than text is skipped, as unknown keys are, and leaves *key
 * without data. */
bool reader_key(struct reader *reader, struct text *key);

/* Moves the reader from a value to the field at a path inside it: keys and positions, separated by
 * dots; an empty path or NULL is the value itself. False if there is no such field: the reader is
 * then unusable. */
bool reader_find(struct reader *reader, const char *path);

/* Inline, so that a comparison with a literal compiles to one of a few registers. */
static inline bool text_equals(struct text text, const char *string)
{
    return text.len == strlen(string) &&
           (text.len == 0 || memcmp(text.data, string, text.len) == 0);
}

#endif
