/* SPDX-License-Identifier: Apache-2.0 */
#include "client/answer.h"

#include "client/connection.h"
#include "client/tally.h"
#include "proto/errors.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- error ---- */

/* The agent's codes are the same numbers, negated. */
#define SAME_NUMBER(number, name, retryable, text)                                                 \
    _Static_assert(TALLY_E##name == -(number), "error numbers of protocol and library differ");
ERROR_MAP(SAME_NUMBER)
#undef SAME_NUMBER

const char *tally_error_name(int error)
{
    if (error == TALLY_OK)
        return "OK";
    switch ((enum tally_error)error) {
#define NAME(number, name, text)                                                                   \
    case TALLY_E##name:                                                                            \
        return #name;
        TALLY_ERROR_MAP(NAME)
#undef NAME
    case TALLY_OK:
        break;
    }
    return "UNKNOWN";
}

const char *tally_strerror(int error)
{
    switch ((enum tally_error)error) {
#define TEXT(number, name, text)                                                                   \
    case TALLY_E##name:                                                                            \
        return text;
        TALLY_ERROR_MAP(TEXT)
#undef TEXT
    case TALLY_OK:
        return "no error";
    }
    return "an error that this version does not know";
}

int tally_error_is_timeout(int error)
{
    return error == TALLY_ETIMEOUT || error == TALLY_EDEADLINE;
}

const char *tally_version(void)
{
    return TALLY_VERSION;
}

/* ---- answer ---- */

void answer_clear(struct tally_answer *answer)
{
    *answer = (struct tally_answer){0};
}

static void answer_take_bytes(struct tally_answer *answer, struct reader value)
{
    struct text bytes = {NULL, 0};

    if (!reader_skip(&value, &bytes))
        return;
    answer->data = (const uint8_t *)bytes.data;
    answer->len = bytes.len;
}

static int take_failure(struct tally_answer *answer, struct reader error)
{
    if (!failure_unpack(&error, &answer->failure))
        return answer_fail(answer, TALLY_EPROTOCOL, "the agent's error cannot be read");
    /* -1 to -99 are the agent's; a larger number could be confused with the library's. */
    unsigned code = (unsigned)answer->failure.code;
    answer->error = code >= 1 && code <= 99 ? -(int)code : TALLY_EINTERNAL;
    return answer->error;
}

int answer_take(struct tally_answer *answer, const struct message *message)
{
    answer_clear(answer);
    if (!message->has_error) {
        answer_take_bytes(answer, message->result);
        return 0;
    }
    answer_take_bytes(answer, message->error);
    return take_failure(answer, message->error);
}

int answer_take_notification(struct tally_answer *answer, const struct message *message)
{
    answer_clear(answer);
    struct reader params = message->params;
    if (!reader_find(&params, "0"))
        return answer_fail(answer, TALLY_EPROTOCOL, "the agent's notification cannot be read");
    answer_take_bytes(answer, params);
    if (!reader_find(&params, "error"))
        return 0;
    return take_failure(answer, params);
}

int answer_fail(struct tally_answer *answer, int error, const char *format, ...)
{
    answer_clear(answer);
    answer->error = error;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(answer->failure.message, sizeof(answer->failure.message), format, arguments);
    va_end(arguments);
    return error;
}

int answer_fail_connection(struct tally_answer *answer, const char *path, int error)
{
    static const struct {
        int error, result;
    } results[] = {
        {-EACCES, TALLY_EPERMISSION},
        {-EPERM, TALLY_EPERMISSION},
        {-ENOENT, TALLY_ENOAGENT},
        {-ENOTDIR, TALLY_ENOAGENT},
        {-ENAMETOOLONG, TALLY_ENOAGENT},
        {-ELOOP, TALLY_ENOAGENT},
        {-EPROTOTYPE, TALLY_ENOAGENT},
        {-ECONNREFUSED, TALLY_ENOAGENT},
        {-ECONNRESET, TALLY_ENOAGENT},
        {-EPIPE, TALLY_ENOAGENT},
        {-EAGAIN, TALLY_ENOAGENT},
        {-ENOMEM, TALLY_ENOMEM},
        {-EPROTO, TALLY_EPROTOCOL},
        {-EMSGSIZE, TALLY_EPROTOCOL},
    };
    int result = TALLY_ESYSTEM;

    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
        if (results[i].error == error)
            result = results[i].result;
    }
    answer_clear(answer);
    answer->error = result;
    if (result == TALLY_EPROTOCOL)
        return answer_fail(answer, result,
            "%s: the answer is not msgpack-RPC, or is too large: does tallyd listen there?", path);
    address_explain(path, error, answer->failure.message, sizeof(answer->failure.message));
    return result;
}

