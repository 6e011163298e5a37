/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/json.h"
#include "client/cli/terminal.h"

#include "proto/base64.h"
#include "proto/reader.h"
#include "proto/utf8.h"
#include "proto/writer.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* struct json is jansson's json_t, so that the rest of the command does not depend on it. */
static json_t *open_json(const struct json *json)
{
    return (json_t *)(uintptr_t)json;
}

static struct json *wrap(json_t *json)
{
    return (struct json *)json;
}

static void *(*json_allocate)(size_t size) = malloc;

void json_set_allocator(void *(*allocate)(size_t size))
{
    json_allocate = allocate;
    json_set_alloc_funcs(allocate, free);
}

/* ---- from msgpack: NULL where there is no memory ---- */

static json_t *text_from_msgpack(const char *data, size_t len)
{
    if (len == 0)
        return json_string("");
    if (utf8_is_valid(data, len))
        return json_stringn(data, len);
    char *encoded = json_allocate(BASE64_SIZE(len));
    if (encoded == NULL)
        return NULL;
    base64_encode((const uint8_t *)data, len, encoded);
    json_t *text = json_string(encoded);
    free(encoded);
    return text;
}

static json_t *from_reader(struct reader *reader);

static json_t *integer_from_msgpack(struct reader *reader)
{
    struct reader probe = *reader;
    int64_t number = 0;
    uint64_t large = 0;

    if (reader_int(&probe, &number)) {
        *reader = probe;
        return json_integer(number);
    }
    reader_uint(reader, &large); /* over INT64_MAX */
    return json_real((double)large);
}

static json_t *array_from_msgpack(struct reader *reader)
{
    json_t *json = json_array();
    uint32_t count = 0;

    reader_array(reader, &count);
    for (uint32_t i = 0; i < count && !reader->failed; i++) {
        if (json_array_append_new(json, from_reader(reader)) < 0) {
            json_decref(json);
            return NULL;
        }
    }
    return json;
}

/* A key that is not a string is shown as its JSON. */
static char *key_from_msgpack(struct reader *reader)
{
    json_t *json = from_reader(reader);
    const char *text = json_is_string(json)   ? json_string_value(json)
                       : json_is_object(json) ? "(map)"
                       : json_is_array(json)  ? "(array)"
                                              : NULL;
    char *key = text != NULL   ? json_allocate(strlen(text) + 1)
                : json != NULL ? json_dumps(json, JSON_ENCODE_ANY | JSON_COMPACT)
                               : NULL;

    if (text != NULL && key != NULL)
        memcpy(key, text, strlen(text) + 1);
    json_decref(json);
    return key;
}

static json_t *map_from_msgpack(struct reader *reader)
{
    json_t *json = json_object();
    uint32_t pairs = 0;

    reader_map(reader, &pairs);
    for (uint32_t i = 0; i < pairs && !reader->failed; i++) {
        char *key = key_from_msgpack(reader);
        int r = key != NULL ? json_object_set_new(json, key, from_reader(reader)) : -1;

        free(key);
        if (r < 0) {
            json_decref(json);
            return NULL;
        }
    }
    return json;
}

/* Converts one value after the other, so that only the JSON takes memory. The library limits its
 * depth and the number of its values. */
static json_t *from_reader(struct reader *reader)
{
    struct text text = {"", 0};
    bool truth = false;
    double number = 0;

    switch (reader_peek(reader)) {
    case VALUE_BOOL:
        reader_bool(reader, &truth);
        return json_boolean(truth);
    case VALUE_INTEGER:
        return integer_from_msgpack(reader);
    case VALUE_FLOAT:
        reader_float(reader, &number);
        return isfinite(number) ? json_real(number) : json_null(); /* not in JSON */
    case VALUE_STRING:
    case VALUE_BINARY:
        reader_text(reader, &text);
        return text_from_msgpack(text.data, text.len);
    case VALUE_ARRAY:
        return array_from_msgpack(reader);
    case VALUE_MAP:
        return map_from_msgpack(reader);
    case VALUE_NIL:
    case VALUE_NONE:
        break;
    }
    reader_nil(reader); /* fails at the end of the bytes */
    return json_null();
}

struct json *json_from_msgpack(const void *data, size_t len)
{
    struct reader reader;

    reader_init(&reader, data, len);
    json_t *json = from_reader(&reader);
    if (!reader.failed)
        return wrap(json);
    json_decref(json);
    return NULL;
}

struct json *json_from_answer(const struct tally_answer *answer)
{
    const void *packed = NULL;
    size_t len = 0;

    return tally_answer_packed(answer, NULL, &packed, &len) == 0 ? json_from_msgpack(packed, len)
                                                                 : NULL;
}

struct json *json_parse(const char *text, char *error, size_t size)
{
    json_error_t details;
    json_t *json = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &details);

    if (json == NULL)
        snprintf(error, size, "%.120s (column %d)", details.text, details.column);
    return wrap(json);
}

struct json *json_new_map(void)
{
    return wrap(json_object());
}

struct json *json_new_string(const char *text)
{
    return utf8_is_valid(text, strlen(text)) ? wrap(json_string(text)) : NULL;
}

struct json *json_new_integer(int64_t value)
{
    return wrap(json_integer(value));
}

struct json *json_new_real(double value)
{
    return wrap(json_real(value));
}

struct json *json_new_list(void)
{
    return wrap(json_array());
}

