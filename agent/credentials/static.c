/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/static.h"

#include "agent/aws/sigv4.h"
#include "agent/credentials/provider.h"
#include "agent/credentials/value_ref.h"
#include "agent/file.h"

#include <errno.h>
#include <stdlib.h>

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
    provider_init(&self->base, &static_ops);
    self->options = *options;
    options->facts->kind = static_ops.kind;
    return &self->base;
}
