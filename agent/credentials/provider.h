/* SPDX-License-Identifier: Apache-2.0 */
/* What all ways to get credentials have in common. A provider fetches credentials for one owner: a
 * source, which keeps them, or another provider. */
#ifndef TALLY_AGENT_CREDENTIALS_PROVIDER_H
#define TALLY_AGENT_CREDENTIALS_PROVIDER_H

#include "agent/aws/call.h"
#include "agent/aws/credentials.h"
#include "agent/aws/sts.h"
#include "proto/errors.h"

#include <stdbool.h>

struct provider;

/* The end of a fetch: credentials, or a failure, or neither: then the provider needs the
 * credentials that it is based on. All are borrowed. */
struct fetch_end {
    struct credentials *credentials;
    const struct failure *failure;
    struct credentials *refused; /* AWS refused these of the base; NULL: none were used yet */
    const char *refused_code;    /* AWS's error code for them */
};

struct provider_owner {
    /* Ends a fetch, exactly once. The callback may destroy the provider. */
    void (*done)(void *data, const struct fetch_end *end);

    /* An attempt failed and is about to be retried. */
    void (*trouble)(void *data, const struct failure *failure);
};

struct provider_ops {
    const char *kind; /* "static", "web-identity", …: as shown by whoami */

    /* Starts a fetch, which ends at once, or later but within bounded time. Never called while an
     * earlier fetch is under way. */
    void (*fetch)(struct provider *provider);

    /* Continues a fetch that ended because it needs the base's credentials: with these, or with the
     * failure to get them. NULL: it never needs any. */
    void (*resume)(
        struct provider *provider, struct credentials *base, const struct failure *failure);

    /* Stops a fetch under way without ending it, and frees everything. */
    void (*destroy)(struct provider *provider);
};

/* The first member of the struct of every kind. */
struct provider {
    const struct provider_ops *ops;
    const struct provider_owner *owner; /* set by the owner before the first fetch, with: */
    void *data;
};

/* For the kinds: the three ends of a fetch, and the trouble of an attempt. provider_trouble takes a
 * void *, because it is a callback, too: it passes the trouble of what a provider uses on. */
void provider_finish(
    struct provider *provider, struct credentials *credentials, const struct failure *failure);
void provider_need_base(
    struct provider *provider, struct credentials *refused, const char *refused_code);
void provider_trouble(void *provider, const struct failure *failure);

void provider_destroy(struct provider *provider); /* NULL is allowed */

/* ---- context ---- */

/* Shared by all kinds of providers: borrowed, lives as long as the identities. */

struct identity_context {
    struct loop *loop;
    struct aws_client *client;
    struct endpoint_environment environment;
    bool imds;
    const char *(*getenv)(const char *name);
    uint32_t (*random)(void);
    char session_name[STS_SESSION_NAME_SIZE]; /* for roles that set none */
};

/* The value of a variable that is set and not empty, else NULL. */
static inline const char *context_variable(const struct identity_context *context, const char *name)
{
    const char *value = context->getenv(name);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* What is known of how credentials are found, for `whoami` and the log: written by the provider at
 * each fetch, since roles and files may change from one to the next. Contains no secrets. */

struct facts {
    const char *kind; /* static text: "web-identity", … */
    char *why;        /* the texts are owned; NULL if they do not apply */
    char *role;
    char *session_name;
    char *token_file;
    char *caller_key_id; /* whose account and arn GetCallerIdentity returned */
    char *account;
    char *arn;
};

/* Copies; if out of memory the fact is missing. `text` may be NULL. */
void facts_set(char **fact, const char *text);
void facts_clear(struct facts *facts);

/* ---- advice ---- */

/* Turns a failure into text that users may and should read. */

/* Makes *failure a CREDENTIALS of the agent's own settings: only a change of the settings helps, so
 * a retry does not, and the client gets it at once. */
void failure_set_settings(struct failure *failure, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Appends the advice to the message, which is shortened if both do not fit: AWS's messages are
 * long, and the advice must not be cut off. The rest of the failure is unchanged. */
void failure_explain(struct failure *failure, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What to do about a refusal of STS or of the agent of EKS Pod Identity, as far as its code and
 * message alone show; NULL: unknown, and a wrong hint is worse than none. Static. */
const char *failure_advice(const struct failure *failure);

/* Whether the message says that the request is denied because no policy allows it: then a policy
 * that allows it helps, which it does not against an explicit deny. */
bool failure_lacks_permission(const struct failure *failure);

#endif
