#include "proto/failure.h"

#include "proto/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void failure_set(struct failure *failure, enum error_code code, const char *format, ...)
{
    /* Apart from *failure, so that its old message may be among the arguments; longer, so
     * that a character cut here is beyond what fits there. */
    char message[sizeof(failure->message) + 8];
    va_list arguments;

    va_start(arguments, format);
    if (vsnprintf(message, sizeof(message), format, arguments) < 0)
        snprintf(message, sizeof(message), "%s", error_text(code));
    va_end(arguments);

    *failure = (struct failure){.code = code, .retryable = error_retryable(code)};
    utf8_copy(failure->message, sizeof(failure->message), message, strlen(message));
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
