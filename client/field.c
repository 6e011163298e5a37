#include "client/field.h"

#include <string.h>

static bool find_key(struct reader *reader, const char *key, size_t key_len)
{
    uint32_t pairs = 0;
    if (!reader_map(reader, &pairs))
        return false;
    for (; pairs > 0; pairs--) {
        /* A key of another type is passed over with its value, as unknown keys are. */
        enum value_type type = reader_peek(reader);
        struct text name = {NULL, 0};
        if (type == VALUE_STRING || type == VALUE_BINARY)
            reader_text(reader, &name);
        else
            reader_skip(reader, NULL);
        if (name.len == key_len && name.data != NULL && memcmp(name.data, key, key_len) == 0)
            return !reader->failed;
        if (!reader_skip(reader, NULL))
            return false;
    }
    return false;
}

static bool find_position(struct reader *reader, const char *digits, size_t len)
{
    uint32_t count = 0;
    if (len == 0 || len > 9 || !reader_array(reader, &count))
        return false;
    uint32_t position = 0;
    for (size_t i = 0; i < len; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return false;
        position = position * 10 + (uint32_t)(digits[i] - '0');
    }
    if (position >= count)
        return false;
    for (; position > 0; position--) {
        if (!reader_skip(reader, NULL))
            return false;
    }
    return true;
}

bool field_find(struct reader *reader, const char *path)
{
    while (path != NULL && path[0] != '\0') {
        size_t len = strcspn(path, ".");
        bool found = reader_peek(reader) == VALUE_ARRAY ? find_position(reader, path, len)
                                                        : find_key(reader, path, len);
        if (!found)
            return false;
        path += len;
        if (path[0] == '.')
            path++;
    }
    return !reader->failed;
}
