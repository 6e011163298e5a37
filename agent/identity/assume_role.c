#include "agent/identity/assume_role.h"

#include "agent/aws/sts.h"
#include "agent/identity/explain.h"
#include "agent/identity/sts_exchange.h"
#include "agent/identity/value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct assume_role {
    struct provider base;
    struct assume_role_options options;
    struct provider_request request; /* for the base's credentials */
    struct sts_exchange exchange;
    struct credentials *signer; /* of the exchange under way; owned */
    struct buffer role;
    struct buffer external_id;
    bool replayed;
};

static void end(
    struct assume_role *self, struct credentials *credentials, const struct failure *failure)
{
    credentials_unref(self->signer);
    self->signer = NULL;
    provider_finish(&self->base, credentials, failure);
}

static const char *session_name(const struct assume_role *self)
{
    return self->options.session_name != NULL ? self->options.session_name
                                              : self->options.context->session_name;
}

static void send(struct assume_role *self)
{
    const char *role = buffer_string(&self->role);

    snprintf(self->exchange.what, sizeof(self->exchange.what), "AssumeRole of role %s", role);
    sts_assume_role_body(&self->exchange.form, role, session_name(self),
        self->external_id.len > 0 ? buffer_string(&self->external_id) : NULL,
        self->options.duration_s);
    sts_exchange_start(&self->exchange, self->signer);
}

static void on_base(void *data, struct credentials *credentials, const struct failure *failure)
{
    struct assume_role *self = data;
    const char *base_role = self->options.base_role;

    if (credentials == NULL) {
        end(self, NULL, failure);
    } else if (self->role.len == 0 ||
               (base_role != NULL && strcmp(base_role, buffer_string(&self->role)) == 0)) {
        end(self, credentials, NULL);
    } else {
        credentials_unref(self->signer);
        self->signer = credentials_ref(credentials);
        send(self);
    }
}

static void finish_explained(struct assume_role *self, const struct failure *failure)
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
    end(self, NULL, &explained);
}

static void on_exchange(void *data, struct credentials *credentials, const struct failure *failure,
    enum aws_outcome outcome)
{
    struct assume_role *self = data;

    if (credentials != NULL) {
        end(self, credentials, NULL);
    } else if (outcome == AWS_EXPIRED && !self->replayed) {
        self->replayed = true;
        if (self->options.base_refused != NULL)
            self->options.base_refused(self->options.base_data, self->signer, failure->aws_code);
        provider_get(self->options.base, &self->request);
    } else {
        finish_explained(self, failure);
    }
}

/* What can be known without asking anybody; negative with *failure: the rest cannot work. */
static int prepare(struct assume_role *self, struct failure *failure)
{
    const struct assume_role_options *options = &self->options;
    int r;

    buffer_clear(&self->role);
    buffer_clear(&self->external_id);
    options->facts->kind = self->base.ops->kind;
    facts_set(&options->facts->session_name, session_name(self));
    r = value_read_optional(&options->role, options->context->getenv, &self->role, failure);

    if (options->role.source == SOURCE_ABSENT)
        failure_set_settings(failure, "AssumeRole: no role is configured");
    else if (r == -ENODATA)
        return 0; /* an auth parameter that is empty: the base's credentials are what is left */
    if (r < 0)
        return r;
    facts_set(&options->facts->role, buffer_string(&self->role));
    r = value_read_optional(
        &options->external_id, options->context->getenv, &self->external_id, failure);
    return r == -ENODATA ? 0 : r;
}

static void assume_role_fetch(struct provider *provider)
{
    struct assume_role *self = (struct assume_role *)provider;
    struct failure failure;

    self->replayed = false;
    if (prepare(self, &failure) < 0)
        end(self, NULL, &failure);
    else
        provider_get(self->options.base, &self->request);
}

static void assume_role_destroy(struct provider *provider)
{
    struct assume_role *self = (struct assume_role *)provider;

    provider_cancel(&self->request);
    sts_exchange_clear(&self->exchange);
    credentials_unref(self->signer);
    buffer_free(&self->role);
    buffer_free(&self->external_id);
    free(self);
}

static const struct provider_ops assume_role_ops = {
    .kind = "assume-role", .fetch = assume_role_fetch, .destroy = assume_role_destroy};

struct provider *assume_role_create(const struct assume_role_options *options)
{
    struct assume_role *self = calloc(1, sizeof(*self));
    struct failure failure;

    if (self == NULL)
        return NULL;
    self->options = *options;
    provider_init(&self->base, &assume_role_ops);
    self->request.done = on_base;
    self->request.trouble = provider_trouble;
    self->request.data = self;
    sts_exchange_init(&self->exchange, options->context, options->region, on_exchange, self);
    buffer_init_secret(&self->role, VALUE_BYTES);
    buffer_init_secret(&self->external_id, VALUE_BYTES);
    prepare(self, &failure); /* for whoami, which may be asked first */
    return &self->base;
}

bool assume_role_has_role(struct provider *provider)
{
    struct assume_role *self = (struct assume_role *)provider;
    struct failure failure;

    return prepare(self, &failure) < 0 || self->role.len > 0;
}
