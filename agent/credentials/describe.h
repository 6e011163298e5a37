/* SPDX-License-Identifier: Apache-2.0 */
/* What `whoami` reports about an identity. */
#ifndef TALLY_AGENT_CREDENTIALS_DESCRIBE_H
#define TALLY_AGENT_CREDENTIALS_DESCRIBE_H

#include "agent/credentials/source.h"
#include "proto/writer.h"

#include <stdint.h>

/* As identity_describe. */
void describe_source(const struct identity_spec *spec, struct source *source, struct map *map);

/* ---- caller ---- */

/* The identity of a source's credentials according to AWS: GetCallerIdentity. */

/* failure NULL: the source's facts now hold it. */
typedef void caller_done_fn(void *data, const struct failure *failure);

struct caller;

/* Holds the source until its end. NULL: out of memory, and done is never called; else done is
 * called exactly once, later, unless cancelled. */
struct caller *caller_start(struct source *source, caller_done_fn *done, void *data);
void caller_cancel(struct caller *caller);

/* Whether account and ARN of these credentials are known already. */
bool caller_known(const struct facts *facts, const struct credentials *credentials);

#endif
