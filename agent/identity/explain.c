#include "agent/identity/explain.h"

#include "agent/library_text.h"
#include "proto/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ELLIPSIS "\u2026"
#define KEPT_MIN 120 /* of the message, at least */

void failure_explain(struct failure *failure, const char *format, ...)
{
    char advice[sizeof(failure->message)];
    char whole[2 * sizeof(failure->message) + 8];
    size_t room = sizeof(failure->message) - 1;
    const char *mark = "";
    size_t kept = strlen(failure->message);
    va_list arguments;

    va_start(arguments, format);
    if (vsnprintf(advice, sizeof(advice), format, arguments) < 0)
        advice[0] = '\0';
    va_end(arguments);
    room -= strlen(advice) < room - 2 ? strlen(advice) + 2 : room;
    if (kept > room) {
        mark = ELLIPSIS;
        kept = room > KEPT_MIN + strlen(ELLIPSIS) ? room - strlen(ELLIPSIS) : KEPT_MIN;
        kept = kept < strlen(failure->message) ? kept : strlen(failure->message);
    }
    snprintf(whole, sizeof(whole), "%.*s%s; %s", (int)kept, failure->message, mark, advice);
    utf8_copy(failure->message, sizeof(failure->message), whole, strlen(whole));
}

void failure_hide_tokens(struct failure *failure)
{
    library_text_hide_tokens(failure->message);
}
