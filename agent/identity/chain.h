/* The default chain: the first kind that the environment configures. Its failure is final: it
 * never becomes another identity. The choice stands until supply_refresh; while nothing is
 * configured, it is looked for at each request. */
#ifndef TALLY_AGENT_IDENTITY_CHAIN_H
#define TALLY_AGENT_IDENTITY_CHAIN_H

#include "agent/identity/supply.h"

/* Passes on to the supply it chose, which it leaves in supply->below. NULL: no memory. */
struct provider *chain_create(struct supply *supply);

/* Calls fn for each source of credentials that the environment configures and that is not the kind
 * in use, with why it is not. by_chain: the kind was chosen by the chain; else the trigger's
 * configuration chose it. */
typedef void chain_unused_fn(void *data, const char *source, const char *reason);
void chain_list_unused(const struct identity_context *context, enum supply_kind used, bool by_chain,
    chain_unused_fn *fn, void *data);

#endif
