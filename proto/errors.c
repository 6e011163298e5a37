/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/errors.h"

#include "proto/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- errors ---- */

struct error_row {
    enum error_code code;
    bool retryable;
    const char *name;
    const char *text;
};

static const struct error_row rows[] = {
#define ERROR_ROW(number, name, retryable, text) {ERROR_##name, retryable, #name, text},
    ERROR_MAP(ERROR_ROW)
#undef ERROR_ROW
};

static const struct error_row *error_row(enum error_code code)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].code == code)
            return &rows[i];
    }
    return NULL;
}

const char *error_name(enum error_code code)
{
    const struct error_row *row = error_row(code);

    return row != NULL ? row->name : "UNKNOWN";
}

const char *error_text(enum error_code code)
{
    const struct error_row *row = error_row(code);

    return row != NULL ? row->text : "UNKNOWN";
}

enum error_code error_of_name(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strlen(rows[i].name) == len && memcmp(rows[i].name, name, len) == 0)
            return rows[i].code;
    }
    return ERROR_NONE;
}

bool error_retryable(enum error_code code)
{
    const struct error_row *row = error_row(code);

    return row != NULL && row->retryable;
}

/* ---- failure ---- */

void failure_vset(
    struct failure *failure, enum error_code code, const char *format, va_list arguments)
{
    /* Separate from *failure, so that its old message may be among the arguments; longer, so that a
     * character cut here is beyond what fits there. */
    char message[sizeof(failure->message) + 8];

    if (vsnprintf(message, sizeof(message), format, arguments) < 0)
        snprintf(message, sizeof(message), "%s", error_text(code));
    *failure = (struct failure){.code = code, .retryable = error_retryable(code)};
    utf8_copy(failure->message, sizeof(failure->message), message, strlen(message));
}

void failure_set(struct failure *failure, enum error_code code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    failure_vset(failure, code, format, arguments);
    va_end(arguments);
}

const char *failure_stage_name(enum failure_stage stage)
{
    switch (stage) {
#define FAILURE_STAGE_CASE(name, text)                                                             \
    case STAGE_##name:                                                                             \
        return text;
        FAILURE_STAGE_MAP(FAILURE_STAGE_CASE)
#undef FAILURE_STAGE_CASE
    case STAGE_NONE:
        break;
    }
    return "";
}

void failure_set_buffer(struct failure *failure, const char *what, const struct buffer *buffer)
{
    if (buffer->error == -ENOMEM)
        failure_set(failure, ERROR_INTERNAL, "%s: no memory", what);
    else
        failure_set(
            failure, ERROR_INTERNAL, "%s: longer than the limit of %zu bytes", what, buffer->max);
}

static void set_text(char *to, size_t size, const char *text)
{
    if (text == NULL)
        text = "";
    utf8_copy(to, size, text, strlen(text));
}

void failure_set_aws(
    struct failure *failure, const char *code, const char *request_id, const char *reasons)
{
    set_text(failure->aws_code, sizeof(failure->aws_code), code);
    set_text(failure->aws_request_id, sizeof(failure->aws_request_id), request_id);
    set_text(failure->aws_reasons, sizeof(failure->aws_reasons), reasons);
}
