/* SPDX-License-Identifier: Apache-2.0 */
/* The sources of credentials that exist: each exists once, however many identities use it. A source
 * is a provider behind the cache; only the chain forwards to the source it chose.
 * Reference-counted; the last release drops the credentials. */
#ifndef TALLY_AGENT_CREDENTIALS_SOURCE_H
#define TALLY_AGENT_CREDENTIALS_SOURCE_H

#include "agent/config/identity_spec.h"
#include "agent/credentials/chain.h"
#include "agent/credentials/provider.h"

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

/* The rule of podIdentity `aws` for a role: by web identity; only if STS refuses that, by
 * AssumeRole. Decided at each fetch: a transient fault is not a refusal. */

#endif
