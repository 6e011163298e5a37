/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/credentials_call.h"

#include "agent/aws/sts.h"
#include "agent/library_text.h"

#include <errno.h>
#include <stdlib.h>

void credentials_call_init(struct credentials_call *call, const struct identity_context *context,
    credentials_call_done_fn *done, void *data)
{
    *call = (struct credentials_call){.context = context, .done = done, .data = data};
    buffer_init_secret(&call->form, STS_FORM_BYTES);
}

void credentials_call_clear(struct credentials_call *call)
{
    if (call->call != NULL)
        aws_call_cancel(call->call);
    call->call = NULL;
    credentials_unref(call->credentials);
    call->credentials = NULL;
    buffer_free(&call->form);
}

/* Ends the call; it may be freed when this returns. */
static void credentials_call_end(
    struct credentials_call *call, const struct failure *failure, const struct aws_error *error)
{
    struct credentials *credentials = call->credentials;

    call->call = NULL;
    call->credentials = NULL;
    buffer_free(&call->form);
    call->done(call->data, failure == NULL ? credentials : NULL, failure, error);
    credentials_unref(credentials);
}

/* Nothing was sent. */
static void credentials_call_fail(struct credentials_call *call, const struct failure *failure)
{
    static const struct aws_error unsent = {.outcome = AWS_TRANSIENT};

    credentials_call_end(call, failure, &unsent);
}

static void credentials_call_retrying(void *data, const struct failure *failure, int64_t delay_ms)
{
    const struct credentials_call *call = data;
    struct failure shown = *failure;

    (void)delay_ms;
    library_text_hide_tokens(shown.message); /* AWS quotes what it rejects */
    provider_trouble(call->data, &shown);
}

/* To a client, the rejection of such a call is a credentials error, not an error in its query. */
static void credentials_call_set_code(struct failure *failure, enum aws_outcome outcome)
{
    if (outcome != AWS_REFUSED && outcome != AWS_EXPIRED && outcome != AWS_SKEWED)
        return;
    if (failure->code == ERROR_AWS_REJECTED)
        failure->code = ERROR_CREDENTIALS;
    failure->retryable = outcome != AWS_REFUSED;
}

static void on_reply(void *data, const struct aws_reply *reply)
{
    struct credentials_call *call = data;
    struct failure failure = reply->failure;

    if (reply->error.outcome == AWS_OK) {
        credentials_call_end(call, NULL, &reply->error);
        return;
    }
    credentials_call_set_code(&failure, reply->error.outcome);
    library_text_hide_tokens(failure.message);
    credentials_call_end(call, &failure, &reply->error);
}

void credentials_call_start(
    struct credentials_call *call, const struct aws_request *request, int64_t limit_ms)
{
    struct aws_request own = *request;
    struct failure failure;

    own.what = call->what;
    own.patience = &call->patience;
    own.retrying = credentials_call_retrying;
    own.data = call;
    call->patience = (struct retry_patience){.until = loop_now(call->context->loop) + limit_ms};
    call->call = aws_call_start(call->context->client, &own, on_reply, call, &failure);
    if (call->call == NULL)
        credentials_call_fail(call, &failure);
}

/* ---- STS ---- */

#define STS_ATTEMPTS_MAX 4
#define STS_LIMIT_MS     15000 /* waiting callers have a deadline */

static int sts_parse_reply(void *data, const void *body, size_t len, char *why, size_t why_size)
{
    struct credentials_call *call = data;
    struct sts_credentials *parsed = calloc(1, sizeof(*parsed));
    int r;

    if (parsed == NULL)
        return -ENOMEM;
    r = sts_parse_credentials(body, len, parsed, why, why_size);
    if (r == 0) {
        credentials_unref(call->credentials);
        call->credentials = credentials_create(parsed->access_key_id, parsed->secret_access_key,
            parsed->session_token, parsed->expires_ms, parsed->arn[0] != '\0' ? parsed->arn : NULL);
        if (call->credentials == NULL)
            r = -ENOMEM;
    }
    wipe(parsed, sizeof(*parsed));
    free(parsed);
    return r;
}

void credentials_call_start_sts(
    struct credentials_call *call, const char *region, struct credentials *signer)
{
    struct endpoint endpoint;
    struct failure failure;
    char why[240] = "";
    struct aws_request request = {
        .service = AWS_STS,
        .endpoint = &endpoint,
        .content_type = "application/x-www-form-urlencoded",
        .body = call->form.data,
        .body_len = call->form.len,
        .credentials = signer,
        .max_reply = STS_REPLY_BYTES,
        .max_attempts = STS_ATTEMPTS_MAX,
        .parse_reply = sts_parse_reply,
        .parse_error = sts_parse_error,
    };

    if (call->form.failed) {
        failure_set_buffer(&failure, call->what, &call->form);
    } else if (endpoint_sts(&endpoint, &call->context->environment, region, why, sizeof(why)) < 0) {
        failure_set_settings(&failure, "%s: %s", call->what, why);
    } else {
        credentials_call_start(call, &request, STS_LIMIT_MS);
        return;
    }
    credentials_call_fail(call, &failure);
}
