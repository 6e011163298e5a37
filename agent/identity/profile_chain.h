/* Credentials by a profile of the shared AWS files: its keys, its token file, or its role on top
 * of another profile or source. For people at a laptop or on a node. */
#ifndef TALLY_AGENT_IDENTITY_PROFILE_CHAIN_H
#define TALLY_AGENT_IDENTITY_PROFILE_CHAIN_H

#include "agent/identity/facts.h"
#include "agent/identity/provider.h"
#include "agent/identity/shared_files.h"

/* region: for STS where neither environment nor profile names one; may be NULL; borrowed. */
struct provider *profile_chain_create(
    const struct identity_context *context, struct facts *facts, const char *region);

/* Whether the shared files configure an identity, rightly or wrongly: the chosen profile names a
 * source of credentials, or a variable chooses one that is not there or cannot be read. */
bool profile_configured(const struct identity_context *context);

/* Whether the chosen profile sends requests elsewhere than the environment says, whatever the
 * source of the credentials is: the SDKs honour that, tally refuses it by name (*failure). */
bool profile_redirection(const struct identity_context *context, struct failure *failure);

#endif
