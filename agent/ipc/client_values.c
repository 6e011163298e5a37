/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ipc/client_values.h"

#include "agent/aws/dynamodb.h"
#include "agent/config/expressions.h"
#include "agent/config/lint.h"
#include "agent/json_value.h"
#include "proto/base64.h"
#include "proto/utf8.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first error, if any. */
struct trouble {
    int r;     /* 0, -EINVAL or -ENOMEM */
    char *why; /* for -EINVAL; borrowed */
    size_t why_size;
};

/* ---- attribute unpack ---- */

/* AttributeValues from msgpack to JSON. Pure. agent/config/expressions.h checks afterwards whether
 * they are valid: what cannot be an AttributeValue becomes JSON that is refused there. */

__attribute__((format(printf, 2, 3))) static void trouble_refuse(
    struct trouble *trouble, const char *format, ...)
{
    va_list arguments;

    if (trouble->r != 0)
        return;
    trouble->r = -EINVAL;
    va_start(arguments, format);
    vsnprintf(trouble->why, trouble->why_size, format, arguments);
    va_end(arguments);
}

static void trouble_memory(struct trouble *trouble)
{
    if (trouble->r == 0)
        trouble->r = -ENOMEM;
}

/* The position in an AttributeValue that is converted. */
enum spot {
    SPOT_ATTRIBUTE,  /* {"S": "text"} */
    SPOT_ATTRIBUTES, /* inside L or M */
    SPOT_BINARY,     /* inside B or BS: a bin is bytes, not text */
    SPOT_PLAIN,      /* inside any other type */
};

static json_t *client_values_convert(
    struct reader *reader, enum spot spot, struct trouble *trouble);

/* A string. NULL on error, such as invalid UTF-8. */
static json_t *text_unpack(struct text text, struct trouble *trouble)
{
    json_t *string;

    if (!utf8_is_valid(text.data, text.len)) {
        trouble_refuse(trouble, "a text is not UTF-8; for bytes use B");
        return NULL;
    }
    string = json_stringn(text.data, text.len);
    if (string == NULL)
        trouble_memory(trouble);
    return string;
}

static json_t *convert_bytes(struct text bytes, struct trouble *trouble)
{
    char *text = malloc(BASE64_SIZE(bytes.len));
    json_t *string = NULL;

    if (text != NULL) {
        base64_encode((const uint8_t *)bytes.data, bytes.len, text);
        string = json_string(text);
    }
    free(text);
    if (string == NULL)
        trouble_memory(trouble);
    return string;
}

static json_t *convert_array(struct reader *reader, enum spot spot, struct trouble *trouble)
{
    json_t *array = json_array();
    uint32_t count = 0;

    if (array == NULL)
        trouble_memory(trouble);
    reader_array(reader, &count);
    while (trouble->r == 0 && count-- > 0)
        if (json_array_append_new(array, client_values_convert(reader, spot, trouble)) < 0)
            trouble_memory(trouble);
    return array;
}

static enum spot spot_inside(enum spot spot, struct text key)
{
    if (spot == SPOT_ATTRIBUTES)
        return SPOT_ATTRIBUTE;
    if (spot != SPOT_ATTRIBUTE)
        return SPOT_PLAIN;
    if (text_equals(key, "L") || text_equals(key, "M"))
        return SPOT_ATTRIBUTES;
    return text_equals(key, "B") || text_equals(key, "BS") ? SPOT_BINARY : SPOT_PLAIN;
}

/* Reads an empty array in the position of a map as an empty map; false: nothing was read. */
static bool take_empty_map(struct reader *reader)
{
    struct reader probe = *reader;
    uint32_t pairs;

    if (reader_peek(reader) != VALUE_ARRAY || !reader_map(&probe, &pairs))
        return false;
    *reader = probe;
    return true;
}

static json_t *convert_map(struct reader *reader, enum spot spot, struct trouble *trouble)
{
    json_t *object = json_object();
    json_t *value;
    uint32_t pairs = 0;
    struct text key;

    if (object == NULL)
        trouble_memory(trouble);
    reader_map(reader, &pairs);
    while (trouble->r == 0 && pairs-- > 0) {
        if (!reader_text(reader, &key) || !utf8_is_valid(key.data, key.len) ||
            memchr(key.data, '\0', key.len) != NULL) {
            trouble_refuse(trouble, "a map has a key that is not a string");
            break;
        }
        value = spot == SPOT_ATTRIBUTE && text_equals(key, "M") && take_empty_map(reader)
                    ? json_object()
                    : client_values_convert(reader, spot_inside(spot, key), trouble);
        if (json_object_setn_new(object, key.data, key.len, value) < 0)
            trouble_memory(trouble);
    }
    return object;
}

/* Converts one value of any shape; attribute_check validates it. NULL, or a part of the value, on
 * error. */
