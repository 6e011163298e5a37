/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/library_text.h"

#include "proto/utf8.h"

#include <string.h>

#define TEXT_SIZE 1024 /* libcurl's are 256 */
#define HIDDEN    "***"

static void hide_user(char *text)
{
    char *scheme = strstr(text, "://");
    char *at = scheme != NULL ? strrchr(scheme, '@') : NULL;
    const size_t len = strlen(HIDDEN);

    if (at == NULL)
        return;
    scheme += strlen("://");
    /* A user name shorter than the mark gets a shorter mark. */
    for (size_t i = 0; i < len && scheme < at; i++)
        *scheme++ = HIDDEN[i];
    memmove(scheme, at, strlen(at) + 1);
}

void library_text_hide_tokens(char *text)
{
    static const char in_token[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=";

    /* The first part of each JWT is an object, whose first two bytes in base64 are these. */
    while ((text = strstr(text, "eyJ")) != NULL) {
        char *end = text + strspn(text, in_token);

        *text++ = '*';
        memmove(text, end, strlen(end) + 1);
    }
}

void library_text_copy(char *to, size_t size, const char *text)
{
    char shown[TEXT_SIZE];

    utf8_copy(shown, sizeof(shown), text != NULL ? text : "", text != NULL ? strlen(text) : 0);
    for (char *at = shown; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = ' ';
    hide_user(shown);
    library_text_hide_tokens(shown);
    utf8_copy(to, size, shown, strlen(shown));
}
