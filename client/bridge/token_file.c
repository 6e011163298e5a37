/* SPDX-License-Identifier: Apache-2.0 */
#include "client/bridge/token_file.h"

#include "agent/file.h"
#include "agent/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define TOKEN_BYTES 4096

struct token_file {
    const char *path;
    struct file_stamp stamp;
    struct buffer token; /* without the blanks and line ends around it */
};

static bool token_is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static void token_trim(struct buffer *token)
{
    size_t start = 0, len = token->len;

    while (len > 0 && token_is_blank(token->data[len - 1]))
        len--;
    while (start < len && token_is_blank(token->data[start]))
        start++;
    buffer_truncate(token, len);
    buffer_consume(token, start);
}

/* Reads into an empty buffer. */
static bool token_read(const char *path, struct buffer *token, char *why, size_t why_size)
{
    int r = file_read(path, token);

    if (r < 0) {
        file_explain(path, r, why, why_size);
        return false;
    }
    token_trim(token);
    if (token->len > 0)
        return true;
    snprintf(why, why_size, "%s is empty, and should hold the bearer token", path);
    return false;
}

struct token_file *token_file_open(const char *path, char *why, size_t why_size)
{
    struct token_file *token = calloc(1, sizeof(*token));

    snprintf(why, why_size, "out of memory");
    if (token == NULL)
        return NULL;
    token->path = path;
    token->stamp = file_stamp_of(path);
    buffer_init_secret(&token->token, TOKEN_BYTES);
    if (token_read(path, &token->token, why, why_size))
        return token;
    token_file_close(token);
    return NULL;
}

void token_file_close(struct token_file *token)
{
    if (token == NULL)
        return;
    buffer_free(&token->token);
    free(token);
}

static void token_refresh(struct token_file *token)
{
    struct file_stamp stamp = file_stamp_of(token->path);
    struct buffer fresh;
    char why[512];

    if (file_stamp_equal(&stamp, &token->stamp))
        return;
    buffer_init_secret(&fresh, TOKEN_BYTES);
    if (token_read(token->path, &fresh, why, sizeof(why))) {
        buffer_free(&token->token);
        token->token = fresh;
        token->stamp = stamp;
        log_event(LOG_LEVEL_INFO, "token_reloaded", LOG_TEXT("file", token->path));
    } else {
        buffer_free(&fresh);
        log_often(LOG_LEVEL_ERROR, "token_unreadable", LOG_TEXT("message", why));
    }
}

bool token_file_admits(struct token_file *token, struct text authorization)
{
    static const char scheme[] = "Bearer ";
    size_t skip = sizeof(scheme) - 1;
    unsigned different = 0;

    token_refresh(token);
    if (authorization.len < skip || strncasecmp(authorization.data, scheme, skip) != 0 ||
        authorization.len - skip != token->token.len)
        return false;
    for (size_t i = 0; i < token->token.len; i++)
        different |= (unsigned)(uint8_t)authorization.data[skip + i] ^ token->token.data[i];
    return different == 0;
}
