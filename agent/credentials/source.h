/* SPDX-License-Identifier: Apache-2.0 */
/* The sources of credentials that exist: each way to get them once, however many identities
 * stand on it. A source is a provider behind the cache; only the chain passes through to the
 * source it chose. Counted; the last release drops the credentials. */
#ifndef TALLY_AGENT_CREDENTIALS_SOURCE_H
#define TALLY_AGENT_CREDENTIALS_SOURCE_H

#include "agent/config/identity_spec.h"
#include "agent/credentials/chain.h"
#include "agent/credentials/context.h"
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
    struct identity_spec spec; /* a copy of what matters to the kind */
    struct facts facts;
    struct provider *provider; /* the one to ask */
    bool cached;               /* it is a cached one; else it passes on to `below` */
    struct source *below;      /* what it stands on, held; NULL: nothing else */
    bool reconsider;           /* a chain: shall choose anew */
    struct failure failure;    /* a chain: why it could not choose; code NONE: it could */
};

/* NULL: no memory. */
struct source *source_acquire(
    struct sources *pool, enum source_kind kind, const struct identity_spec *spec);
void source_release(struct source *source); /* NULL is allowed */

/* Whose cache keeps the credentials of this source; NULL while a chain has not chosen. */
const struct source *source_keeper(const struct source *source);

/* AWS refused these credentials with this code: told to whoever keeps them. */
void sources_refused(
    struct sources *pool, const struct credentials *credentials, const char *aws_code);

/* The source and what it stands on resolve anew at the next request. */
void source_refresh(struct source *source);

/* The rule of podIdentity `aws` for a role: by web identity; only where STS refuses that, by
 * AssumeRole. Decided anew at each fetch: a fault that may pass is no refusal. */

/* Takes over both, also where one is NULL (no memory): then the result is NULL. */
struct provider *aws_rule_create(struct provider *web_identity, struct provider *assume_role);

#endif
