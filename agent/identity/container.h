/* Credentials from a container endpoint: EKS Pod Identity and ECS. The authorization token's
 * file is read anew for each request. */
#ifndef TALLY_AGENT_IDENTITY_CONTAINER_H
#define TALLY_AGENT_IDENTITY_CONTAINER_H

#include "agent/identity/context.h"
#include "agent/identity/facts.h"
#include "agent/identity/provider.h"

/* By AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or …_FULL_URI, and AWS_CONTAINER_AUTHORIZATION_TOKEN
 * or …_TOKEN_FILE. */
struct provider *container_create(const struct identity_context *context, struct facts *facts);

#endif
