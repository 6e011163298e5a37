/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials from the endpoints that a container or a machine offers: never signed, never through
 * a proxy. */
#ifndef TALLY_AGENT_CREDENTIALS_METADATA_H
#define TALLY_AGENT_CREDENTIALS_METADATA_H

#include "agent/credentials/provider.h"

/* Credentials from a container endpoint: EKS Pod Identity and ECS. The authorization token's file
 * is read for each request. */

/* By AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or …_FULL_URI, and AWS_CONTAINER_AUTHORIZATION_TOKEN
 * or …_TOKEN_FILE. */
struct provider *container_create(const struct identity_context *context, struct facts *facts);

/* The role of the machine, from the instance metadata service, version 2: only if enabled, since
 * from a pod the service often never answers. kiam emulates this service in pods, and supports
 * version 1, too. */

/* kiam: version 1 is allowed if version 2 is refused. */
struct provider *imds_create(
    const struct identity_context *context, struct facts *facts, bool kiam);

#endif
