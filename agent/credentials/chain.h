/* SPDX-License-Identifier: Apache-2.0 */
/* The default chain: the first kind of source that the environment configures. Its failure is
 * final: there is no fallback to another identity. A function of the environment; the source stores
 * the choice. */
#ifndef TALLY_AGENT_CREDENTIALS_CHAIN_H
#define TALLY_AGENT_CREDENTIALS_CHAIN_H

#include "agent/config/identity_spec.h"
#include "agent/credentials/provider.h"

#include <stdbool.h>

enum source_kind {
    SOURCE_KIND_CHAIN,        /* what the environment configures */
    SOURCE_KIND_STATIC,       /* spec: key_id, secret_key, session_token */
    SOURCE_KIND_WEB_IDENTITY, /* by AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN */
    SOURCE_KIND_AWS, /* spec: role, external_id; web identity; after a refusal, AssumeRole */
    SOURCE_KIND_ASSUME_ROLE, /* spec: role, external_id; kind: of the base */
    SOURCE_KIND_PROFILE,     /* by the shared AWS files */
    SOURCE_KIND_CONTAINER,   /* by AWS_CONTAINER_CREDENTIALS_… */
    SOURCE_KIND_IMDS,
    SOURCE_KIND_KIAM,
    SOURCE_KINDS
};

struct chain_choice {
    enum source_kind kind;
    struct identity_spec spec; /* what the kind needs; its texts are static */
    char why[200];             /* for users */
};

/* 0 with *choice; or -1 with *failure: nothing is configured, or only part of a source. *choice is
 * all zero before, but for what the caller sets in its spec. */
int chain_choose(
    const struct identity_context *context, struct chain_choice *choice, struct failure *failure);

/* Calls fn for each source of credentials that the environment configures and that is not the kind
 * in use, with the reason. by_chain: the kind was chosen by the chain; else the trigger's
 * configuration chose it. */
typedef void chain_unused_fn(void *data, const char *source, const char *reason);
void chain_list_unused(const struct identity_context *context, enum source_kind used, bool by_chain,
    chain_unused_fn *fn, void *data);

#endif
