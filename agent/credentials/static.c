/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/static.h"

#include "agent/aws/sigv4.h"
#include "agent/credentials/provider.h"
#include "agent/file.h"
#include "agent/json_value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHITE_SPACE " \t\r\n"

/* The file that holds the value; NULL: it is not in a file. */
static const char *value_file(const struct value_ref *ref)
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
    struct json_field field = {.name = key};
    int r = json_fields_read(content->data, content->len, &field, 1, why, why_size);

    if (r < 0)
        return r;
    if (field.type != JSON_FIELD_TEXT) {
        snprintf(why, why_size, "the JSON object has no string named %s", key);
        r = field.type == JSON_FIELD_ABSENT ? -ENOENT : -EINVAL;
    } else {
        r = append_trimmed(out, field.text, strlen(field.text), why, why_size);
    }
    json_fields_clear(&field, 1);
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

/* ---- static ---- */

enum { KEY_ID, SECRET_KEY, SESSION_TOKEN, VALUE_COUNT };

#define READ_TRIES 3

struct static_provider {
    struct provider base;
    struct static_options options;
    struct file_stamp stamps[VALUE_COUNT];
    struct credentials *found; /* as of the stamps; NULL: nothing yet */
};

static const struct value_ref *ref_at(const struct static_provider *self, int index)
{
    const struct value_ref *refs[VALUE_COUNT] = {
        [KEY_ID] = &self->options.key_id,
        [SECRET_KEY] = &self->options.secret_key,
        [SESSION_TOKEN] = &self->options.session_token,
    };

    return refs[index];
}

static void take_stamps(const struct static_provider *self, struct file_stamp *stamps)
{
    for (int i = 0; i < VALUE_COUNT; i++) {
        const char *path = value_file(ref_at(self, i));

        stamps[i] = path != NULL ? file_stamp_of(path) : (struct file_stamp){.error = 0};
    }
}

static bool stamps_equal(const struct file_stamp *a, const struct file_stamp *b)
{
    for (int i = 0; i < VALUE_COUNT; i++)
        if (!file_stamp_equal(&a[i], &b[i]))
            return false;
    return true;
}

static int check_pair(int key_id, int secret_key, struct failure *failure)
{
    if (key_id == -ENODATA && secret_key == -ENODATA)
        failure_set_settings(failure,
            "no access key is configured: awsAccessKeyID and awsSecretAccessKey are missing");
    else if (key_id == -ENODATA)
        failure_set_settings(
            failure, "a secret access key is configured, but no access key id: both are needed");
    else if (secret_key == -ENODATA)
        failure_set_settings(
            failure, "an access key id is configured, but no secret access key: both are needed");
    return key_id < 0 ? key_id : secret_key;
}

/* Such a text is not usable as a key: most often it is a whole file, where one of its values was
 * meant. */
static int check_length(
    const struct buffer *value, const char *what, size_t most, struct failure *failure)
{
    if (value->len <= most)
        return 0;
    failure_set_settings(failure,
        "the %s has %zu characters, more than any of AWS's: is it the right value?", what,
        value->len);
    return -EMSGSIZE;
}

static int read_values(
    struct static_provider *self, struct buffer values[VALUE_COUNT], struct failure *failure)
{
    int results[VALUE_COUNT];
    int r;

    for (int i = 0; i < VALUE_COUNT; i++) {
        results[i] = (i == SESSION_TOKEN ? value_read_optional : value_read)(
            ref_at(self, i), self->options.context->getenv, &values[i], failure);
        if (results[i] < 0 && results[i] != -ENODATA)
            return results[i];
    }
    r = check_pair(results[KEY_ID], results[SECRET_KEY], failure);
    if (r == 0)
        r = check_length(&values[KEY_ID], "access key id", SIGV4_KEY_ID_MAX, failure);
    if (r == 0)
        r = check_length(&values[SECRET_KEY], "secret access key", SIGV4_SECRET_MAX, failure);
    if (r < 0)
        return r;
    credentials_unref(self->found);
    self->found = credentials_create(buffer_string(&values[KEY_ID]),
        buffer_string(&values[SECRET_KEY]),
        results[SESSION_TOKEN] == 0 ? buffer_string(&values[SESSION_TOKEN]) : NULL,
        CREDENTIALS_NEVER_EXPIRE, NULL);
    if (self->found != NULL)
        return 0;
    failure_set(failure, ERROR_INTERNAL, "no memory for an access key");
    return -ENOMEM;
}

static int read_once(struct static_provider *self, struct failure *failure)
{
    struct buffer values[VALUE_COUNT];
    int r;

    for (int i = 0; i < VALUE_COUNT; i++)
        buffer_init_secret(&values[i], VALUE_BYTES);
    r = read_values(self, values, failure);
    for (int i = 0; i < VALUE_COUNT; i++)
        buffer_free(&values[i]);
    return r;
}

static void static_fetch(struct provider *provider)
{
    struct static_provider *self = (struct static_provider *)provider;
    struct file_stamp now[VALUE_COUNT];
    struct failure failure;
    int r = 0;

    take_stamps(self, now);
    if (self->found != NULL && stamps_equal(now, self->stamps)) {
        provider_finish(provider, self->found, NULL);
        return;
    }
    /* A rotation may happen between reading the id and reading the secret. */
    for (int i = 0; i < READ_TRIES; i++) {
        r = read_once(self, &failure);
        take_stamps(self, self->stamps);
        if (stamps_equal(now, self->stamps))
            break;
        take_stamps(self, now);
    }
    if (r < 0) {
        credentials_unref(self->found);
        self->found = NULL;
        provider_finish(provider, NULL, &failure);
    } else {
        provider_finish(provider, self->found, NULL);
    }
}

static void static_destroy(struct provider *provider)
{
    struct static_provider *self = (struct static_provider *)provider;

    credentials_unref(self->found);
    free(self);
}

static const struct provider_ops static_ops = {
    .kind = "static", .fetch = static_fetch, .destroy = static_destroy};

struct provider *static_create(const struct static_options *options)
{
    struct static_provider *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return NULL;
    self->base.ops = &static_ops;
    self->options = *options;
    options->facts->kind = static_ops.kind;
    return &self->base;
}
