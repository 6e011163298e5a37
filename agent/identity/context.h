/* What all kinds of providers need: borrowed, alive as long as the identities. */
#ifndef TALLY_AGENT_IDENTITY_CONTEXT_H
#define TALLY_AGENT_IDENTITY_CONTEXT_H

#include "agent/aws/call.h"

#define SESSION_NAME_SIZE 65

struct identity_context {
    struct loop *loop;
    struct aws_client *client;
    struct endpoint_environment environment;
    bool imds;
    const char *(*getenv)(const char *name);
    uint32_t (*random)(void);
    char session_name[SESSION_NAME_SIZE]; /* of roles that name none of their own */
};

#endif
