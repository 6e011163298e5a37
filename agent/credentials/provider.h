/* SPDX-License-Identifier: Apache-2.0 */
/* A provider finds credentials. Each kind implements two functions; waiting, joining and leaving
 * are the same for all and live in provider.c: while a fetch is under way, further requests join
 * it, and a caller that leaves cancels its request, never the fetch. */
#ifndef TALLY_AGENT_CREDENTIALS_PROVIDER_H
#define TALLY_AGENT_CREDENTIALS_PROVIDER_H

#include "agent/aws/call.h"
#include "agent/aws/credentials.h"
#include "agent/aws/sts.h"
#include "agent/ring.h"
#include "proto/errors.h"

#include <stdbool.h>

struct provider;

/* Either credentials (borrowed: take a reference to keep them) or a failure (borrowed). */
typedef void provider_done_fn(
    void *data, struct credentials *credentials, const struct failure *failure);

/* Why an attempt failed that is about to be retried, for callers whose patience ends meanwhile. It
 * must not cancel the request. */
typedef void provider_trouble_fn(void *data, const struct failure *failure);

/* Owned by the caller, which does not touch it from provider_get until done was called or
 * provider_cancel returned. */
struct provider_request {
    provider_done_fn *done;
    provider_trouble_fn *trouble; /* NULL: not notified */
    void *data;
    struct provider *provider; /* NULL while not waiting */
    struct ring link;          /* provider::waiting */
};

struct provider_ops {
    const char *kind; /* "static", "web-identity", …: as shown by whoami */

    /* Starts a fetch; it ends, at once or later but within bounded time, in exactly one
     * provider_finish. Never called while an earlier fetch is under way. */
    void (*fetch)(struct provider *provider);

    /* Stops a fetch under way without finishing it, and frees everything. No request is pending. */
    void (*destroy)(struct provider *provider);
};

/* The first member of every kind's own struct. */
struct provider {
    const struct provider_ops *ops;
    struct ring waiting;             /* provider_request::link */
    struct ring finished;            /* while its requests are being answered, with: */
    struct credentials *credentials; /* held; NULL: `failure` */
    struct failure failure;          /* of the fetch, or of its latest attempt */
    bool fetching;
    bool troubled; /* an attempt of the fetch failed: `failure` */
    bool closing;  /* being destroyed: new requests are answered SHUTTING_DOWN */
};

void provider_init(struct provider *provider, const struct provider_ops *ops);

/* Always calls request->done exactly once, perhaps before it returns, unless cancelled. */
void provider_get(struct provider *provider, struct provider_request *request);

/* Cancels the request; done is not called. Allowed when it is not waiting. */
void provider_cancel(struct provider_request *request);

/* For the kinds: ends the fetch. Answers all waiters; a callback may make a new request. */
void provider_finish(
    struct provider *provider, struct credentials *credentials, const struct failure *failure);

/* For the kinds: notifies all waiters. As the `trouble` callback of a provider's own request to
 * another one it forwards that one's failure; hence the type. */
void provider_trouble(void *provider, const struct failure *failure);

/* Answers pending requests SHUTTING_DOWN first. NULL is allowed. */
void provider_destroy(struct provider *provider);

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

/* Takes every JWT out of the message: AWS quotes what it rejects. */
void failure_hide_tokens(struct failure *failure);

#endif
