/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/credentials_json.h"

#include "agent/aws/aws_clock.h"
#include "agent/json_value.h"
#include "proto/buffer.h"
#include "proto/reader.h"
#include "proto/utf8.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- fields ---- */

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

/* ---- credentials json ---- */

enum { CODE, MESSAGE, KEY_ID, SECRET_KEY, TOKEN, EXPIRATION, FIELD_COUNT };

bool credentials_text_valid(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text <= 0x20 || (unsigned char)*text >= 0x7f)
            return false;
    return true;
}

/* The metadata service also returns errors with status 200. */
static bool json_is_error(const struct field *fields, char *why, size_t why_size)
{
    char code[80];

    if (fields[CODE].type != FIELD_TEXT || strcmp(fields[CODE].text, "Success") == 0)
        return false;
    utf8_copy(code, sizeof(code), fields[CODE].text, strlen(fields[CODE].text));
    snprintf(why, why_size, "it holds no credentials but the error %s", code);
    return true;
}

static bool is_usable(const struct field *field, char *why, size_t why_size)
{
    if (field->type == FIELD_ABSENT)
        snprintf(why, why_size, "%s is missing", field->name);
    else if (field->type != FIELD_TEXT)
        snprintf(why, why_size, "%s is not a string", field->name);
    else if (field->text[0] == '\0')
        snprintf(why, why_size, "%s is empty", field->name);
    else if (!credentials_text_valid(field->text))
        snprintf(why, why_size, "%s holds characters that cannot be part of it", field->name);
    else
        return true;
    return false;
}

static int json_build(
    const struct field *fields, struct credentials **credentials, char *why, size_t why_size)
{
    const char *expiration = fields[EXPIRATION].text;
    int64_t expires_ms;

    if (json_is_error(fields, why, why_size))
        return -EPROTO;
    for (int i = KEY_ID; i <= EXPIRATION; i++)
        if (!is_usable(&fields[i], why, why_size))
            return -EPROTO;
    if (iso8601_parse(expiration, strlen(expiration), &expires_ms) < 0) {
        snprintf(why, why_size, "Expiration is not an ISO 8601 time in UTC");
        return -EPROTO;
    }
    *credentials = credentials_create(
        fields[KEY_ID].text, fields[SECRET_KEY].text, fields[TOKEN].text, expires_ms, NULL);
    if (*credentials != NULL)
        return 0;
    snprintf(why, why_size, "no memory");
    return -ENOMEM;
}

int credentials_json_parse(
    const void *json, size_t len, struct credentials **credentials, char *why, size_t why_size)
{
    struct field fields[FIELD_COUNT] = {
        [CODE] = {.name = "Code"},
        [MESSAGE] = {.name = "Message"},
        [KEY_ID] = {.name = "AccessKeyId"},
        [SECRET_KEY] = {.name = "SecretAccessKey"},
        [TOKEN] = {.name = "Token"},
        [EXPIRATION] = {.name = "Expiration"},
    };
    int r = fields_read(json, len, fields, FIELD_COUNT, why, why_size);

    if (r < 0)
        return r;
    r = json_build(fields, credentials, why, why_size);
    fields_clear(fields, FIELD_COUNT);
    return r;
}

/* ---- error replies ---- */

static void copy_field(char *to, size_t size, const struct field *field)
{
    if (field->type == FIELD_TEXT)
        utf8_copy(to, size, field->text, strlen(field->text));
}

static bool read_error_object(const void *body, size_t len, struct aws_error *error)
{
    enum { LOWER_CODE, UPPER_CODE, LOWER_MESSAGE, UPPER_MESSAGE, COUNT };
    struct field fields[COUNT] = {
        [LOWER_CODE] = {.name = "code"},
        [UPPER_CODE] = {.name = "Code"},
        [LOWER_MESSAGE] = {.name = "message"},
        [UPPER_MESSAGE] = {.name = "Message"},
    };
    char why[80];

    if (fields_read(body, len, fields, COUNT, why, sizeof(why)) < 0)
        return false;
    copy_field(error->code, sizeof(error->code), &fields[UPPER_CODE]);
    copy_field(error->code, sizeof(error->code), &fields[LOWER_CODE]);
    copy_field(error->message, sizeof(error->message), &fields[UPPER_MESSAGE]);
    copy_field(error->message, sizeof(error->message), &fields[LOWER_MESSAGE]);
    fields_clear(fields, COUNT);
    return true;
}

/* Extracts the text between two marks at the start, and advances past them. */
static bool take_between(struct text *text, const char *open, const char *close, struct text *found)
{
    size_t open_len = strlen(open);
    const char *end;

    if (text->len < open_len || memcmp(text->data, open, open_len) != 0)
        return false;
    end = memmem(text->data + open_len, text->len - open_len, close, strlen(close));
    if (end == NULL)
        return false;
    found->data = text->data + open_len;
    found->len = (size_t)(end - found->data);
    end += strlen(close);
    text->len -= (size_t)(end - text->data);
    text->data = end;
    return true;
}

/* The Pod Identity agent sends a line of text: "[request id]: (Code): message, fault: client",
 * or the message alone. */
static void read_error_line(const char *body, size_t len, struct aws_error *error)
{
    const char *end = len > 0 ? memchr(body, '\n', len) : NULL;
    struct text text = {body, end != NULL ? (size_t)(end - body) : len};
    struct text found;

    if (text.len == 0 || text.data[0] == '<')
        return;
    if (take_between(&text, "[", "]: ", &found))
        utf8_copy(error->request_id, sizeof(error->request_id), found.data, found.len);
    if (take_between(&text, "(", "): ", &found))
        utf8_copy(error->code, sizeof(error->code), found.data, found.len);
    if (take_between(&text, "", ", fault: ", &found))
        text = found;
    utf8_copy(error->message, sizeof(error->message), text.data, text.len);
}

void credentials_json_parse_error(int status, const void *body, size_t len, struct aws_error *error)
{
    error->status = status;
    if (!read_error_object(body, len, error))
        read_error_line(body, len, error);
    error->outcome = aws_error_classify(status, error->code, error->message);
}
