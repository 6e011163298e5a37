/* Packs a request to AWS so that people can see what is sent, and nobody can send it. */
#ifndef TALLY_AGENT_IPC_PACK_REQUEST_H
#define TALLY_AGENT_IPC_PACK_REQUEST_H

#include "agent/aws/call.h"
#include "proto/buffer.h"

/* As one map: target, headers and body. Signature, session token and the middle of the key id
 * are masked. Signed as of unix_seconds, where the request has credentials. */
void pack_request(struct buffer *buffer, const struct aws_request *request, int64_t unix_seconds);

/* One header line as it may be shown; `name` is lower case. Pure. */
void mask_header(const char *name, const char *value, char *shown, size_t size);

#endif
