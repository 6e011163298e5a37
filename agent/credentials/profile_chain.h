/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials by a profile of the shared AWS files: its keys, its token file, or its role on top of
 * another profile or source. For users on a laptop or on a node. */
#ifndef TALLY_AGENT_CREDENTIALS_PROFILE_CHAIN_H
#define TALLY_AGENT_CREDENTIALS_PROFILE_CHAIN_H

#include "agent/credentials/provider.h"

/* region: for STS if neither environment nor profile sets one; may be NULL; borrowed. */
struct provider *profile_chain_create(
    const struct identity_context *context, struct facts *facts, const char *region);

#endif
