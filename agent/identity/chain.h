/* The default chain: the first kind of source that the environment configures. Its failure is
 * final: it never becomes another identity. A function of the environment; what was chosen is a
 * source's to keep. */
#ifndef TALLY_AGENT_IDENTITY_CHAIN_H
#define TALLY_AGENT_IDENTITY_CHAIN_H

#include "agent/config/identity_spec.h"
#include "agent/identity/context.h"
#include "proto/failure.h"

enum supply_kind {
    SUPPLY_CHAIN,        /* what the environment configures */
    SUPPLY_STATIC,       /* spec: key_id, secret_key, session_token */
    SUPPLY_WEB_IDENTITY, /* by AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN */
    SUPPLY_AWS,          /* spec: role, external_id; web identity, after a refusal AssumeRole */
    SUPPLY_ASSUME_ROLE,  /* spec: role, external_id; kind: of the base */
    SUPPLY_PROFILE,      /* by the shared AWS files */
    SUPPLY_CONTAINER,    /* by AWS_CONTAINER_CREDENTIALS_… */
    SUPPLY_IMDS,
    SUPPLY_KIAM,
};

/* What the environment configures, first found. */
struct chain_choice {
    enum supply_kind kind;
    struct identity_spec spec;
    char why[200]; /* for people */
};

/* 0 with *choice, or -1 with *failure: nothing is configured, or half of something. */
int chain_choose(
    const struct identity_context *context, struct chain_choice *choice, struct failure *failure);

/* Calls fn for each source of credentials that the environment configures and that is not the kind
 * in use, with why it is not. by_chain: the kind was chosen by the chain; else the trigger's
 * configuration chose it. */
typedef void chain_unused_fn(void *data, const char *source, const char *reason);
void chain_list_unused(const struct identity_context *context, enum supply_kind used, bool by_chain,
    chain_unused_fn *fn, void *data);

#endif
