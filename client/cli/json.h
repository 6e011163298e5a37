/* SPDX-License-Identifier: Apache-2.0 */
/* Values of the protocol as JSON: read from msgpack, searched, shown, and packed again. */
#ifndef TALLY_CLI_JSON_H
#define TALLY_CLI_JSON_H

#include "client/tally.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct json;

enum json_kind {
    JSON_KIND_NULL,
    JSON_KIND_BOOL,
    JSON_KIND_INTEGER,
    JSON_KIND_REAL,
    JSON_KIND_STRING,
    JSON_KIND_ARRAY,
    JSON_KIND_MAP,
};

/* What allocates all of it, called before all others; else malloc. The command's ends the command,
 * so that none of these functions is ever out of memory there. */
void json_set_allocator(void *(*allocate)(size_t size));

/* Each result is owned by the caller: json_free it. NULL: the bytes are not msgpack, or out of
 * memory. Text that is not UTF-8 becomes base64. */
struct json *json_from_msgpack(const void *data, size_t len);

/* The whole answer: its result, or its error map. NULL also where it has neither. */
struct json *json_from_answer(const struct tally_answer *answer);

/* NULL if the text is not JSON; `error` then says what is wrong and where. */
struct json *json_parse(const char *text, char *error, size_t size);
void json_free(struct json *json); /* NULL is allowed */

/* New values, owned by the caller. NULL: out of memory, or text that is not UTF-8. */
struct json *json_new_map(void);
struct json *json_new_string(const char *text);
struct json *json_new_list(void);
struct json *json_new_integer(int64_t value);
struct json *json_new_real(double value);

/* Appends a value to a list, which owns it from then on. False: one of them is NULL, or out of
 * memory; the value is then freed. */
bool json_append(struct json *list, struct json *value);

/* Puts a value into a map, which owns it from then on. False: one of them is NULL, the key is not
 * UTF-8, or out of memory; the value is then freed. */
bool json_set(struct json *map, const char *key, struct json *value);

/* The packed value, to be freed by the caller. NULL: out of memory. */
void *json_to_msgpack(const struct json *json, size_t *len);

/* Maps keep the order of their keys. */
enum json_kind json_kind(const struct json *json);
size_t json_size(const struct json *json); /* of an array or a map, else 0; NULL is allowed */
const struct json *json_at(const struct json *json, size_t i); /* of an array, borrowed */

/* The next pair of a map, borrowed; *at begins as NULL. False: there is no further one. */
bool json_next(const struct json *map, void **at, const char **key, const struct json **value);

/* The field at a path of keys and positions, separated by dots; borrowed, NULL if there is none.
 * An empty path is the value itself. NULL as `json` is allowed here and below. */
const struct json *json_get(const struct json *json, const char *path);

/* Fields of one type; false, or the fallback, where they are absent or of another. */
bool json_get_integer(const struct json *json, const char *path, int64_t *value);
int64_t json_get_integer_or(const struct json *json, const char *path, int64_t fallback);
bool json_get_real(const struct json *json, const char *path, double *value);
double json_get_real_or(const struct json *json, const char *path, double fallback);
bool json_get_bool(const struct json *json, const char *path, bool fallback);
const char *json_get_string(const struct json *json, const char *path, const char *fallback);

/* Prints it, with line breaks and indentation or in one line, and a newline at the end. False: out
 * of memory, or an error of the stream; what was printed is not whole. */
bool json_print(FILE *file, const struct json *json, bool one_line);

#endif
