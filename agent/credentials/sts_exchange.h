/* SPDX-License-Identifier: Apache-2.0 */
/* One AssumeRole or AssumeRoleWithWebIdentity: a form body in, credentials out. */
#ifndef TALLY_AGENT_CREDENTIALS_STS_EXCHANGE_H
#define TALLY_AGENT_CREDENTIALS_STS_EXCHANGE_H

#include "agent/aws/call.h"
#include "agent/aws/credentials.h"
#include "agent/credentials/provider.h"
#include "proto/buffer.h"

#define STS_FORM_BYTES (128u * 1024u) /* the longest token, each byte percent-encoded, and more */

/* Credentials (borrowed) or a failure (borrowed); `outcome` is the outcome of the STS call. */
typedef void sts_exchange_done_fn(void *data, struct credentials *credentials,
    const struct failure *failure, enum aws_outcome outcome);

struct sts_exchange {
    const struct identity_context *context;
    const char *region; /* if the environment sets none; borrowed, may be NULL */
    sts_exchange_done_fn *done;
    void *data;
    struct buffer form;    /* secret: filled by the owner before each start, wiped at its end */
    char what[256];        /* subject of messages, filled by the owner */
    struct aws_call *call; /* NULL while none is under way */
    struct credentials *credentials;
    struct retry_patience patience;
};

/* `data` is the requesting provider: its waiters are notified of trouble, too. */
void sts_exchange_init(struct sts_exchange *exchange, const struct identity_context *context,
    const char *region, sts_exchange_done_fn *done, void *data);

/* Calls done exactly once, perhaps before it returns: as the last step, so that done may start
 * another one or free the exchange. credentials sign it; NULL: unsigned. */
void sts_exchange_start(struct sts_exchange *exchange, struct credentials *credentials);

/* Ends it without calling done, and wipes what it holds. Allowed at any time. */
void sts_exchange_clear(struct sts_exchange *exchange);

#endif
