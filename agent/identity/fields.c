#include "agent/identity/fields.h"

#include "agent/json.h"
#include "proto/buffer.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXTS_BYTES 4096

static int read_texts(const json_t *array, struct field *field)
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
            field->type = FIELD_OTHER;
            return 0;
        }
        if (index > 0)
            buffer_append_string(&joined, ", ");
        buffer_append_string(&joined, json_string_value(item));
    }
    field->text = joined.failed ? NULL : strdup(buffer_string(&joined));
    field->type = field->text != NULL ? FIELD_TEXTS : FIELD_OTHER;
    if (field->text == NULL && joined.error != -EMSGSIZE)
        r = -ENOMEM;
    buffer_free(&joined);
    return r;
}

static int read_field(const json_t *value, struct field *field)
{
    double real;

    if (value == NULL || json_is_null(value)) {
        field->type = FIELD_ABSENT;
    } else if (json_is_string(value)) {
        field->type = FIELD_TEXT;
        field->text = strdup(json_string_value(value));
        return field->text != NULL ? 0 : -ENOMEM;
    } else if (json_is_integer(value)) {
        field->type = FIELD_NUMBER;
        field->number = json_integer_value(value);
    } else if (json_is_real(value)) {
        real = trunc(json_real_value(value));
        field->type = real > -1e15 && real < 1e15 ? FIELD_NUMBER : FIELD_OTHER;
        field->number = field->type == FIELD_NUMBER ? (int64_t)real : 0;
    } else if (json_is_array(value)) {
        return read_texts(value, field);
    } else {
        field->type = FIELD_OTHER;
    }
    return 0;
}

int fields_read(
    const void *json, size_t len, struct field *fields, size_t count, char *why, size_t why_size)
{
    json_error_t error = {0};
    bool no_memory = false;
    json_t *object = json_read(json, len, JSON_REJECT_DUPLICATES, &error, &no_memory);
    int r = 0;

    for (size_t i = 0; i < count; i++)
        fields[i] = (struct field){.name = fields[i].name};
    if (object == NULL) {
        /* Not error.text: it quotes the input near the fault. */
        snprintf(why, why_size, "it is not valid JSON, or too much of it (line %d, column %d)",
            error.line, error.column);
        return no_memory ? -ENOMEM : -EPROTO;
    }
    if (!json_is_object(object)) {
        snprintf(why, why_size, "it is not a JSON object");
        r = -EPROTO;
    }
    for (size_t i = 0; i < count && r == 0; i++)
        r = read_field(json_object_get(object, fields[i].name), &fields[i]);
    json_decref(object);
    if (r < 0)
        fields_clear(fields, count);
    if (r == -ENOMEM)
        snprintf(why, why_size, "no memory");
    return r;
}

void fields_clear(struct field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fields[i].text != NULL)
            wipe(fields[i].text, strlen(fields[i].text));
        free(fields[i].text);
        fields[i] = (struct field){.name = fields[i].name};
    }
}
