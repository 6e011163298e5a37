#include "client/answer.h"
#include "client/field.h"

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
