/* SPDX-License-Identifier: Apache-2.0 */
/* Which identity a trigger is configured to use, before any request or outside read: the row of the
 * table "whose identity" that its YAML selects. */
#ifndef TALLY_AGENT_CONFIG_IDENTITY_SPEC_H
#define TALLY_AGENT_CONFIG_IDENTITY_SPEC_H

#include "agent/config/value_ref.h"

#include <stdbool.h>

struct auth;
struct parameters;

enum identity_kind {
    IDENTITY_CHAIN,        /* the default chain of the environment */
    IDENTITY_STATIC,       /* access key from metadata or auth parameters */
    IDENTITY_WEB_IDENTITY, /* podIdentity aws-eks; `role` then is assumed on top */
    IDENTITY_AWS,          /* podIdentity aws: the chain; `role` by web identity, else AssumeRole */
    IDENTITY_ASSUME_ROLE,  /* auth parameter awsRoleArn: AssumeRole signed by the chain */
    IDENTITY_KIAM,         /* podIdentity aws-kiam: the metadata service */
};

/* In one word, as `list` and `--check` show it: "web-identity". Static. */
const char *identity_kind_name(enum identity_kind kind);

struct identity_spec {
    enum identity_kind kind;
    /* Why this kind, in words: "podIdentity aws-eks of TriggerAuthentication x". */
    const char *reason;
    const char *region;    /* the triggers' awsRegion, for STS if the environment sets none */
    struct value_ref role; /* role ARN */
    struct value_ref external_id; /* AssumeRole only */
    struct value_ref key_id;
    struct value_ref secret_key;
    struct value_ref session_token;
};

/* A copy outlives the configuration. 0, or -ENOMEM with nothing to clear. */
int identity_spec_copy(struct identity_spec *copy, const struct identity_spec *spec);
void identity_spec_clear(struct identity_spec *spec); /* of a copy; wipes: it may hold keys */

/* Whether both give the same credentials: compares all but the display-only fields, the reason and
 * the origins. Triggers with different reasons share credentials, and each shows its own. */
bool identity_spec_equal(const struct identity_spec *a, const struct identity_spec *b);
bool identity_spec_same_reason(const struct identity_spec *a, const struct identity_spec *b);

/* The row that a trigger selects. `auth`: NULL if it has no authenticationRef. All triggers that
 * select equal specs, the reason included, get the same one. NULL if out of memory. An identity
 * that cannot give credentials adds an error to the findings. */
const struct identity_spec *identity_spec_choose(
    const struct parameters *parameters, struct auth *auth, const char *region);

/* Whether the metadata's identityOwner is "operator"; reports an invalid value. */
bool identity_owner_is_operator(const struct parameters *parameters);

#endif
