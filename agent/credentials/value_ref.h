/* SPDX-License-Identifier: Apache-2.0 */
/* Resolves a value_ref of the configuration: the environment and mounted files are read now. */
#ifndef TALLY_AGENT_CREDENTIALS_VALUE_REF_H
#define TALLY_AGENT_CREDENTIALS_VALUE_REF_H

#include "agent/config/identity_spec.h"
#include "proto/buffer.h"
#include "proto/errors.h"

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

/* The file that holds the value; NULL: it is not in a file. */
const char *value_file(const struct value_ref *ref);

#endif
