/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/value_ref.h"

#include "agent/credentials/credentials_json.h"
#include "agent/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WHITE_SPACE " \t\r\n"

const char *value_file(const struct value_ref *ref)
{
    return ref->source == SOURCE_FILE || ref->source == SOURCE_JSON_FILE ? ref->text : NULL;
}

static int append_trimmed(
    struct buffer *out, const char *text, size_t len, char *why, size_t why_size)
{
    size_t start = out->len;

    while (len > 0 && strchr(WHITE_SPACE, *text) != NULL && *text != '\0') {
        text++;
        len--;
    }
    while (len > 0 && text[len - 1] != '\0' && strchr(WHITE_SPACE, text[len - 1]) != NULL)
        len--;
    if (len == 0) {
        snprintf(why, why_size, "it is empty");
        return -ENOENT;
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            snprintf(why, why_size, "it holds a line break or another control character");
            return -EINVAL;
        }
    }
    if (buffer_append(out, text, len) < 0) {
        buffer_truncate(out, start);
        snprintf(why, why_size, "%s", out->error == -EMSGSIZE ? "it is too long" : "no memory");
        return out->error;
    }
    return 0;
}

static int value_read_environment(const struct value_ref *ref, const char *(*get)(const char *name),
    struct buffer *out, char *why, size_t why_size)
{
    const char *text = get(ref->text);

    if (text == NULL) {
        snprintf(why, why_size, "the environment variable %s is not set", ref->text);
        return -ENOENT;
    }
    return append_trimmed(out, text, strlen(text), why, why_size);
}

static int read_member(
    struct buffer *content, const char *key, struct buffer *out, char *why, size_t why_size)
{
    struct field field = {.name = key};
    int r = fields_read(content->data, content->len, &field, 1, why, why_size);

    if (r < 0)
        return r;
    if (field.type != FIELD_TEXT) {
        snprintf(why, why_size, "the JSON object has no string named %s", key);
        r = field.type == FIELD_ABSENT ? -ENOENT : -EINVAL;
    } else {
        r = append_trimmed(out, field.text, strlen(field.text), why, why_size);
    }
    fields_clear(&field, 1);
    return r;
}

static int read_file(const struct value_ref *ref, struct buffer *out, char *why, size_t why_size)
{
    struct buffer content;
    int r;

    buffer_init_secret(&content, VALUE_BYTES);
    r = file_read(ref->text, &content);
    if (r < 0)
        file_explain(ref->text, r, why, why_size);
    else if (ref->source == SOURCE_JSON_FILE)
        r = read_member(&content, ref->key, out, why, why_size);
    else
        r = append_trimmed(out, buffer_string(&content), content.len, why, why_size);
    buffer_free(&content);
    return r;
}

int value_read(const struct value_ref *ref, const char *(*get)(const char *name),
    struct buffer *out, struct failure *failure)
{
    char why[sizeof(failure->message)] = "";
    const char *origin = ref->origin != NULL ? ref->origin : "the configuration";
    int r = -EINVAL;

    switch (ref->source) {
    case SOURCE_ABSENT:
        return -ENODATA;
    case SOURCE_LITERAL:
        r = append_trimmed(out, ref->text, strlen(ref->text), why, sizeof(why));
        break;
    case SOURCE_ENVIRONMENT:
        r = value_read_environment(ref, get, out, why, sizeof(why));
        break;
    case SOURCE_FILE:
    case SOURCE_JSON_FILE:
        r = read_file(ref, out, why, sizeof(why));
        break;
    case SOURCE_BROKEN:
        snprintf(why, sizeof(why), "%s", ref->text);
        break;
    }
    if (r < 0) {
        failure_set(failure, ERROR_CREDENTIALS, "%s: %s", origin, why);
        failure->retryable = value_file(ref) != NULL; /* no other source changes by itself */
    }
    return r;
}

int value_read_optional(const struct value_ref *ref, const char *(*get)(const char *name),
    struct buffer *out, struct failure *failure)
{
    int r = value_read(ref, get, out, failure);

    return r == -ENOENT ? -ENODATA : r;
}
