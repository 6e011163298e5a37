/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/provider.h"

#include "proto/utf8.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void provider_finish(
    struct provider *provider, struct credentials *credentials, const struct failure *failure)
{
    const struct fetch_end end = {.credentials = credentials, .failure = failure};

    provider->owner->done(provider->data, &end);
}

void provider_need_base(
    struct provider *provider, struct credentials *refused, const char *refused_code)
{
    const struct fetch_end end = {.refused = refused, .refused_code = refused_code};

    provider->owner->done(provider->data, &end);
}

void provider_trouble(void *data, const struct failure *failure)
{
    const struct provider *provider = data;

    provider->owner->trouble(provider->data, failure);
}

void provider_destroy(struct provider *provider)
{
    if (provider != NULL)
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
    size_t space = sizeof(failure->message) - 1;
    const char *mark = "";
    size_t kept = strlen(failure->message);
    va_list arguments;

    va_start(arguments, format);
    if (vsnprintf(advice, sizeof(advice), format, arguments) < 0)
        advice[0] = '\0';
    va_end(arguments);
    space -= strlen(advice) < space - 2 ? strlen(advice) + 2 : space;
    if (kept > space) {
        mark = ELLIPSIS;
        kept = space > KEPT_MIN + strlen(ELLIPSIS) ? space - strlen(ELLIPSIS) : KEPT_MIN;
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
        "request a shorter session, or raise the role's maximum session duration"},
    {NULL, "does not have permissions to assume the associated role",
        "the trust policy of the associated role must allow sts:AssumeRole and sts:TagSession to "
        "the service pods.eks.amazonaws.com"},
    {"InvalidIdentityToken", "thumbprint",
        "the thumbprint of the account's IAM OIDC provider is not that of the issuer's "
        "certificate: update it"},
    {"ValidationError", "roleArn", "is this the ARN of a role?"},
    {"ValidationError", "roleSessionName", "is AWS_ROLE_SESSION_NAME a session name?"},
    {"RegionDisabledException", "",
        "activate STS for this region in the account settings of IAM, or use another region "
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
