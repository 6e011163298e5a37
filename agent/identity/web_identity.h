/* The identity that Kubernetes mounts as a token (IRSA): AssumeRoleWithWebIdentity. The token
 * file is read anew at each fetch, because it is rotated under us. */
#ifndef TALLY_AGENT_IDENTITY_WEB_IDENTITY_H
#define TALLY_AGENT_IDENTITY_WEB_IDENTITY_H

#include "agent/config/identity_spec.h"
#include "agent/identity/context.h"
#include "agent/identity/facts.h"
#include "agent/identity/provider.h"

struct web_identity_options {
    const struct identity_context *context;
    struct facts *facts;
    const char *token_file; /* the texts stay alive with the provider's owner */
    struct value_ref role;
    const char *session_name; /* NULL: the context's */
    const char *region;       /* for STS where the environment names none; may be NULL */
    int duration_s;           /* of the session; 0: the default of the role */
};

struct provider *web_identity_create(const struct web_identity_options *options);

/* Whether this failure is STS's refusal of the token or the role, after which podIdentity `aws`
 * tries AssumeRole; never true for a fault that may pass. */
bool web_identity_refused(const struct failure *failure);

#endif
