/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/caller.h"

#include "agent/aws/sts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHAT         "GetCallerIdentity"
#define ATTEMPTS_MAX 3
#define FORM_BYTES   128

struct caller {
    struct source *source;
    caller_done_fn *done;
    void *data;
    struct loop_timer *timer; /* defers the start, as promised */
    struct provider_request request;
    struct aws_call *call;
    struct buffer form;
    char key_id[132];
    struct sts_identity told;
};

bool caller_known(const struct facts *facts, const struct credentials *credentials)
{
    if (credentials->arn != NULL)
        return true;
    return facts->caller_key_id != NULL &&
           strcmp(facts->caller_key_id, credentials->access_key_id) == 0;
}

static void caller_free(struct caller *caller)
{
    loop_timer_destroy(caller->timer);
    buffer_free(&caller->form);
    source_release(caller->source);
    free(caller);
}

static void caller_end(struct caller *caller, const struct failure *failure)
{
    caller->done(caller->data, failure);
    caller_free(caller);
}

static int caller_parse_reply(void *data, const void *body, size_t len, char *why, size_t why_size)
{
    struct caller *caller = data;

    return sts_parse_identity(body, len, &caller->told, why, why_size);
}

static void caller_keep(struct caller *caller)
{
    /* Not of a chain, which has no credentials of its own. */
    struct source *source = caller->source;

    while (!source->cached && source->below != NULL)
        source = source->below;
    facts_set(&source->facts.caller_key_id, caller->key_id);
    facts_set(&source->facts.account, caller->told.account);
    facts_set(&source->facts.arn, caller->told.arn);
}

static void on_reply(void *data, const struct aws_reply *reply)
{
    struct caller *caller = data;
    bool ok = reply->error.outcome == AWS_OK;

    caller->call = NULL;
    if (ok)
        caller_keep(caller);
    caller_end(caller, ok ? NULL : &reply->failure);
}

static void on_credentials(
    void *data, struct credentials *credentials, const struct failure *failure)
{
    struct caller *caller = data;
    const struct identity_context *context = &caller->source->pool->context;
    struct endpoint endpoint;
    struct failure own;
    char why[240] = "";
    struct aws_request request = {
        .service = AWS_STS,
        .what = WHAT,
        .endpoint = &endpoint,
        .content_type = "application/x-www-form-urlencoded",
        .credentials = credentials,
        .max_reply = STS_REPLY_BYTES,
        .max_attempts = ATTEMPTS_MAX,
        .parse_reply = caller_parse_reply,
        .parse_error = sts_parse_error,
    };

    if (credentials == NULL) {
        caller_end(caller, failure);
        return;
    }
    sts_caller_identity_body(&caller->form);
    request.body = caller->form.data;
    request.body_len = caller->form.len;
    snprintf(caller->key_id, sizeof(caller->key_id), "%s", credentials->access_key_id);
    if (endpoint_sts(
            &endpoint, &context->environment, caller->source->spec.region, why, sizeof(why)) < 0) {
        failure_set(&own, ERROR_CREDENTIALS, "%s: %s", WHAT, why);
        caller_end(caller, &own);
        return;
    }
    if (caller->form.failed)
        failure_set_buffer(&own, WHAT, &caller->form);
    else
        caller->call = aws_call_start(context->client, &request, on_reply, caller, &own);
    if (caller->call == NULL)
        caller_end(caller, &own);
}

static void on_begin(void *data)
{
    struct caller *caller = data;

    provider_get(caller->source->provider, &caller->request);
}

struct caller *caller_start(struct source *source, caller_done_fn *done, void *data)
{
    struct caller *caller = calloc(1, sizeof(*caller));

    if (caller == NULL)
        return NULL;
    caller->timer = loop_timer_create(source->pool->context.loop, on_begin, caller);
    if (caller->timer == NULL) {
        free(caller);
        return NULL;
    }
    source->references++;
    caller->source = source;
    caller->done = done;
    caller->data = data;
    caller->request.done = on_credentials;
    caller->request.data = caller;
    buffer_init(&caller->form, FORM_BYTES);
    loop_timer_start(caller->timer, 0);
    return caller;
}

void caller_cancel(struct caller *caller)
{
    provider_cancel(&caller->request);
    if (caller->call != NULL)
        aws_call_cancel(caller->call);
    caller_free(caller);
}
