/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/sts_exchange.h"

#include "agent/aws/sts.h"
#include "agent/credentials/provider.h"

#include <errno.h>
#include <stdlib.h>

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
static void sts_exchange_finish(struct sts_exchange *exchange, struct credentials *credentials,
    const struct failure *failure, enum aws_outcome outcome)
{
    exchange->call = NULL;
    exchange->credentials = NULL;
    buffer_free(&exchange->form);
    exchange->done(exchange->data, credentials, failure, outcome);
    credentials_unref(credentials);
}

static int sts_exchange_parse_reply(
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

static void sts_exchange_retrying(void *data, const struct failure *failure, int64_t delay_ms)
{
    const struct sts_exchange *exchange = data;
    struct failure shown = *failure;

    (void)delay_ms;
    failure_hide_tokens(&shown);
    provider_trouble(exchange->data, &shown);
}

/* To a client, a rejection by STS is a credentials error, not an error in its query. */
static void sts_exchange_set_code(struct failure *failure, enum aws_outcome outcome)
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
        sts_exchange_finish(exchange, exchange->credentials, NULL, AWS_OK);
        return;
    }
    sts_exchange_set_code(&failure, reply->error.outcome);
    failure_hide_tokens(&failure);
    sts_exchange_finish(exchange, NULL, &failure, reply->error.outcome);
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
        .parse_reply = sts_exchange_parse_reply,
        .parse_error = sts_parse_error,
        .patience = &exchange->patience,
        .retrying = sts_exchange_retrying,
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
    sts_exchange_finish(exchange, NULL, &failure, AWS_TRANSIENT);
}
