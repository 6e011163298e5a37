/* AssumeRole, signed by the credentials of another provider. */
#ifndef TALLY_AGENT_IDENTITY_ASSUME_ROLE_H
#define TALLY_AGENT_IDENTITY_ASSUME_ROLE_H

#include "agent/config/identity_spec.h"
#include "agent/identity/context.h"
#include "agent/identity/facts.h"
#include "agent/identity/provider.h"

struct assume_role_options {
    const struct identity_context *context;
    struct facts *facts;
    struct provider *base; /* borrowed: outlives this one */
    /* Tells whoever keeps the base's credentials that AWS refused them; may be NULL. */
    void (*base_refused)(void *data, const struct credentials *credentials, const char *aws_code);
    void *base_data;
    struct value_ref role; /* the texts stay alive with the provider's owner */
    struct value_ref external_id;
    const char *base_role;    /* where equal to the role, the base's credentials serve; or NULL */
    const char *session_name; /* NULL: the context's */
    const char *region;       /* for STS where the environment names none; may be NULL */
    int duration_s;           /* of the session; 0: the default of the role */
};

struct provider *assume_role_create(const struct assume_role_options *options);

/* Whether there is something to assume. Else the role is an auth parameter that is unset, missing
 * or empty at present, and the provider passes its base's credentials on. */
bool assume_role_has_role(struct provider *provider);

#endif
