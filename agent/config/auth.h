/* SPDX-License-Identifier: Apache-2.0 */
/* What a TriggerAuthentication gives: a pod identity, and auth parameters whose values may
 * live in Secrets, mounted files or the environment. */
#ifndef TALLY_AGENT_CONFIG_AUTH_H
#define TALLY_AGENT_CONFIG_AUTH_H

#include "agent/config/parser.h"
#include "agent/config/value_ref.h"

#define AUTH_REPORTED_MAX 16

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
    struct parser *parser;
    const struct document *document;
    const struct tree *tree;      /* of the document */
    const char *title;            /* "TriggerAuthentication prod/x" */
    const char *provider;         /* "none" if there is no provider */
    bool workload;                /* podIdentity.identityOwner: workload */
    struct value_ref role;        /* podIdentity.roleArn */
    struct value_ref external_id; /* podIdentity.externalID */
    struct value_ref parameters[AUTH_PARAMETER_COUNT];
    /* Where they are in the document, for findings. */
    const struct node *provider_node, *role_node, *external_id_node, *nodes[AUTH_PARAMETER_COUNT];
    const char *reported[AUTH_REPORTED_MAX]; /* findings of its triggers */
    size_t reported_count;
    bool is_linted;
};

/* The target of authenticationRef of a trigger in `namespace_`, read at its first use. NULL if it
 * refers to nothing (the findings then have an error), or if out of memory. */
struct auth *auth_find(struct parser *parser, const struct tree *tree, const struct node *reference,
    const char *namespace_);

/* The text of a value available now: a literal, the environment or a file. NULL: not available. */
const char *auth_value_now(struct parser *parser, const struct value_ref *value);

#endif
