#include "client/answer.h"
#include "client/field.h"

#include <stdlib.h>
#include <string.h>

static bool find(const struct tally_answer *answer, const char *path, struct reader *reader)
{
    if (answer->data == NULL)
        return false;
    reader_init(reader, answer->data, answer->len);
    return field_find(reader, path);
}

enum tally_quality tally_answer_quality(const struct tally_answer *answer)
{
    struct reader reader;
    struct text text;
    if (!find(answer, "quality", &reader) || !reader_text(&reader, &text))
        return TALLY_QUALITY_UNKNOWN;
    if (text_equals(text, "exact"))
        return TALLY_EXACT;
    if (text_equals(text, "at_least"))
        return TALLY_AT_LEAST;
    return TALLY_STALE; /* a word that this version does not know promises nothing better */
}

int tally_answer_integer(const struct tally_answer *answer, const char *path, int64_t *value)
{
    struct reader reader;
    int64_t found = 0;
    if (!find(answer, path, &reader) || !reader_int(&reader, &found))
        return TALLY_ENOFIELD;
    *value = found;
    return 0;
}

int tally_answer_number(const struct tally_answer *answer, const char *path, double *value)
{
    struct reader reader;
    double found = 0;
    if (!find(answer, path, &reader) || !reader_float(&reader, &found))
        return TALLY_ENOFIELD;
    *value = found;
    return 0;
}

int tally_answer_bool(const struct tally_answer *answer, const char *path, int *value)
{
    struct reader reader;
    bool found = false;
    if (!find(answer, path, &reader) || !reader_bool(&reader, &found))
        return TALLY_ENOFIELD;
    *value = found;
    return 0;
}

int tally_answer_text(
    const struct tally_answer *answer, const char *path, const char **text, size_t *len)
{
    struct reader reader;
    struct text found = {NULL, 0};
    if (!find(answer, path, &reader) || !reader_text(&reader, &found))
        return TALLY_ENOFIELD;
    *text = found.data;
    *len = found.len;
    return 0;
}

int tally_answer_string(
    const struct tally_answer *answer, const char *path, char *buffer, size_t size)
{
    const char *text = NULL;
    size_t len = 0;
    if (size == 0)
        return TALLY_EARGUMENT;
    buffer[0] = '\0';
    int r = tally_answer_text(answer, path, &text, &len);
    if (r < 0)
        return r;
    size_t fits = len < size ? len : size - 1;
    if (fits > 0)
        memcpy(buffer, text, fits);
    buffer[fits] = '\0';
    return fits == len ? 0 : TALLY_EARGUMENT;
}

int tally_answer_size(const struct tally_answer *answer, const char *path, size_t *size)
{
    struct reader reader;
    uint32_t count = 0;
    if (!find(answer, path, &reader))
        return TALLY_ENOFIELD;
    bool read = reader_peek(&reader) == VALUE_MAP ? reader_map(&reader, &count)
                                                  : reader_array(&reader, &count);
    if (!read)
        return TALLY_ENOFIELD;
    *size = count;
    return 0;
}

int tally_answer_packed(
    const struct tally_answer *answer, const char *path, const void **data, size_t *len)
{
    struct reader reader;
    struct text bytes = {NULL, 0};
    if (!find(answer, path, &reader) || !reader_skip(&reader, &bytes))
        return TALLY_ENOFIELD;
    *data = bytes.data;
    *len = bytes.len;
    return 0;
}

struct tally_cursor {
    struct reader reader; /* at what comes after the present element */
    struct tally_answer value;
    struct text key; /* data NULL: none */
    uint32_t left;
    bool map;
};

int tally_cursor_new(
    struct tally_cursor **cursor, const struct tally_answer *answer, const char *path)
{
    *cursor = NULL;
    struct tally_cursor made = {.left = 0};
    if (!find(answer, path, &made.reader))
        return TALLY_ENOFIELD;
    made.map = reader_peek(&made.reader) == VALUE_MAP;
    if (!(made.map ? reader_map(&made.reader, &made.left) : reader_array(&made.reader, &made.left)))
        return TALLY_ENOFIELD;
    *cursor = malloc(sizeof(**cursor));
    if (*cursor == NULL)
        return TALLY_ENOMEM;
    **cursor = made;
    return 0;
}

void tally_cursor_free(struct tally_cursor *cursor)
{
    free(cursor);
}

/* Leaves the key without data where it is no text. */
static bool cursor_read_key(struct tally_cursor *cursor)
{
    enum value_type type = reader_peek(&cursor->reader);
    if (type == VALUE_STRING || type == VALUE_BINARY)
        return reader_text(&cursor->reader, &cursor->key);
    return reader_skip(&cursor->reader, NULL);
}

int tally_cursor_next(struct tally_cursor *cursor)
{
    struct text bytes = {NULL, 0};
    if (cursor == NULL)
        return 0;
    cursor->key = bytes;
    answer_clear(&cursor->value);
    if (cursor->left == 0 || (cursor->map && !cursor_read_key(cursor)) ||
        !reader_skip(&cursor->reader, &bytes)) {
        cursor->left = 0;
        return 0;
    }
    cursor->left--;
    cursor->value.data = (const uint8_t *)bytes.data;
    cursor->value.len = bytes.len;
    return 1;
}

const struct tally_answer *tally_cursor_value(const struct tally_cursor *cursor)
{
    return &cursor->value;
}

int tally_cursor_key(const struct tally_cursor *cursor, const char **key, size_t *len)
{
    if (cursor->key.data == NULL)
        return TALLY_ENOFIELD;
    *key = cursor->key.data;
    *len = cursor->key.len;
    return 0;
}
