/* The default chain: the first kind that the environment configures. Its failure is final: it
 * never becomes another identity. The choice stands until supply_refresh; while nothing is
 * configured, it is looked for at each request. */
#ifndef TALLY_AGENT_IDENTITY_CHAIN_H
#define TALLY_AGENT_IDENTITY_CHAIN_H

#include "agent/identity/supply.h"

/* Passes on to the supply it chose, which it leaves in supply->below. NULL: no memory. */
struct provider *chain_create(struct supply *supply);

#endif