static json_t *client_values_convert(struct reader *reader, enum spot spot, struct trouble *trouble)
{
    enum value_type type = reader_peek(reader);
    struct text text;
    bool flag;

    switch (type) {
    case VALUE_BOOL:
        reader_bool(reader, &flag);
        return json_boolean(flag);
    case VALUE_STRING:
    case VALUE_BINARY:
        reader_text(reader, &text);
        return type == VALUE_BINARY && spot == SPOT_BINARY ? convert_bytes(text, trouble)
                                                           : text_unpack(text, trouble);
    case VALUE_ARRAY:
        if (spot == SPOT_ATTRIBUTES)
            spot = SPOT_ATTRIBUTE;
        else if (spot == SPOT_ATTRIBUTE)
            spot = SPOT_PLAIN;
        return convert_array(reader, spot, trouble);
    case VALUE_MAP:
        return convert_map(reader, spot, trouble);
    case VALUE_NIL:
    case VALUE_INTEGER:
    case VALUE_FLOAT:
    case VALUE_NONE:
        break;
    }
    reader_skip(reader, NULL);
    return json_null(); /* invalid in every position */
}

/* Reads one value of any shape: a bin is base64 inside B and BS, a text elsewhere. The caller owns
 * the reference. NULL, or a part of the value, on error. */
static json_t *attribute_unpack(struct reader *reader, struct trouble *trouble)
{
    return client_values_convert(reader, SPOT_ATTRIBUTE, trouble);
}

/* ---- client values ---- */

#define PLACEHOLDER_MAX 255 /* DynamoDB's limit */

/* ---- checks ---- */

static void client_values_report_flaw(
    void *data, enum attribute_flaw flaw, const char *where, const char *what, const char *keda)
{
    (void)keda;
    if (flaw != ATTRIBUTE_ODD)
        trouble_refuse(data, "%s %s", where, what);
}

/* Reads one value and puts it under its placeholder. */
static void take_value(
    json_t *values, const char *name, struct reader *reader, struct trouble *trouble)
{
    struct attribute_check check = {
        .root = "values", .report = client_values_report_flaw, .data = trouble};
    json_t *value = attribute_unpack(reader, trouble);

    if (trouble->r == 0)
        attribute_check(&check, name, value);
    if (check.failed || (trouble->r == 0 && json_object_set(values, name, value) < 0))
        trouble_memory(trouble);
    json_decref(value);
}

static const char *type_of(json_t *attribute)
{
    return json_object_iter_key(json_object_iter(attribute));
}

static void check_like_own(const char *name, json_t *value, json_t *own, struct trouble *trouble)
{
    size_t len = json_dumpb(value, NULL, 0, JSON_COMPACT);

    if (len > CLIENT_VALUE_BYTES)
        trouble_refuse(trouble, "values[\"%s\"] has %zu bytes as JSON; at most %d are taken", name,
            len, CLIENT_VALUE_BYTES);
    if (own != NULL && strcmp(type_of(own), type_of(value)) != 0)
        trouble_refuse(trouble,
            "values[\"%s\"] must be of type %s, as the trigger's own value is, not %s", name,
            type_of(own), type_of(value));
}

/* The placeholder as the trigger lists it, or NULL. */
static const char *find_listed(const struct query *query, struct text name)
{
    for (size_t i = 0; i < query->client_value_count; i++)
        if (text_equals(name, query->client_values[i]))
            return query->client_values[i];
    return NULL;
}

static void refuse_unlisted(const struct query *query, struct text name, struct trouble *trouble)
{
    char shown[80], listed[160] = "";
    size_t len = 0;

    utf8_copy(shown, sizeof(shown), name.data, name.len);
    for (size_t i = 0; i < query->client_value_count && len < sizeof(listed); i++)
        len += (size_t)snprintf(
            listed + len, sizeof(listed) - len, "%s%s", i > 0 ? ", " : "", query->client_values[i]);
    if (query->client_value_count == 0)
        trouble_refuse(trouble,
            "it takes no values of clients; its clientValues would have to list \"%s\"", shown);
    else
        trouble_refuse(
            trouble, "clients may not supply \"%s\"; they may supply: %s", shown, listed);
}

static void check_complete(
    const struct query *query, const json_t *own, const json_t *supplied, struct trouble *trouble)
{
    for (size_t i = 0; i < query->client_value_count; i++) {
        const char *name = query->client_values[i];

        if (json_object_get(own, name) == NULL && json_object_get(supplied, name) == NULL)
            trouble_refuse(trouble,
                "it has no value for %s, so the request must supply one: \"values\": {\"%s\": "
                "{\"S\": \"text\"}}",
                name, name);
    }
}

/* ---- all of them ---- */

