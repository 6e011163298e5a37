/* The sources of credentials that exist: each way to get them once, however many identities
 * stand on it. A supply is a provider behind the cache; only the chain passes through to the
 * supply it chose. Counted; the last release drops the credentials. */
#ifndef TALLY_AGENT_IDENTITY_SUPPLY_H
#define TALLY_AGENT_IDENTITY_SUPPLY_H

#include "agent/config/identity_spec.h"
#include "agent/identity/chain.h"
#include "agent/identity/context.h"
#include "agent/identity/facts.h"
#include "agent/identity/provider.h"

struct supplies {
    struct identity_context context;
    struct supply *first;
};

struct supply {
    struct supply *next;
    struct supplies *pool;
    unsigned references;
    enum supply_kind kind;
    struct identity_spec spec; /* a copy of what matters to the kind */
    struct facts facts;
    struct provider *provider; /* the one to ask */
    bool cached;               /* it is a cached one; else it passes on to `below` */
    struct supply *below;      /* what it stands on, held; NULL: nothing else */
    bool reconsider;           /* a chain: shall choose anew */
    struct failure failure;    /* a chain: why it could not choose; code NONE: it could */
};

/* NULL: no memory. */
struct supply *supply_acquire(
    struct supplies *pool, enum supply_kind kind, const struct identity_spec *spec);
void supply_release(struct supply *supply); /* NULL is allowed */

/* Whose cache keeps the credentials of this supply; NULL while a chain has not chosen. */
const struct supply *supply_keeper(const struct supply *supply);

/* AWS refused these credentials with this code: told to whoever keeps them. */
void supplies_refused(
    struct supplies *pool, const struct credentials *credentials, const char *aws_code);

/* The supply and what it stands on resolve anew at the next request. */
void supply_refresh(struct supply *supply);

#endif
