/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/count/signed_call.h"

#include "agent/aws/retry.h"
#include "proto/saturating.h"

#define CREDENTIALS_RETRY_MS     500 /* between attempts, which the identity spaces itself */
#define CREDENTIALS_RETRY_MAX_MS 5000

static void signed_call_get_credentials(struct signed_call *call);

static void signed_call_fail(struct signed_call *call, const struct failure *failure)
{
    call->events->done(call->data, NULL, failure);
}

static void on_reply(void *data, const struct aws_reply *reply)
{
    struct signed_call *call = data;

    call->call = NULL;
    if (reply->error.outcome == AWS_EXPIRED && !call->replayed) {
        call->replayed = true;
        identity_refused(call->identity, call->credentials, reply->error.code);
        signed_call_get_credentials(call);
        return;
    }
    call->events->done(call->data, reply, reply->error.outcome == AWS_OK ? NULL : &reply->failure);
}

/* The request's own parsers and reports get the caller's data. */
static int signed_call_parse_reply(
    void *data, const void *body, size_t len, char *why, size_t why_size)
{
    struct signed_call *call = data;

    return call->request.parse_reply(call->data, body, len, why, why_size);
}

static void signed_call_read_error(void *data, const void *body, size_t len)
{
    struct signed_call *call = data;

    call->request.read_error(call->data, body, len);
}

static void on_retrying(void *data, const struct failure *failure, int64_t delay_ms)
{
    struct signed_call *call = data;

    if (call->events->retrying != NULL)
        call->events->retrying(call->data, failure, delay_ms);
}

static void signed_call_send(struct signed_call *call)
{
    struct aws_request request = call->request;
    struct failure failure;

    request.credentials = call->credentials;
    request.parse_reply = signed_call_parse_reply;
    request.read_error = request.read_error != NULL ? signed_call_read_error : NULL;
    request.retrying = on_retrying;
    call->call = aws_call_start(call->client, &request, on_reply, call, &failure);
    if (call->call == NULL)
        signed_call_fail(call, &failure);
}

/* ---- credentials ---- */

static void credentials_timer_fired(void *data)
{
    signed_call_get_credentials(data);
}

/* Waits and retries the credentials while the caller's patience lasts. */
static bool wait_for_credentials(struct signed_call *call, const struct failure *failure)
{
    int64_t delay = backoff_ms(
        CREDENTIALS_RETRY_MS, CREDENTIALS_RETRY_MAX_MS, call->credential_failures++);
    int64_t then = saturating_add(loop_now(call->loop), delay);

    if (!failure->retryable || call->request.patience == NULL ||
        !retry_allowed(call->request.patience, call->credential_failures, then))
        return false;
    on_retrying(call, failure, delay);
    if (call->timer == NULL)
        call->timer = loop_timer_create(call->loop, credentials_timer_fired, call);
    if (call->timer == NULL)
        return false;
    loop_timer_start(call->timer, delay);
    return true;
}

static void fail_in_clear(struct signed_call *call)
{
    struct failure failure;

    failure_set(&failure, ERROR_NOT_ALLOWED,
        "%s: a session token is not sent over plain http to %.80s; use https, or access keys "
        "without a session token",
        call->request.what, call->request.endpoint->host);
    signed_call_fail(call, &failure);
}

static void on_credentials(
    void *data, struct credentials *credentials, const struct failure *failure)
{
    struct signed_call *call = data;

    if (credentials == NULL) {
        if (!wait_for_credentials(call, failure))
            signed_call_fail(call, failure);
        return;
    }
    if (call->request.endpoint->in_clear && credentials->session_token != NULL) {
        fail_in_clear(call);
        return;
    }
    call->credential_failures = 0;
    credentials_ref(credentials);
    credentials_unref(call->credentials);
    call->credentials = credentials;
    signed_call_send(call);
}

static void on_trouble(void *data, const struct failure *failure)
{
    struct signed_call *call = data;

    if (call->events->trouble != NULL)
        call->events->trouble(call->data, failure);
}

static void signed_call_get_credentials(struct signed_call *call)
{
    call->credentials_request.done = on_credentials;
    call->credentials_request.trouble = on_trouble;
    call->credentials_request.data = call;
    identity_get(call->identity, &call->credentials_request);
}

/* ---- life ---- */

void signed_call_init(struct signed_call *call, struct loop *loop, struct aws_client *client,
    struct identity *identity, const struct signed_call_events *events, void *data)
{
    *call = (struct signed_call){
        .loop = loop, .client = client, .identity = identity, .events = events, .data = data};
}

void signed_call_start(struct signed_call *call, const struct aws_request *request)
{
    call->request = *request;
    call->replayed = false;
    signed_call_get_credentials(call);
}

bool signed_call_is_sent(const struct signed_call *call)
{
    return call->call != NULL;
}

void signed_call_clear(struct signed_call *call)
{
    identity_cancel(&call->credentials_request);
    if (call->call != NULL)
        aws_call_cancel(call->call);
    call->call = NULL;
    credentials_unref(call->credentials);
    call->credentials = NULL;
    loop_timer_destroy(call->timer);
    call->timer = NULL;
}
