/* SPDX-License-Identifier: Apache-2.0 */
/* What all kinds of providers need: borrowed, alive as long as the identities. */
#ifndef TALLY_AGENT_CREDENTIALS_CONTEXT_H
#define TALLY_AGENT_CREDENTIALS_CONTEXT_H

#include "agent/aws/call.h"
#include "agent/aws/sts.h"

struct identity_context {
    struct loop *loop;
    struct aws_client *client;
    struct endpoint_environment environment;
    bool imds;
    const char *(*getenv)(const char *name);
    uint32_t (*random)(void);
    char session_name[STS_SESSION_NAME_SIZE]; /* of roles that name none of their own */
};

/* A variable that is set to something, else NULL. */
static inline const char *context_variable(const struct identity_context *context, const char *name)
{
    const char *value = context->getenv(name);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* What is known of how credentials are found, for `whoami` and the log: written by the provider
 * at each fetch, since roles and files may change from one to the next. Nothing secret. */

struct facts {
    const char *kind; /* static text: "web-identity", … */
    char *why;        /* the texts are owned; NULL where they do not apply */
    char *role;
    char *session_name;
    char *token_file;
    char *caller_key_id; /* whose account and arn GetCallerIdentity told */
    char *account;
    char *arn;
};

/* Copies; without memory the fact is missing. `text` may be NULL. */
void facts_set(char **fact, const char *text);
void facts_clear(struct facts *facts);

#endif
