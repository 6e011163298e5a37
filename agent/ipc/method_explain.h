/* SPDX-License-Identifier: Apache-2.0 */
/* What `explain` answers; and a request to AWS, packed so that it can be read, but not sent by a
 * reader. */
#ifndef TALLY_AGENT_IPC_METHOD_EXPLAIN_H
#define TALLY_AGENT_IPC_METHOD_EXPLAIN_H

#include "agent/aws/call.h"
#include "agent/count/counter.h"
#include "proto/buffer.h"

/* As one map: target, headers and body. Signature, session token and the middle of the key id are
 * masked. Signed as of unix_seconds, if the request has credentials. */
void pack_request(struct buffer *buffer, const struct aws_request *request, int64_t unix_seconds);

/* One header line in the form that may be shown; `name` is lower case. Pure. */
void mask_header(const char *name, const char *value, char *shown, size_t size);

#endif