int tally_answer_error(const struct tally_answer *answer)
{
    return answer->error;
}

const char *tally_answer_error_name(const struct tally_answer *answer)
{
    return answer->error == 0 ? "" : tally_error_name(answer->error);
}

const char *tally_answer_error_message(const struct tally_answer *answer)
{
    if (answer->error != 0 && answer->failure.message[0] == '\0')
        return tally_strerror(answer->error);
    return answer->failure.message;
}

const char *tally_answer_aws_code(const struct tally_answer *answer)
{
    return answer->failure.aws_code;
}

const char *tally_answer_aws_request_id(const struct tally_answer *answer)
{
    return answer->failure.aws_request_id;
}

const char *tally_answer_aws_reasons(const struct tally_answer *answer)
{
    return answer->failure.aws_reasons;
}

int tally_answer_retryable(const struct tally_answer *answer)
{
    switch (answer->error) {
    case TALLY_ENOAGENT:
    case TALLY_EDEADLINE:
        return 1;
    default:
        return answer->failure.retryable;
    }
}

int64_t tally_answer_retry_after_ms(const struct tally_answer *answer)
{
    return answer->failure.retry_after_ms;
}

/* ---- answer fields ---- */

static bool answer_find(const struct tally_answer *answer, const char *path, struct reader *reader)
{
    if (answer->data == NULL)
        return false;
    reader_init(reader, answer->data, answer->len);
    return reader_find(reader, path);
}

enum tally_quality tally_answer_quality(const struct tally_answer *answer)
{
    struct reader reader;
    struct text text;

    if (!answer_find(answer, "quality", &reader) || !reader_text(&reader, &text))
        return TALLY_QUALITY_UNKNOWN;
    if (text_equals(text, "exact"))
        return TALLY_EXACT;
    if (text_equals(text, "at_least"))
        return TALLY_AT_LEAST;
    return TALLY_STALE; /* an unknown word gives no better guarantee */
}

int tally_answer_integer(const struct tally_answer *answer, const char *path, int64_t *value)
{
    struct reader reader;
    bool read = answer_find(answer, path, &reader) && reader_int(&reader, value);

    return read ? 0 : TALLY_ENOFIELD;
}

int tally_answer_number(const struct tally_answer *answer, const char *path, double *value)
{
    struct reader reader;
    bool read = answer_find(answer, path, &reader) && reader_float(&reader, value);

    return read ? 0 : TALLY_ENOFIELD;
}

int tally_answer_bool(const struct tally_answer *answer, const char *path, int *value)
{
    struct reader reader;
    bool found = false;

    if (!answer_find(answer, path, &reader) || !reader_bool(&reader, &found))
        return TALLY_ENOFIELD;
    *value = found;
    return 0;
}

int tally_answer_text(
    const struct tally_answer *answer, const char *path, const char **text, size_t *len)
{
    struct reader reader;
    struct text found = {NULL, 0};

    if (!answer_find(answer, path, &reader) || !reader_text(&reader, &found))
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

    if (!answer_find(answer, path, &reader))
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

    if (!answer_find(answer, path, &reader) || !reader_skip(&reader, &bytes))
        return TALLY_ENOFIELD;
    *data = bytes.data;
    *len = bytes.len;
    return 0;
}

struct tally_cursor {
    struct reader reader; /* at what follows the present element */
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
    if (!answer_find(answer, path, &made.reader))
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

int tally_cursor_next(struct tally_cursor *cursor)
{
    struct text bytes = {NULL, 0};

    if (cursor == NULL)
        return 0;
    cursor->key = bytes;
    answer_clear(&cursor->value);
    if (cursor->left == 0 || (cursor->map && !reader_key(&cursor->reader, &cursor->key)) ||
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
