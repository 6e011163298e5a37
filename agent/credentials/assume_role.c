/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/assume_role.h"

#include "agent/aws/sts.h"
#include "agent/credentials/provider.h"
#include "agent/credentials/static.h"
#include "proto/saturating.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- sts exchange ---- */

#define ATTEMPTS_MAX   4
#define RETRY_UNTIL_MS 15000 /* since the start: waiting callers have a deadline */

void sts_exchange_init(struct sts_exchange *exchange, const struct identity_context *context,
    const char *region, sts_exchange_done_fn *done, void *data)
{
    *exchange = (struct sts_exchange){
        .context = context, .region = region, .done = done, .data = data};
    buffer_init_secret(&exchange->form, STS_FORM_BYTES);
}

void sts_exchange_clear(struct sts_exchange *exchange)
{
    if (exchange->call != NULL)
        aws_call_cancel(exchange->call);
    exchange->call = NULL;
    credentials_unref(exchange->credentials);
    exchange->credentials = NULL;
    buffer_free(&exchange->form);
}

/* Ends the exchange; it may be freed when this returns. */
static void assume_role_finish(struct sts_exchange *exchange, struct credentials *credentials,
    const struct failure *failure, enum aws_outcome outcome)
{
    exchange->call = NULL;
    exchange->credentials = NULL;
    buffer_free(&exchange->form);
    exchange->done(exchange->data, credentials, failure, outcome);
    credentials_unref(credentials);
}

static int assume_role_parse_reply(
    void *data, const void *body, size_t len, char *why, size_t why_size)
{
    struct sts_exchange *exchange = data;
    struct sts_credentials *parsed = calloc(1, sizeof(*parsed));
    int r;

    if (parsed == NULL)
        return -ENOMEM;
    r = sts_parse_credentials(body, len, parsed, why, why_size);
    if (r == 0) {
        credentials_unref(exchange->credentials);
        exchange->credentials = credentials_create(parsed->access_key_id, parsed->secret_access_key,
            parsed->session_token, parsed->expires_ms, parsed->arn[0] != '\0' ? parsed->arn : NULL);
        if (exchange->credentials == NULL)
            r = -ENOMEM;
    }
    wipe(parsed, sizeof(*parsed));
    free(parsed);
    return r;
}

static void assume_role_retrying(void *data, const struct failure *failure, int64_t delay_ms)
{
    const struct sts_exchange *exchange = data;
    struct failure shown = *failure;

    (void)delay_ms;
    failure_hide_tokens(&shown);
    provider_trouble(exchange->data, &shown);
}

/* To a client, a rejection by STS is a credentials error, not an error in its query. */
static void set_code(struct failure *failure, enum aws_outcome outcome)
{
    if (outcome != AWS_REFUSED && outcome != AWS_EXPIRED && outcome != AWS_SKEWED)
        return;
    if (failure->code == ERROR_AWS_REJECTED)
        failure->code = ERROR_CREDENTIALS;
    failure->retryable = outcome != AWS_REFUSED;
}

static void on_reply(void *data, const struct aws_reply *reply)
{
    struct sts_exchange *exchange = data;
    struct failure failure = reply->failure;

    if (reply->error.outcome == AWS_OK) {
        assume_role_finish(exchange, exchange->credentials, NULL, AWS_OK);
        return;
    }
    set_code(&failure, reply->error.outcome);
    failure_hide_tokens(&failure);
    assume_role_finish(exchange, NULL, &failure, reply->error.outcome);
}

void sts_exchange_start(struct sts_exchange *exchange, struct credentials *credentials)
{
    const struct identity_context *context = exchange->context;
    struct endpoint endpoint;
    struct failure failure;
    char why[240] = "";
    struct aws_request request = {
        .service = AWS_STS,
        .what = exchange->what,
        .endpoint = &endpoint,
        .content_type = "application/x-www-form-urlencoded",
        .body = exchange->form.data,
        .body_len = exchange->form.len,
        .credentials = credentials,
        .max_reply = STS_REPLY_BYTES,
        .max_attempts = ATTEMPTS_MAX,
        .parse_reply = assume_role_parse_reply,
        .parse_error = sts_parse_error,
        .patience = &exchange->patience,
        .retrying = assume_role_retrying,
    };

    exchange->patience = (struct retry_patience){.until = loop_now(context->loop) + RETRY_UNTIL_MS};
    if (exchange->form.failed) {
        failure_set_buffer(&failure, exchange->what, &exchange->form);
    } else if (endpoint_sts(&endpoint, &context->environment, exchange->region, why, sizeof(why)) <
               0) {
        failure_set_settings(&failure, "%s: %s", exchange->what, why);
    } else {
        exchange->call = aws_call_start(context->client, &request, on_reply, exchange, &failure);
        if (exchange->call != NULL)
            return;
    }
    assume_role_finish(exchange, NULL, &failure, AWS_TRANSIENT);
}

/* ---- assume role ---- */

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

static void assume_role_end(
    struct assume_role *self, struct credentials *credentials, const struct failure *failure)
{
    credentials_unref(self->signer);
    self->signer = NULL;
    provider_finish(&self->base, credentials, failure);
}

static const char *assume_role_session_name(const struct assume_role *self)
{
    return self->options.session_name != NULL ? self->options.session_name
                                              : self->options.context->session_name;
}

static void assume_role_send(struct assume_role *self)
{
    const char *role = buffer_string(&self->role);

    snprintf(self->exchange.what, sizeof(self->exchange.what), "AssumeRole of role %s", role);
    sts_assume_role_body(&self->exchange.form, role, assume_role_session_name(self),
        self->external_id.len > 0 ? buffer_string(&self->external_id) : NULL,
        self->options.duration_s);
    sts_exchange_start(&self->exchange, self->signer);
}

static void on_base(void *data, struct credentials *credentials, const struct failure *failure)
{
    struct assume_role *self = data;
    const char *base_role = self->options.base_role;

    if (credentials == NULL) {
        assume_role_end(self, NULL, failure);
    } else if (self->role.len == 0 ||
               (base_role != NULL && strcmp(base_role, buffer_string(&self->role)) == 0)) {
        assume_role_end(self, credentials, NULL);
    } else {
        credentials_unref(self->signer);
        self->signer = credentials_ref(credentials);
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

static void on_exchange(void *data, struct credentials *credentials, const struct failure *failure,
    enum aws_outcome outcome)
{
    struct assume_role *self = data;

    if (credentials != NULL) {
        assume_role_end(self, credentials, NULL);
    } else if (outcome == AWS_EXPIRED && !self->replayed) {
        self->replayed = true;
        if (self->options.base_refused != NULL)
            self->options.base_refused(self->options.base_data, self->signer, failure->aws_code);
        provider_get(self->options.base, &self->request);
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
    facts_set(&options->facts->session_name, assume_role_session_name(self));
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

static void assume_role_fetch(struct provider *provider)
{
    struct assume_role *self = (struct assume_role *)provider;
    struct failure failure;

    self->replayed = false;
    if (assume_role_prepare(self, &failure) < 0)
        assume_role_end(self, NULL, &failure);
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
    assume_role_prepare(self, &failure); /* for whoami, which may be called first */
    return &self->base;
}

bool assume_role_has_role(struct provider *provider)
{
    struct assume_role *self = (struct assume_role *)provider;
    struct failure failure;

    return assume_role_prepare(self, &failure) < 0 || self->role.len > 0;
}
