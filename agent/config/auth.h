/* What a TriggerAuthentication gives: a pod identity, and auth parameters whose values may
 * live in Secrets, mounted files or the environment. */
#ifndef TALLY_AGENT_CONFIG_AUTH_H
#define TALLY_AGENT_CONFIG_AUTH_H

#include "agent/config/reading.h"

#define AUTH_TOLD_MAX 16

enum auth_parameter {
    AUTH_ROLE,
    AUTH_EXTERNAL_ID,
    AUTH_KEY_ID,
    AUTH_SECRET_KEY,
    AUTH_SESSION_TOKEN,
    AUTH_REGION,
    AUTH_PARAMETER_COUNT,
};

struct auth {
    const struct document *document;
    const char *title;    /* "TriggerAuthentication prod/x" */
    const char *provider; /* "none" where there is none */
    struct place provider_place;
    bool workload;                /* podIdentity.identityOwner: workload */
    struct value_ref role;        /* podIdentity.roleArn */
    struct value_ref external_id; /* podIdentity.externalID */
    struct place role_place, external_id_place;
    struct value_ref parameters[AUTH_PARAMETER_COUNT];
    struct place places[AUTH_PARAMETER_COUNT];
    const char *told[AUTH_TOLD_MAX]; /* findings that triggers had about it */
    size_t told_count;
    bool is_linted;
};

/* What authenticationRef of a trigger in `namespace_` refers to, read at its first use. NULL
 * where it refers to nothing (an error then is among the findings), or without memory. */
struct auth *auth_find(struct reading *reading, const struct tree *tree,
    const struct node *reference, const char *namespace_);

/* The text of a value that can be had now: a literal, the environment or a file. NULL: not. */
const char *auth_value_now(struct reading *reading, const struct value_ref *value);

#endif
