/* SPDX-License-Identifier: Apache-2.0 */
/* The identities of the agent: one for each distinct identity_spec of the configuration,
 * shared by all triggers that use it. Its credentials come from a source, which identities share.
 */
#ifndef TALLY_AGENT_CREDENTIALS_IDENTITY_H
#define TALLY_AGENT_CREDENTIALS_IDENTITY_H

#include "agent/aws/call.h"
#include "agent/config/identity_spec.h"
#include "agent/credentials/source.h"
#include "proto/writer.h"

struct identity;
struct identities;

struct identities_options {
    struct loop *loop;
    struct aws_client *client;
    struct endpoint_environment environment;
    bool imds;                               /* --imds */
    const char *(*getenv)(const char *name); /* NULL: the process's environment */
    uint32_t (*random)(void);                /* NULL: the system's */
};

struct identities *identities_create(const struct identities_options *options);
void identities_destroy(struct identities *identities); /* no request may be pending */

/* The agent's name in its role sessions, and for other agents: AWS_ROLE_SESSION_NAME, or
 * tally-<host name>. Lives as long as the identities. */
const char *identities_session_name(const struct identities *identities);

/* The identity of a spec: an existing one with an equal spec, or a new one. The spec is copied.
 * Held until identity_release; an identity without holders is dropped with its credentials. NULL:
 * out of memory. */
struct identity *identity_acquire(struct identities *identities, const struct identity_spec *spec);
struct identity *identity_ref(struct identity *identity); /* adds a holder */
void identity_release(struct identity *identity);

/* As source_get, with source_cancel to cancel the request. */
void identity_get(struct identity *identity, struct credentials_request *request);

/* AWS refused these credentials with this code; ignored if they are no longer current. If the code
 * means expired they are dropped at once; else the next get waits for new ones, and uses them if
 * that fails. */
void identity_refused(
    struct identity *identity, const struct credentials *credentials, const char *aws_code);

/* Something outside changed (a new configuration, a mounted Secret): the next get resolves again;
 * the present credentials are used until that has succeeded. */
void identity_refresh(struct identity *identity);

/* Packs what is known of this identity as pairs of the caller's map, for `whoami`: kind, why,
 * state, and if known role, session_name, account, arn, expiry, next refresh, token_file, trust,
 * last_error. Never a secret. Sends no request to AWS. */
void identity_describe(const struct identity *identity, struct map *map);

/* Problems with this identity that show without a request to AWS: nothing is configured, or its
 * token file cannot be read. False: none. */
bool identity_find_fault(const struct identity *identity, struct failure *failure);

/* Where its credentials come from, as far as known: "web-identity"; "chain" before the environment
 * was evaluated. Static. */
const char *identity_source(const struct identity *identity);

/* Requests the identity from STS (GetCallerIdentity), for users who want account and ARN of a key
 * that shows neither. done is called exactly once, later, with NULL (describe reports it from now
 * on) or with the failure. NULL: it is already known, or out of memory; then done is not called. */
struct caller;
typedef void identity_caller_fn(void *data, const struct failure *failure);
struct caller *identity_ask_caller(struct identity *identity, identity_caller_fn *done, void *data);
void identity_cancel_caller(struct caller *caller);

/* The number of identities, and each in turn, for `whoami` without a trigger. */
size_t identities_count(const struct identities *identities);
struct identity *identities_at(const struct identities *identities, size_t index);

/* ---- signed call ---- */

/* One call of DynamoDB with an identity's credentials: waits for the credentials, signs, sends, and
 * sends once more with new credentials where AWS calls them expired. Embedded in what makes the
 * calls, and used for one after the other. */

struct signed_call_events {
    /* An attempt to get credentials failed and is retried. May be NULL. */
    void (*trouble)(void *data, const struct failure *failure);

    /* An attempt failed, and the next one is made after delay_ms. May be NULL. */
    void (*retrying)(void *data, const struct failure *failure, int64_t delay_ms);

    /* The end: a reply that is AWS_OK, or a failure; reply NULL: nothing was sent. Called exactly
     * once unless cancelled, perhaps before signed_call_start returns. */
    void (*done)(void *data, const struct aws_reply *reply, const struct failure *failure);
};

struct signed_call {
    struct loop *loop;
    struct aws_client *client;
    struct identity *identity; /* borrowed */
    const struct signed_call_events *events;
    void *data; /* for the events and the request's parsers */

    struct aws_request request;
    struct credentials_request credentials_request;
    struct credentials *credentials; /* those that signed the latest attempt; held */
    struct aws_call *call;
    struct loop_timer *timer; /* between attempts to get credentials */
    unsigned credential_failures;
    bool replayed; /* the request was sent again with new credentials already */
};

void signed_call_init(struct signed_call *call, struct loop *loop, struct aws_client *client,
    struct identity *identity, const struct signed_call_events *events, void *data);

/* `request` without credentials; its endpoint, texts and body are borrowed until the end. Not while
 * an earlier one is under way. */
void signed_call_start(struct signed_call *call, const struct aws_request *request);

/* Whether the request was sent; else it waits for credentials. */
bool signed_call_is_sent(const struct signed_call *call);

/* Ends the call under way without calling done; allowed when there is none. Frees all memory. */
void signed_call_clear(struct signed_call *call);

#endif
