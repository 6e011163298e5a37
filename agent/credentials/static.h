/* SPDX-License-Identifier: Apache-2.0 */
/* Configured access keys: in metadata, the environment, a mounted Secret. Returns them at once, and
 * reads files again only when they have changed. */
#ifndef TALLY_AGENT_CREDENTIALS_STATIC_H
#define TALLY_AGENT_CREDENTIALS_STATIC_H

#include "agent/config/identity_spec.h"
#include "agent/credentials/provider.h"
#include "proto/buffer.h"
#include "proto/errors.h"

/* ---- value ref ---- */

/* Resolves a value_ref of the configuration: the environment and mounted files are read now. */

#define VALUE_BYTES (64u * 1024u)

/* Appends the value, without white space around it, to the secret buffer `out`. 0; -ENODATA if the
 * configuration names no such value, which is not a failure; or another negative errno with
 * *failure: named but not available; -ENOENT if it is missing or empty. */
int value_read(const struct value_ref *ref, const char *(*get)(const char *name),
    struct buffer *out, struct failure *failure);

/* The same for a value that may be missing (awsRoleArn, awsExternalId, awsSessionToken): -ENODATA
 * also if it is named but unset, missing or empty. KEDA continues without it, too. */
int value_read_optional(const struct value_ref *ref, const char *(*get)(const char *name),
    struct buffer *out, struct failure *failure);

/* ---- static ---- */

struct static_options {
    const struct identity_context *context;
    struct facts *facts;
    struct value_ref key_id; /* the refs' targets live as long as the provider's owner */
    struct value_ref secret_key;
    struct value_ref session_token;
};

struct provider *static_create(const struct static_options *options); /* NULL: out of memory */

#endif
