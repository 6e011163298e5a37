/* SPDX-License-Identifier: Apache-2.0 */
/* The identities of the agent: one for each distinct identity_spec of the configuration,
 * shared by all triggers that use it. An identity is a provider (or a chain of them) behind
 * the cache that refreshes credentials before they expire. */
#ifndef TALLY_AGENT_CREDENTIALS_IDENTITY_H
#define TALLY_AGENT_CREDENTIALS_IDENTITY_H

#include "agent/aws/call.h"
#include "agent/config/identity_spec.h"
#include "agent/credentials/provider.h"
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
void identities_destroy(struct identities *identities); /* no request may wait */

/* The identity of a spec: an existing one with an equal spec, or a new one. The spec is
 * copied. Held until identity_release; an identity nobody holds is dropped with its
 * credentials. NULL: no memory. */
struct identity *identity_acquire(struct identities *identities, const struct identity_spec *spec);
struct identity *identity_ref(struct identity *identity); /* one more holder */
void identity_release(struct identity *identity);

/* As provider_get and provider_cancel: valid cached credentials at once, else joins or starts
 * a fetch. */
void identity_get(struct identity *identity, struct provider_request *request);
void identity_cancel(struct provider_request *request);

/* AWS refused these credentials with this code; nothing happens where they are no longer the
 * current ones. Called expired they are dropped at once; else the next get waits for others, and
 * they serve should that fail. */
void identity_refused(
    struct identity *identity, const struct credentials *credentials, const char *aws_code);

/* Something outside changed (a new configuration, a mounted Secret): the next get resolves
 * anew; the present credentials serve until that has succeeded. */
void identity_refresh(struct identity *identity);

/* Packs what is known of this identity as pairs of the caller's map, for `whoami`: kind, why,
 * state, and where known role, session_name, account, arn, expiry, next refresh, token_file, trust,
 * last_error. Never a secret. Asks nothing of AWS. */
void identity_describe(const struct identity *identity, struct map *map);

/* What can be seen without asking AWS to keep this identity from working: nothing is configured, or
 * its token file cannot be read. False: nothing. */
bool identity_find_fault(const struct identity *identity, struct failure *failure);

/* Where its credentials come from, as far as it is settled: "web-identity"; "chain" before the
 * environment was looked at. Static. */
const char *identity_source(const struct identity *identity);

/* Asks STS who the identity is (GetCallerIdentity), for people who want to see account and ARN
 * of a key that tells neither. done is called exactly once, later, with NULL (describe tells it
 * from now on) or with why it is not known. NULL: it is known already, or there is no memory;
 * then done is not called. */
struct caller;
typedef void identity_caller_fn(void *data, const struct failure *failure);
struct caller *identity_ask_caller(struct identity *identity, identity_caller_fn *done, void *data);
void identity_cancel_caller(struct caller *caller);

/* The number of identities, and each in turn, for `whoami` without a trigger. */
size_t identities_count(const struct identities *identities);
struct identity *identities_at(const struct identities *identities, size_t index);

#endif
