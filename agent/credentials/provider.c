/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/provider.h"

#include "agent/library_text.h"
#include "proto/utf8.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The finished providers whose requests have yet to be answered. Providers are layered, so an
 * answer often finishes the next provider: its requests are answered after the first callback has
 * returned, not from within it. So each function is on the stack only once. */
static struct {
    struct ring waiting; /* provider::finished */
    bool answering;
} finished = {.waiting = {&finished.waiting, &finished.waiting}};

/* A request that arrives while answers are sent waits in a new ring, one that is cancelled
 * meanwhile still has valid neighbours; and a callback may destroy the provider: so only local data
 * is used. */
static void provider_answer(
    struct provider *provider, struct credentials *credentials, const struct failure *failure)
{
    struct ring waiting;

    ring_take_all(&provider->waiting, &waiting);
    while (!ring_is_empty(&waiting)) {
        struct provider_request *request = RING_MEMBER(waiting.next, struct provider_request, link);

        ring_remove(&request->link);
        request->provider = NULL;
        request->done(request->data, credentials, failure);
    }
}

static void provider_answer_finished(struct provider *provider)
{
    struct credentials *credentials = provider->credentials;
    struct failure failure;

    provider->credentials = NULL;
    provider->fetching = false;
    if (credentials == NULL)
        failure = provider->failure;
    provider_answer(provider, credentials, credentials == NULL ? &failure : NULL);
    credentials_unref(credentials);
}

static void set_shutting_down(struct failure *failure)
{
    failure_set(failure, ERROR_SHUTTING_DOWN, "the identity is being shut down");
}

void provider_init(struct provider *provider, const struct provider_ops *ops)
{
    provider->ops = ops;
    ring_init(&provider->waiting);
    ring_init(&provider->finished);
    provider->credentials = NULL;
    provider->fetching = false;
    provider->troubled = false;
    provider->closing = false;
}

void provider_get(struct provider *provider, struct provider_request *request)
{
    if (provider->closing) {
        struct failure failure;

        set_shutting_down(&failure);
        request->done(request->data, NULL, &failure);
        return;
    }
    request->provider = provider;
    ring_add(&provider->waiting, &request->link);
    if (provider->fetching) {
        /* The next attempt may come after this request's deadline. */
        if (provider->troubled && request->trouble != NULL)
            request->trouble(request->data, &provider->failure);
        return;
    }
    provider->fetching = true;
    provider->troubled = false;
    provider->ops->fetch(provider);
}

void provider_cancel(struct provider_request *request)
{
    if (request->provider == NULL)
        return;
    ring_remove(&request->link);
    request->provider = NULL;
}

void provider_finish(
    struct provider *provider, struct credentials *credentials, const struct failure *failure)
{
    if (credentials != NULL)
        provider->credentials = credentials_ref(credentials);
    else
        provider->failure = *failure;
    ring_add(&finished.waiting, &provider->finished);
    if (finished.answering)
        return;
    finished.answering = true;
    while (!ring_is_empty(&finished.waiting))
        provider_answer_finished(
            RING_MEMBER(ring_pop(&finished.waiting), struct provider, finished));
    finished.answering = false;
}

void provider_trouble(void *data, const struct failure *failure)
{
    struct provider *provider = data;

    provider->failure = *failure;
    provider->troubled = true;
    for (struct ring *at = provider->waiting.next; at != &provider->waiting; at = at->next) {
        struct provider_request *request = RING_MEMBER(at, struct provider_request, link);

        if (request->trouble != NULL)
            request->trouble(request->data, failure);
    }
}

void provider_destroy(struct provider *provider)
{
    struct failure failure;

    if (provider == NULL)
        return;
    provider->closing = true;
    ring_remove(&provider->finished);
    credentials_unref(provider->credentials);
    set_shutting_down(&failure);
    provider_answer(provider, NULL, &failure);
    provider->ops->destroy(provider);
}

/* ---- context ---- */

void facts_set(char **fact, const char *text)
{
    char *copy;

    if (text != NULL && *fact != NULL && strcmp(text, *fact) == 0)
        return;
    copy = text != NULL ? strdup(text) : NULL;
    free(*fact);
    *fact = copy;
}

void facts_clear(struct facts *facts)
{
    free(facts->why);
    free(facts->role);
    free(facts->session_name);
    free(facts->token_file);
    free(facts->caller_key_id);
    free(facts->account);
    free(facts->arn);
    *facts = (struct facts){0};
}

/* ---- advice ---- */

#define ELLIPSIS "\u2026"
#define KEPT_MIN 120 /* of the message, at least */

void failure_set_settings(struct failure *failure, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    failure_vset(failure, ERROR_CREDENTIALS, format, arguments);
    va_end(arguments);
    failure->stage = STAGE_IDENTITY;
    failure->retryable = false;
}

void failure_explain(struct failure *failure, const char *format, ...)
{
    char advice[sizeof(failure->message)];
    char whole[2 * sizeof(failure->message) + 8];
    size_t room = sizeof(failure->message) - 1;
    const char *mark = "";
    size_t kept = strlen(failure->message);
    va_list arguments;

    va_start(arguments, format);
    if (vsnprintf(advice, sizeof(advice), format, arguments) < 0)
        advice[0] = '\0';
    va_end(arguments);
    room -= strlen(advice) < room - 2 ? strlen(advice) + 2 : room;
    if (kept > room) {
        mark = ELLIPSIS;
        kept = room > KEPT_MIN + strlen(ELLIPSIS) ? room - strlen(ELLIPSIS) : KEPT_MIN;
        kept = kept < strlen(failure->message) ? kept : strlen(failure->message);
    }
    snprintf(whole, sizeof(whole), "%.*s%s; %s", (int)kept, failure->message, mark, advice);
    utf8_copy(failure->message, sizeof(failure->message), whole, strlen(whole));
}

/* By words in AWS's messages: one code covers many faults. */
static const struct advice {
    const char *code; /* NULL: any */
    const char *words;
    const char *text;
} advices[] = {
    {NULL, "MaxSessionDuration",
        "ask for a shorter session, or raise the role's maximum session duration"},
    {NULL, "does not have permissions to assume the associated role",
        "the trust policy of the associated role must allow sts:AssumeRole and sts:TagSession to "
        "the service pods.eks.amazonaws.com"},
    {"InvalidIdentityToken", "thumbprint",
        "the thumbprint of the account's IAM OIDC provider is not that of the issuer's "
        "certificate: update it"},
    {"ValidationError", "roleArn", "is this the ARN of a role?"},
    {"ValidationError", "roleSessionName", "is AWS_ROLE_SESSION_NAME a session name?"},
    {"RegionDisabledException", "",
        "activate STS for this region in the account settings of IAM, or ask another region "
        "(AWS_REGION)"},
};

const char *failure_advice(const struct failure *failure)
{
    for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
        const struct advice *advice = &advices[i];

        if ((advice->code == NULL || strcmp(failure->aws_code, advice->code) == 0) &&
            strstr(failure->message, advice->words) != NULL)
            return advice->text;
    }
    return NULL;
}

bool failure_lacks_permission(const struct failure *failure)
{
    return strncmp(failure->aws_code, "AccessDenied", 12) == 0 &&
           strcasestr(failure->message, "not authorized to perform") != NULL &&
           strcasestr(failure->message, "explicit deny") == NULL;
}

void failure_hide_tokens(struct failure *failure)
{
    library_text_hide_tokens(failure->message);
}
