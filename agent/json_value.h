/* SPDX-License-Identifier: Apache-2.0 */
/* jansson without its traps: the only way JSON is read and written in the agent.
 *
 * jansson 2.14 drops a byte where a string cannot grow, so that a name or a key could become
 * another one, and a count a wrong one: this module discards every result after a failed
 * allocation. Its heap is wiped, because JSON carries credentials. It also builds a tree of its
 * input, and a megabyte of "{}" takes 80 MB: so values are counted first. */
#ifndef TALLY_AGENT_JSON_VALUE_H
#define TALLY_AGENT_JSON_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Values and keys of one text, at most. Service replies have some dozens; the longest expression
 * values that DynamoDB accepts have some hundreds. */
#define JSON_VALUES_MAX 4096

struct json_t;
struct json_error_t;

/* As json_loadb; the caller holds the reference. NULL: not JSON, or more than JSON_VALUES_MAX
 * values (*error says what is wrong; may be NULL), or out of memory (sets *no_memory if given). */
struct json_t *json_read(
    const void *text, size_t len, size_t flags, struct json_error_t *error, bool *no_memory);

/* Compact heap text for free(), or NULL if out of memory. `flags` as for json_dumps. */
char *json_write(const struct json_t *json, size_t flags);

/* ---- fields ---- */

/* Named members of a JSON object. The texts may be secrets: they are wiped by json_fields_clear,
 * and no message contains any of the input. */

enum json_field_type {
    JSON_FIELD_ABSENT, /* or null */
    JSON_FIELD_TEXT,   /* a string */
    JSON_FIELD_TEXTS,  /* an array of strings: `text` holds them separated by ", " */
    JSON_FIELD_NUMBER,
    JSON_FIELD_OTHER,
};

struct json_field {
    const char *name;
    enum json_field_type type;
    char *text;     /* NUL-terminated, without further NULs; NULL if not text */
    int64_t number; /* truncated to an integer; 0 if not a number */
};

/* Fills type, text and number of `count` fields by their names. 0, -ENOMEM, or -EPROTO where the
 * bytes are not a JSON object (`why` says what is wrong); then there is nothing to clear. */
int json_fields_read(const void *json, size_t len, struct json_field *fields, size_t count,
    char *why, size_t why_size);

/* Copies the text as far as it fits and is UTF-8; not a text: *to is unchanged. */
void json_field_copy(const struct json_field *field, char *to, size_t size);
void json_fields_clear(struct json_field *fields, size_t count);

#endif
