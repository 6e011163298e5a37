/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by all kinds of providers: borrowed, lives as long as the identities. */
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
    char session_name[STS_SESSION_NAME_SIZE]; /* for roles that set none */
};

/* The value of a variable that is set and not empty, else NULL. */
static inline const char *context_variable(const struct identity_context *context, const char *name)
{
    const char *value = context->getenv(name);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* What is known of how credentials are found, for `whoami` and the log: written by the provider at
 * each fetch, since roles and files may change from one to the next. Contains no secrets. */

struct facts {
    const char *kind; /* static text: "web-identity", … */
    char *why;        /* the texts are owned; NULL if they do not apply */
    char *role;
    char *session_name;
    char *token_file;
    char *caller_key_id; /* whose account and arn GetCallerIdentity returned */
    char *account;
    char *arn;
};

/* Copies; if out of memory the fact is missing. `text` may be NULL. */
void facts_set(char **fact, const char *text);
void facts_clear(struct facts *facts);

#endif
