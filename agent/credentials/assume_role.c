/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/assume_role.h"

#include "agent/aws/sts.h"
#include "agent/credentials/credentials_call.h"
#include "agent/credentials/static.h"
#include "agent/credentials/web_identity.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct assume_role {
    struct provider base;
    struct assume_role_options options;
    struct failure refusal; /* of the web identity; code NONE: it was not refused */
    struct credentials_call call;
    struct credentials *signer; /* of the call under way; held */
    struct buffer role;
    struct buffer external_id;
    bool replayed;
};

static void assume_role_end(
    struct assume_role *self, struct credentials *credentials, const struct failure *failure)
{
    struct failure both;

    if (credentials == NULL && self->refusal.code != ERROR_NONE) {
        both = *failure;
        failure_explain(&both, "before that, %.180s", self->refusal.message);
        failure = &both;
    }
    credentials_unref(self->signer);
    self->signer = NULL;
    provider_finish(&self->base, credentials, failure);
}

static void assume_role_send(struct assume_role *self)
{
    const char *role = buffer_string(&self->role);

    snprintf(self->call.what, sizeof(self->call.what), "AssumeRole of role %s", role);
    sts_assume_role_body(&self->call.form, role, self->options.session_name,
        self->external_id.len > 0 ? buffer_string(&self->external_id) : NULL,
        self->options.duration_s);
    credentials_call_start_sts(&self->call, self->options.region, self->signer);
}

static void assume_role_resume(
    struct provider *provider, struct credentials *base, const struct failure *failure)
{
    struct assume_role *self = (struct assume_role *)provider;
    const char *base_role = self->options.base_role;

    if (base == NULL) {
        assume_role_end(self, NULL, failure);
    } else if (self->role.len == 0 ||
               (base_role != NULL && strcmp(base_role, buffer_string(&self->role)) == 0)) {
        assume_role_end(self, base, NULL);
    } else {
        credentials_unref(self->signer);
        self->signer = credentials_ref(base);
        assume_role_send(self);
    }
}

static void assume_role_finish_explained(struct assume_role *self, const struct failure *failure)
{
    struct failure explained = *failure;
    const char *signer = self->signer->arn != NULL ? self->signer->arn : "the base identity";
    const char *advice = failure_advice(failure);

    if (advice != NULL)
        failure_explain(&explained, "%s", advice);
    else if (failure_lacks_permission(failure))
        failure_explain(&explained,
            "its trust policy must allow sts:AssumeRole to %s%s, whose own policy must allow it "
            "too",
            signer, self->external_id.len > 0 ? " with the external ID that is configured" : "");
    assume_role_end(self, NULL, &explained);
}

static void on_call_done(void *data, struct credentials *credentials, const struct failure *failure,
    const struct aws_error *error)
{
    struct assume_role *self = data;

    if (credentials != NULL) {
        assume_role_end(self, credentials, NULL);
    } else if (error->outcome == AWS_EXPIRED && !self->replayed) {
        self->replayed = true;
        provider_need_base(&self->base, self->signer, failure->aws_code);
    } else {
        assume_role_finish_explained(self, failure);
    }
}

/* Checks what is known without a request; negative with *failure: the rest cannot work. */
static int assume_role_prepare(struct assume_role *self, struct failure *failure)
{
    const struct assume_role_options *options = &self->options;
    int r;

    buffer_clear(&self->role);
    buffer_clear(&self->external_id);
    options->facts->kind = self->base.ops->kind;
    facts_set(&options->facts->session_name, self->options.session_name);
    r = value_read_optional(&options->role, options->context->getenv, &self->role, failure);

    if (options->role.source == SOURCE_ABSENT)
        failure_set_settings(failure, "AssumeRole: no role is configured");
    else if (r == -ENODATA)
        return 0; /* an empty auth parameter: the base's credentials remain */
    if (r < 0)
        return r;
    facts_set(&options->facts->role, buffer_string(&self->role));
    r = value_read_optional(
        &options->external_id, options->context->getenv, &self->external_id, failure);
    return r == -ENODATA ? 0 : r;
}

static void assume_role_begin(struct assume_role *self)
{
    struct failure failure;

    if (assume_role_prepare(self, &failure) < 0)
        assume_role_end(self, NULL, &failure);
    else
        provider_need_base(&self->base, NULL, NULL);
}

static void on_web_identity(void *data, const struct fetch_end *end)
{
    struct assume_role *self = data;

    if (end->credentials != NULL || !web_identity_refused(end->failure)) {
        provider_finish(&self->base, end->credentials, end->failure);
        return;
    }
    self->refusal = *end->failure;
    assume_role_begin(self);
}

static const struct provider_owner web_identity_owner = {
    .done = on_web_identity, .trouble = provider_trouble};

static void assume_role_fetch(struct provider *provider)
{
    struct assume_role *self = (struct assume_role *)provider;
    struct provider *web_identity = self->options.web_identity;
    struct failure failure;

    self->replayed = false;
    self->refusal.code = ERROR_NONE;
    if (web_identity != NULL && (assume_role_prepare(self, &failure) < 0 || self->role.len > 0))
        web_identity->ops->fetch(web_identity);
    else
        assume_role_begin(self);
}

static void assume_role_destroy(struct provider *provider)
{
    struct assume_role *self = (struct assume_role *)provider;

    provider_destroy(self->options.web_identity);
    credentials_call_clear(&self->call);
    credentials_unref(self->signer);
    buffer_free(&self->role);
    buffer_free(&self->external_id);
    free(self);
}

static const struct provider_ops assume_role_ops = {.kind = "assume-role",
    .fetch = assume_role_fetch,
    .resume = assume_role_resume,
    .destroy = assume_role_destroy};

struct provider *assume_role_create(const struct assume_role_options *options)
{
    struct provider *web_identity = options->web_identity;
    struct assume_role *self = calloc(1, sizeof(*self));
    struct failure failure;

    if (self == NULL) {
        provider_destroy(web_identity);
        return NULL;
    }
    self->options = *options;
    if (self->options.session_name == NULL)
        self->options.session_name = options->context->session_name;
    self->base.ops = &assume_role_ops;
    credentials_call_init(&self->call, options->context, on_call_done, self);
    buffer_init_secret(&self->role, VALUE_BYTES);
    buffer_init_secret(&self->external_id, VALUE_BYTES);
    assume_role_prepare(self, &failure); /* for whoami, which may be called first */
    if (web_identity != NULL) {
        web_identity->owner = &web_identity_owner;
        web_identity->data = self;
        options->facts->kind = web_identity->ops->kind;
    }
    return &self->base;
}
