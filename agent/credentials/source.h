/* SPDX-License-Identifier: Apache-2.0 */
/* The sources of credentials that exist: each exists once, however many identities use it. A source
 * is a provider behind the cache; only the chain forwards to the source it chose.
 * Reference-counted; the last release drops the credentials. */
#ifndef TALLY_AGENT_CREDENTIALS_SOURCE_H
#define TALLY_AGENT_CREDENTIALS_SOURCE_H

#include "agent/config/identity_spec.h"
#include "agent/credentials/provider.h"
#include "proto/errors.h"

enum source_kind {
    SOURCE_KIND_CHAIN,        /* what the environment configures */
    SOURCE_KIND_STATIC,       /* spec: key_id, secret_key, session_token */
    SOURCE_KIND_WEB_IDENTITY, /* by AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN */
    SOURCE_KIND_AWS, /* spec: role, external_id; web identity; after a refusal, AssumeRole */
    SOURCE_KIND_ASSUME_ROLE, /* spec: role, external_id; kind: of the base */
    SOURCE_KIND_PROFILE,     /* by the shared AWS files */
    SOURCE_KIND_CONTAINER,   /* by AWS_CONTAINER_CREDENTIALS_… */
    SOURCE_KIND_IMDS,
    SOURCE_KIND_KIAM,
    SOURCE_KINDS
};

/* ---- chain ---- */

/* The default chain: the first kind of source that the environment configures. Its failure is
 * final: there is no fallback to another identity. A function of the environment; the source stores
 * the choice. */

/* Calls fn for each source of credentials that the environment configures and that is not the kind
 * in use, with the reason. by_chain: the kind was chosen by the chain; else the trigger's
 * configuration chose it. */
typedef void chain_unused_fn(void *data, const char *source, const char *reason);
void chain_list_unused(const struct identity_context *context, enum source_kind used, bool by_chain,
    chain_unused_fn *fn, void *data);

/* ---- source ---- */

struct sources {
    struct identity_context context;
    struct source *first;
};

struct source {
    struct source *next;
    struct sources *pool;
    unsigned references;
    enum source_kind kind;
    struct identity_spec spec; /* a copy of the fields that the kind uses */
    struct facts facts;
    struct provider *provider; /* the provider to request from */
    bool cached;               /* it is a cached one; else it forwards to `below` */
    struct source *below;      /* the source it is based on, held; NULL: none */
    bool reconsider;           /* a chain: must choose again */
    struct failure failure;    /* a chain: why it could not choose; code NONE: it could */
};

/* NULL: out of memory. */
struct source *source_acquire(
    struct sources *pool, enum source_kind kind, const struct identity_spec *spec);
void source_release(struct source *source); /* NULL is allowed */

/* The source whose cache keeps the credentials of this one; NULL while a chain has not chosen. */
const struct source *source_keeper(const struct source *source);

/* AWS refused these credentials with this code: notifies the cache that keeps them. */
void sources_refused(
    struct sources *pool, const struct credentials *credentials, const char *aws_code);

/* The source and the sources it is based on resolve again at the next request. */
void source_refresh(struct source *source);

#endif
