/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/aws/credentials.h"

#include "proto/buffer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A copy of an optional text; false only if out of memory. */
static bool credentials_text_copy(char **copy, const char *text)
{
    if (text == NULL)
        return true;
    *copy = strdup(text);
    return *copy != NULL;
}

static void text_free(char *text)
{
    if (text != NULL)
        wipe(text, strlen(text));
    free(text);
}

struct credentials *credentials_create(const char *access_key_id, const char *secret_access_key,
    const char *session_token, int64_t expires_ms, const char *arn)
{
    struct credentials *credentials = calloc(1, sizeof(*credentials));

    if (credentials == NULL)
        return NULL;
    credentials->references = 1;
    credentials->derived = calloc(1, sizeof(*credentials->derived));
    credentials->expires_ms = expires_ms;
    if (credentials->derived == NULL ||
        !credentials_text_copy(&credentials->access_key_id, access_key_id) ||
        !credentials_text_copy(&credentials->secret_access_key, secret_access_key) ||
        !credentials_text_copy(&credentials->session_token, session_token) ||
        !credentials_text_copy(&credentials->arn, arn)) {
        credentials_unref(credentials);
        return NULL;
    }
    return credentials;
}

struct credentials *credentials_ref(struct credentials *credentials)
{
    assert(credentials->references > 0);
    credentials->references++;
    return credentials;
}

void credentials_unref(struct credentials *credentials)
{
    if (credentials == NULL)
        return;
    assert(credentials->references > 0);
    if (--credentials->references > 0)
        return;
    if (credentials->derived != NULL)
        wipe(credentials->derived, sizeof(*credentials->derived));
    free(credentials->derived);
    text_free(credentials->access_key_id);
    text_free(credentials->secret_access_key);
    text_free(credentials->session_token);
    text_free(credentials->arn);
    wipe(credentials, sizeof(*credentials));
    free(credentials);
}

bool credentials_text_valid(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text <= ' ' || *text > '~')
            return false;
    return true;
}

void credentials_mask_id(const char *id, char masked[CREDENTIALS_MASKED_SIZE])
{
    size_t len = strlen(id);

    if (len > 12)
        snprintf(masked, CREDENTIALS_MASKED_SIZE, "%.4s\u2026%s", id, id + len - 4);
    else
        snprintf(masked, CREDENTIALS_MASKED_SIZE, "%.2s\u2026", id);
}