static json_t *read_listed(
    const struct query *query, const struct reader *map, const json_t *own, struct trouble *trouble)
{
    json_t *supplied = json_object();
    struct reader reader;
    uint32_t pairs = 0;
    struct text text;

    if (supplied == NULL)
        trouble_memory(trouble);
    if (map != NULL) {
        reader = *map;
        reader_map(&reader, &pairs);
    }
    while (trouble->r == 0 && pairs-- > 0) {
        const char *name = reader_text(&reader, &text) ? find_listed(query, text) : NULL;

        if (reader.failed)
            trouble_refuse(trouble, "the keys of values must be strings, such as \":key\"");
        else if (name == NULL)
            refuse_unlisted(query, text, trouble);
        else
            take_value(supplied, name, &reader, trouble);
        if (trouble->r == 0)
            check_like_own(
                name, json_object_get(supplied, name), json_object_get(own, name), trouble);
    }
    return supplied;
}

/* Whether the supplied values equal the trigger's own: then its cache serves them, too. */
static bool are_own(json_t *supplied, const json_t *own)
{
    const char *name;
    json_t *value;

    json_object_foreach(supplied, name, value)
    {
        if (!json_equal(value, json_object_get(own, name)))
            return false;
    }
    return true;
}

int client_values_merge(const struct query *query, const struct reader *supplied, char **merged,
    char *why, size_t why_size)
{
    struct trouble trouble = {.why = why, .why_size = why_size};
    const char *own_text = query->values != NULL ? query->values : "{}";
    json_t *own = json_read(own_text, strlen(own_text), 0, NULL, NULL);
    json_t *values = NULL;
    char *text = NULL;

    *merged = NULL;
    if (own == NULL)
        trouble_memory(&trouble); /* the configuration accepted the text */
    if (trouble.r == 0)
        values = read_listed(query, supplied, own, &trouble);
    if (trouble.r == 0)
        check_complete(query, own, values, &trouble);
    if (trouble.r == 0 && !are_own(values, own)) {
        text = json_write(values, 0);
        if (text != NULL)
            *merged = dynamodb_merge_values(query->values, text);
        if (*merged == NULL)
            trouble_memory(&trouble);
    }
    free(text);
    json_decref(values);
    json_decref(own);
    return trouble.r;
}

/* Reads the next key of the map, which must be a placeholder; false: an error was recorded. */
static bool read_placeholder(
    struct reader *reader, char mark, char name[PLACEHOLDER_MAX + 1], struct trouble *trouble)
{
    struct text text = {NULL, 0};
    size_t len = 0;

    if (reader_text(reader, &text))
        len = utf8_copy(name, PLACEHOLDER_MAX + 1, text.data, text.len);
    if (len == text.len && len > 0 && lint_is_placeholder(name, mark))
        return true;
    trouble_refuse(trouble, "the keys of %s must be placeholders, such as \"%ckey\"",
        mark == ':' ? "values" : "names", mark);
    return false;
}

static void take_name(
    json_t *names, const char *name, struct reader *reader, struct trouble *trouble)
{
    struct text text;
    json_t *value;

    if (!reader_text(reader, &text)) {
        trouble_refuse(trouble, "names[\"%s\"] must be a string, the attribute's name", name);
        return;
    }
    value = text_unpack(text, trouble);
    if (trouble->r == 0 && json_object_set(names, name, value) < 0)
        trouble_memory(trouble);
    json_decref(value);
}

/* Reads a map of placeholders that begin with `mark`. */
static int read_any(const struct reader *supplied, char mark,
    void (*take)(json_t *, const char *, struct reader *, struct trouble *), char **json, char *why,
    size_t why_size)
{
    struct trouble trouble = {.why = why, .why_size = why_size};
    struct reader reader = *supplied;
    json_t *object = json_object();
    char name[PLACEHOLDER_MAX + 1];
    uint32_t pairs = 0;

    *json = NULL;
    if (object == NULL)
        trouble_memory(&trouble);
    if (!reader_map(&reader, &pairs))
        trouble_refuse(&trouble, "%s must be a map", mark == ':' ? "values" : "names");
    while (trouble.r == 0 && pairs-- > 0)
        if (read_placeholder(&reader, mark, name, &trouble))
            take(object, name, &reader, &trouble);
    if (trouble.r == 0 && json_object_size(object) > 0) {
        *json = json_write(object, JSON_SORT_KEYS);
        if (*json == NULL)
            trouble_memory(&trouble);
    }
    json_decref(object);
    return trouble.r;
}

int client_values_read(const struct reader *supplied, char **json, char *why, size_t why_size)
{
    return read_any(supplied, ':', take_value, json, why, why_size);
}

int client_names_read(const struct reader *supplied, char **json, char *why, size_t why_size)
{
    return read_any(supplied, '#', take_name, json, why, why_size);
}
