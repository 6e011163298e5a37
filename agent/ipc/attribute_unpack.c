#include "agent/ipc/attribute_unpack.h"

#include "proto/base64.h"
#include "proto/utf8.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void trouble_refuse(struct trouble *trouble, const char *format, ...)
{
    va_list arguments;

    if (trouble->r != 0)
        return;
    trouble->r = -EINVAL;
    va_start(arguments, format);
    vsnprintf(trouble->why, trouble->why_size, format, arguments);
    va_end(arguments);
}

void trouble_memory(struct trouble *trouble)
{
    if (trouble->r == 0)
        trouble->r = -ENOMEM;
}

/* What stands where an AttributeValue is taken apart. */
enum spot {
    SPOT_ATTRIBUTE,  /* {"S": "text"} */
    SPOT_ATTRIBUTES, /* inside L or M */
    SPOT_BINARY,     /* inside B or BS: a bin is bytes, not text */
    SPOT_PLAIN,      /* inside any other type */
};

static json_t *convert(struct reader *reader, enum spot spot, struct trouble *trouble);

json_t *text_unpack(struct text text, struct trouble *trouble)
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
        if (json_array_append_new(array, convert(reader, spot, trouble)) < 0)
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

/* An empty array in the place of a map is an empty one; false: nothing was read. */
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
            trouble_refuse(trouble, "a map has a key that is no text");
            break;
        }
        value = spot == SPOT_ATTRIBUTE && text_equals(key, "M") && take_empty_map(reader)
                    ? json_object()
                    : convert(reader, spot_inside(spot, key), trouble);
        if (json_object_setn_new(object, key.data, key.len, value) < 0)
            trouble_memory(trouble);
    }
    return object;
}

/* One value of whatever shape, for attribute_check to judge. NULL, or a part of it, where there
 * is trouble. */
static json_t *convert(struct reader *reader, enum spot spot, struct trouble *trouble)
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
    return json_null(); /* wrong wherever it stands */
}

json_t *attribute_unpack(struct reader *reader, struct trouble *trouble)
{
    return convert(reader, SPOT_ATTRIBUTE, trouble);
}
