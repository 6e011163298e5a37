/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/json_value.h"

#include "agent/wiping_heap.h"
#include "proto/buffer.h"
#include "proto/utf8.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool memory_failed;

static void *noted_malloc(size_t size)
{
    void *memory = wiping_malloc(size);

    memory_failed = memory_failed || memory == NULL;
    return memory;
}

static void watch_memory(void)
{
    json_set_alloc_funcs(noted_malloc, wiping_free);
    memory_failed = false;
}

/* The offset at which the text has too many values, or its length: counts the characters outside of
 * strings that begin or separate values. If the text is not JSON the number means nothing, and
 * jansson stops at the error. */
static size_t find_excess(const char *text, size_t len)
{
    unsigned values = 1;
    bool in_string = false;

    for (size_t i = 0; i < len; i++) {
        if (in_string && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            in_string = !in_string;
        else if (!in_string && strchr("[{,:", text[i]) != NULL && text[i] != '\0' &&
                 ++values > JSON_VALUES_MAX)
            return i;
    }
    return len;
}

static void set_excess(json_error_t *error, size_t position)
{
    if (error == NULL)
        return;
    *error = (json_error_t){.line = 1, .column = (int)position, .position = (int)position};
    snprintf(error->text, sizeof(error->text), "more than %d values", JSON_VALUES_MAX);
}

json_t *json_read(const void *text, size_t len, size_t flags, json_error_t *error, bool *no_memory)
{
    size_t excess = find_excess(text, len);
    json_t *json;

    if (no_memory != NULL)
        *no_memory = false;
    if (excess < len) {
        set_excess(error, excess);
        return NULL;
    }
    watch_memory();
    json = json_loadb(text, len, flags, error);
    if (no_memory != NULL)
        *no_memory = memory_failed;
    if (!memory_failed)
        return json;
    json_decref(json);
    return NULL;
}

char *json_write(const json_t *json, size_t flags)
{
    char *text;

    watch_memory();
    text = json_dumps(json, JSON_COMPACT | flags);
    if (!memory_failed)
        return text;
    wiping_free(text);
    return NULL;
}

/* ---- fields ---- */

#define TEXTS_BYTES 4096

static int json_read_texts(const json_t *array, struct json_field *field)
{
    struct buffer joined;
    const json_t *item;
    size_t index;
    int r = 0;

    buffer_init_secret(&joined, TEXTS_BYTES);
    json_array_foreach(array, index, item)
    {
        if (!json_is_string(item)) {
            buffer_free(&joined);
            field->type = JSON_FIELD_OTHER;
            return 0;
        }
        if (index > 0)
            buffer_append_string(&joined, ", ");
        buffer_append_string(&joined, json_string_value(item));
    }
    field->text = joined.failed ? NULL : strdup(buffer_string(&joined));
    field->type = field->text != NULL ? JSON_FIELD_TEXTS : JSON_FIELD_OTHER;
    if (field->text == NULL && joined.error != -EMSGSIZE)
        r = -ENOMEM;
    buffer_free(&joined);
    return r;
}

static int json_read_field(const json_t *value, struct json_field *field)
{
    double real;

    if (value == NULL || json_is_null(value)) {
        field->type = JSON_FIELD_ABSENT;
    } else if (json_is_string(value)) {
        field->type = JSON_FIELD_TEXT;
        field->text = strdup(json_string_value(value));
        return field->text != NULL ? 0 : -ENOMEM;
    } else if (json_is_integer(value)) {
        field->type = JSON_FIELD_NUMBER;
        field->number = json_integer_value(value);
    } else if (json_is_real(value)) {
        real = trunc(json_real_value(value));
        field->type = real > -1e15 && real < 1e15 ? JSON_FIELD_NUMBER : JSON_FIELD_OTHER;
        field->number = field->type == JSON_FIELD_NUMBER ? (int64_t)real : 0;
    } else if (json_is_array(value)) {
        return json_read_texts(value, field);
    } else {
        field->type = JSON_FIELD_OTHER;
    }
    return 0;
}

int json_fields_read(const void *json, size_t len, struct json_field *fields, size_t count,
    char *why, size_t why_size)
{
    json_error_t error = {0};
    bool no_memory = false;
    json_t *object = json_read(json, len, JSON_REJECT_DUPLICATES, &error, &no_memory);
    int r = 0;

    for (size_t i = 0; i < count; i++)
        fields[i] = (struct json_field){.name = fields[i].name};
    if (object == NULL) {
        /* Not error.text: it quotes the input near the error. */
        snprintf(why, why_size, "it is not valid JSON, or too much of it (line %d, column %d)",
            error.line, error.column);
        return no_memory ? -ENOMEM : -EPROTO;
    }
    if (!json_is_object(object)) {
        snprintf(why, why_size, "it is not a JSON object");
        r = -EPROTO;
    }
    for (size_t i = 0; i < count && r == 0; i++)
        r = json_read_field(json_object_get(object, fields[i].name), &fields[i]);
    json_decref(object);
    if (r < 0)
        json_fields_clear(fields, count);
    if (r == -ENOMEM)
        snprintf(why, why_size, "no memory");
    return r;
}

void json_field_copy(const struct json_field *field, char *to, size_t size)
{
    if (field->text != NULL)
        utf8_copy(to, size, field->text, strlen(field->text));
}

void json_fields_clear(struct json_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fields[i].text != NULL)
            wipe(fields[i].text, strlen(fields[i].text));
        free(fields[i].text);
        fields[i] = (struct json_field){.name = fields[i].name};
    }
}
