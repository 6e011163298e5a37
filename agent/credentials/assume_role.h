/* SPDX-License-Identifier: Apache-2.0 */
/* AssumeRole, signed by the credentials of the base. If the role is an auth parameter that is
 * unset, missing or empty, or if it is the base's own role, the base's credentials are the result.
 */
#ifndef TALLY_AGENT_CREDENTIALS_ASSUME_ROLE_H
#define TALLY_AGENT_CREDENTIALS_ASSUME_ROLE_H

#include "agent/config/identity_spec.h"
#include "agent/credentials/provider.h"

struct assume_role_options {
    const struct identity_context *context;
    struct facts *facts;
    /* Tried first (podIdentity `aws`): AssumeRole follows only if STS refuses it. Taken over. NULL:
     * none. */
    struct provider *web_identity;
    struct value_ref role; /* the texts live as long as the provider's owner */
    struct value_ref external_id;
    const char *base_role;    /* the role of the base's credentials; NULL: unknown */
    const char *session_name; /* NULL: the context's */
    const char *region;       /* for STS if the environment sets none; may be NULL */
    int duration_s;           /* of the session; 0: the default of the role */
};

struct provider *assume_role_create(const struct assume_role_options *options);

#endif
