/* SPDX-License-Identifier: Apache-2.0 */
/* One request to a credential endpoint (EKS Pod Identity, ECS, the instance metadata): never
 * signed, never through a proxy. */
#ifndef TALLY_AGENT_CREDENTIALS_METADATA_H
#define TALLY_AGENT_CREDENTIALS_METADATA_H

#include "agent/credentials/context.h"
#include "agent/credentials/provider.h"
#include "proto/buffer.h"

struct metadata_exchange;

/* Success is outcome AWS_OK: exchange->credentials or exchange->text hold the result until the
 * callback returns or starts another. Else a failure (borrowed), and the HTTP status; 0: none. */
typedef void metadata_exchange_done_fn(
    void *data, const struct failure *failure, enum aws_outcome outcome, int status);

struct metadata_exchange {
    const struct identity_context *context;
    metadata_exchange_done_fn *done;
    void *data;
    char what[256];        /* subject of messages, filled by the owner */
    int64_t stall_ms;      /* of an attempt; 0: HTTP_STALL_MS */
    unsigned max_attempts; /* 0: the usual number */
    struct aws_call *call; /* NULL while none is under way */
    bool wants_credentials;
    struct credentials *credentials;
    struct buffer text; /* secret: a metadata token is one */
    struct retry_patience patience;
};

/* `data` is the requesting provider: its waiters are notified of trouble, too. */
void metadata_exchange_init(struct metadata_exchange *exchange,
    const struct identity_context *context, metadata_exchange_done_fn *done, void *data);

/* wants_credentials: the reply is the JSON of credentials_json.h; else one line of text. Calls done
 * exactly once, perhaps before it returns, as the last step. `headers` as aws_request. */
void metadata_exchange_start(struct metadata_exchange *exchange, const char *method,
    const struct endpoint *endpoint, const char *const *headers, bool wants_credentials);

/* Ends it without calling done, and wipes what it holds. Allowed at any time. */
void metadata_exchange_clear(struct metadata_exchange *exchange);

/* Credentials from a container endpoint: EKS Pod Identity and ECS. The authorization token's file
 * is read for each request. */

/* By AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or …_FULL_URI, and AWS_CONTAINER_AUTHORIZATION_TOKEN
 * or …_TOKEN_FILE. */
struct provider *container_create(const struct identity_context *context, struct facts *facts);

/* The role of the machine, from the instance metadata service, version 2: only if enabled, since
 * from a pod the service often never answers. kiam emulates this service in pods, and supports
 * version 1, too. */

/* kiam: version 1 is allowed if version 2 is refused. */
struct provider *imds_create(
    const struct identity_context *context, struct facts *facts, bool kiam);

#endif