bool json_append(struct json *list, struct json *value)
{
    return json_array_append_new(open_json(list), open_json(value)) == 0;
}

bool json_set(struct json *map, const char *key, struct json *value)
{
    if (value == NULL || !utf8_is_valid(key, strlen(key))) {
        json_free(value);
        return false;
    }
    return json_object_set_new(open_json(map), key, open_json(value)) == 0;
}

void json_free(struct json *json)
{
    json_decref(open_json(json));
}

static void json_write_value(struct buffer *buffer, json_t *json)
{
    const char *key;
    json_t *item;
    size_t i;

    switch (json_typeof(json)) {
    case JSON_OBJECT:
        write_map(buffer, (uint32_t)json_object_size(json));
        json_object_foreach(json, key, item)
        {
            write_string(buffer, key);
            json_write_value(buffer, item);
        }
        return;
    case JSON_ARRAY:
        write_array(buffer, (uint32_t)json_array_size(json));
        json_array_foreach(json, i, item)
        {
            json_write_value(buffer, item);
        }
        return;
    case JSON_STRING:
        write_text(buffer, json_string_value(json), json_string_length(json));
        return;
    case JSON_INTEGER:
        write_int(buffer, json_integer_value(json));
        return;
    case JSON_REAL:
        write_float(buffer, json_real_value(json));
        return;
    case JSON_TRUE:
    case JSON_FALSE:
        write_bool(buffer, json_is_true(json));
        return;
    case JSON_NULL:
        write_nil(buffer);
        return;
    }
}

void *json_to_msgpack(const struct json *json, size_t *len)
{
    struct buffer packed;

    buffer_init(&packed, UINT32_MAX);
    json_write_value(&packed, open_json(json));
    if (packed.failed)
        buffer_free(&packed);
    *len = packed.len;
    return packed.data;
}

enum json_kind json_kind(const struct json *json)
{
    switch (json_typeof(open_json(json))) {
    case JSON_OBJECT:
        return JSON_KIND_MAP;
    case JSON_ARRAY:
        return JSON_KIND_ARRAY;
    case JSON_STRING:
        return JSON_KIND_STRING;
    case JSON_INTEGER:
        return JSON_KIND_INTEGER;
    case JSON_REAL:
        return JSON_KIND_REAL;
    case JSON_TRUE:
    case JSON_FALSE:
        return JSON_KIND_BOOL;
    case JSON_NULL:
        break;
    }
    return JSON_KIND_NULL;
}

size_t json_size(const struct json *json)
{
    const json_t *opened = open_json(json);

    return json_is_array(opened) ? json_array_size(opened) : json_object_size(opened);
}

const struct json *json_at(const struct json *json, size_t i)
{
    return wrap(json_array_get(open_json(json), i));
}

bool json_next(const struct json *map, void **at, const char **key, const struct json **value)
{
    json_t *object = open_json(map);

    *at = *at == NULL ? json_object_iter(object) : json_object_iter_next(object, *at);
    if (*at == NULL)
        return false;
    *key = json_object_iter_key(*at);
    *value = wrap(json_object_iter_value(*at));
    return true;
}

const struct json *json_get(const struct json *json, const char *path)
{
    json_t *at = open_json(json);

    while (at != NULL && path[0] != '\0') {
        char key[64];
        size_t len = strcspn(path, ".");

        if (len >= sizeof(key))
            return NULL;
        memcpy(key, path, len);
        key[len] = '\0';
        at = json_is_array(at) ? json_array_get(at, strtoul(key, NULL, 10))
                               : json_object_get(at, key);
        path += len;
        if (path[0] == '.')
            path++;
    }
    return wrap(at);
}

bool json_get_integer(const struct json *json, const char *path, int64_t *value)
{
    const json_t *found = open_json(json_get(json, path));

    if (!json_is_integer(found))
        return false;
    *value = json_integer_value(found);
    return true;
}

int64_t json_get_integer_or(const struct json *json, const char *path, int64_t fallback)
{
    json_get_integer(json, path, &fallback);
    return fallback;
}

bool json_get_real(const struct json *json, const char *path, double *value)
{
    const json_t *found = open_json(json_get(json, path));

    if (!json_is_number(found))
        return false;
    *value = json_number_value(found);
    return true;
}

double json_get_real_or(const struct json *json, const char *path, double fallback)
{
    json_get_real(json, path, &fallback);
    return fallback;
}

bool json_get_bool(const struct json *json, const char *path, bool fallback)
{
    const json_t *found = open_json(json_get(json, path));

    return json_is_boolean(found) ? json_is_true(found) : fallback;
}

const char *json_get_string(const struct json *json, const char *path, const char *fallback)
{
    const char *text = json_string_value(open_json(json_get(json, path)));

    return text != NULL ? text : fallback;
}

static int write_json(const char *text, size_t len, void *data)
{
    FILE *file = data;

    terminal_print_json(file, text, len);
    return ferror(file) ? -1 : 0;
}

bool json_print(FILE *file, const struct json *json, bool one_line)
{
    size_t flags = JSON_ENCODE_ANY | JSON_REAL_PRECISION(15);

    flags |= one_line ? JSON_COMPACT : JSON_INDENT(2);
    if (json_dump_callback(open_json(json), write_json, file, flags) < 0)
        return false;
    terminal_print(file, "\n");
    return ferror(file) == 0;
}
