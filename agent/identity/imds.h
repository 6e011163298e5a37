/* The role of the machine, from the instance metadata service, version 2: only where somebody
 * asked for it, since from a pod the service often never answers. kiam plays this service in
 * pods, and speaks version 1 too. */
#ifndef TALLY_AGENT_IDENTITY_IMDS_H
#define TALLY_AGENT_IDENTITY_IMDS_H

#include "agent/identity/context.h"
#include "agent/identity/facts.h"
#include "agent/identity/provider.h"

/* kiam: version 1 is allowed where version 2 is refused. */
struct provider *imds_create(
    const struct identity_context *context, struct facts *facts, bool kiam);

#endif
