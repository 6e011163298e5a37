/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/identity.h"

#include "agent/aws/retry.h"
#include "agent/aws/sts.h"
#include "agent/credentials/describe.h"
#include "agent/credentials/source.h"
#include "agent/file.h"
#include "agent/process.h"
#include "proto/saturating.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct identity {
    struct identity *next;
    struct identities *identities;
    unsigned references;
    struct identity_spec spec; /* a copy */
    struct source *source;
};

struct identities {
    struct sources pool;
    struct identity *first;
    size_t count;
};

/* In a pod the host name is the pod's: CloudTrail then shows which pod it was. */
static void set_session_name(struct identity_context *context)
{
    const char *name = context_variable(context, "AWS_ROLE_SESSION_NAME");
    char host[256] = "";
    char wanted[sizeof(host) + 8];

    if (name == NULL) {
        const char *variable = context_variable(context, "HOSTNAME");

        if (variable != NULL)
            snprintf(host, sizeof(host), "%s", variable);
        else if (gethostname(host, sizeof(host) - 1) != 0)
            snprintf(host, sizeof(host), "agent");
        snprintf(wanted, sizeof(wanted), "tally-%s", host);
        name = wanted;
    }
    sts_session_name(name, context->session_name);
}

struct identities *identities_create(const struct identities_options *options)
{
    struct identities *identities = calloc(1, sizeof(*identities));

    if (identities == NULL)
        return NULL;
    struct identity_context context = {
        .loop = options->loop,
        .client = options->client,
        .environment = options->environment,
        .imds = options->imds,
        .getenv = options->getenv != NULL ? options->getenv : process_getenv,
        .random = options->random != NULL ? options->random : random_bits,
    };
    set_session_name(&context);
    sources_init(&identities->pool, &context);
    return identities;
}

const char *identities_session_name(const struct identities *identities)
{
    return identities->pool.context.session_name;
}

static void identity_free(struct identity *identity)
{
    source_release(identity->source);
    identity_spec_clear(&identity->spec);
    free(identity);
}

void identities_destroy(struct identities *identities)
{
    if (identities == NULL)
        return;
    while (identities->first != NULL) {
        struct identity *identity = identities->first;

        identities->first = identity->next;
        identity_free(identity);
    }
    free(identities);
}

static enum source_kind source_kind_of(const struct identity_spec *spec)
{
    switch (spec->kind) {
    case IDENTITY_CHAIN:
        return SOURCE_KIND_CHAIN;
    case IDENTITY_STATIC:
        return SOURCE_KIND_STATIC;
    case IDENTITY_WEB_IDENTITY:
        return spec->role.source == SOURCE_ABSENT ? SOURCE_KIND_WEB_IDENTITY
                                                  : SOURCE_KIND_ASSUME_ROLE;
    case IDENTITY_AWS:
        return spec->role.source == SOURCE_ABSENT ? SOURCE_KIND_CHAIN : SOURCE_KIND_AWS;
    case IDENTITY_ASSUME_ROLE:
        return SOURCE_KIND_ASSUME_ROLE;
    case IDENTITY_KIAM:
        return SOURCE_KIND_KIAM;
    }
    return SOURCE_KIND_CHAIN;
}

struct identity *identity_acquire(struct identities *identities, const struct identity_spec *spec)
{
    struct identity **last = &identities->first;
    struct identity *identity;

    for (; *last != NULL; last = &(*last)->next) {
        if (identity_spec_equal(&(*last)->spec, spec) &&
            identity_spec_same_reason(&(*last)->spec, spec)) {
            (*last)->references++;
            return *last;
        }
    }
    identity = calloc(1, sizeof(*identity));
    if (identity == NULL)
        return NULL;
    if (identity_spec_copy(&identity->spec, spec) == 0)
        identity->source = source_acquire(&identities->pool, source_kind_of(spec), spec);
    if (identity->source == NULL) {
        identity_free(identity);
        return NULL;
    }
    identity->identities = identities;
    identity->references = 1;
    identities->count++;
    *last = identity;
    return identity;
}

struct identity *identity_ref(struct identity *identity)
{
    identity->references++;
    return identity;
}

void identity_release(struct identity *identity)
{
    struct identity **link;

    if (identity == NULL || --identity->references > 0)
        return;
    link = &identity->identities->first;
    while (*link != identity)
        link = &(*link)->next;
    *link = identity->next;
    identity->identities->count--;
    identity_free(identity);
}

void identity_get(struct identity *identity, struct credentials_request *request)
{
    source_get(identity->source, request);
}

void identity_refused(
    struct identity *identity, const struct credentials *credentials, const char *aws_code)
{
    sources_refused(&identity->identities->pool, credentials, aws_code);
}

void identity_refresh(struct identity *identity)
{
    source_refresh(identity->source);
}

void identity_describe(const struct identity *identity, struct map *map)
{
    describe_source(&identity->spec, identity->source, map);
}

bool identity_find_fault(const struct identity *identity, struct failure *failure)
{
    for (const struct source *source = identity->source; source != NULL; source = source->below) {
        const char *path = source->facts.token_file;
        char why[300];

        if (source->provider == NULL && source->failed) {
            *failure = source->failure;
            return true;
        }
        if (path != NULL && access(path, R_OK) < 0) {
            file_explain(path, -errno, why, sizeof(why));
            failure_set(failure, ERROR_CREDENTIALS, "token file: %s", why);
            failure->stage = STAGE_TOKEN;
            return true;
        }
    }
    return false;
}

const char *identity_source(const struct identity *identity)
{
    const struct source *keeper = source_keeper(identity->source);
    const char *kind = keeper != NULL ? keeper->facts.kind : identity->source->facts.kind;

    return kind != NULL ? kind : identity_kind_name(identity->spec.kind);
}

struct caller *identity_ask_caller(struct identity *identity, identity_caller_fn *done, void *data)
{
    const struct source *keeper = source_keeper(identity->source);
    const struct credentials *credentials = keeper != NULL ? source_credentials(keeper) : NULL;

    if (credentials != NULL && caller_known(&keeper->facts, credentials))
        return NULL;
    return caller_start(identity->source, done, data);
}

void identity_cancel_caller(struct caller *caller)
{
    caller_cancel(caller);
}

size_t identities_count(const struct identities *identities)
{
    return identities->count;
}

struct identity *identities_at(const struct identities *identities, size_t index)
{
    struct identity *identity = identities->first;

    for (; index > 0 && identity != NULL; index--)
        identity = identity->next;
    return identity;
}

/* ---- signed call ---- */

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

static void signed_call_send(struct signed_call *call)
{
    struct aws_request request = call->request;
    struct failure failure;

    request.credentials = call->credentials;
    request.data = call->data;
    request.retrying = call->events->retrying;
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
    if (call->events->retrying != NULL)
        call->events->retrying(call->data, failure, delay);
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
    identity_get(call->identity, &call->credentials_request);
}

/* ---- life ---- */

void signed_call_init(struct signed_call *call, struct loop *loop, struct aws_client *client,
    struct identity *identity, const struct signed_call_events *events, void *data)
{
    *call = (struct signed_call){.loop = loop,
        .client = client,
        .identity = identity,
        .events = events,
        .data = data,
        .credentials_request = {.done = on_credentials, .trouble = on_trouble, .data = call}};
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
    source_cancel(&call->credentials_request);
    if (call->call != NULL)
        aws_call_cancel(call->call);
    call->call = NULL;
    credentials_unref(call->credentials);
    call->credentials = NULL;
    loop_timer_destroy(call->timer);
    call->timer = NULL;
}
