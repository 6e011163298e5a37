/* SPDX-License-Identifier: Apache-2.0 */
/* One call that gets credentials, of STS or of a credential endpoint: its retries, and its failure
 * as a client should get it. Embedded in the provider that makes it. */
#ifndef TALLY_AGENT_CREDENTIALS_CREDENTIALS_CALL_H
#define TALLY_AGENT_CREDENTIALS_CREDENTIALS_CALL_H

#include "agent/aws/call.h"
#include "agent/aws/credentials.h"
#include "agent/credentials/provider.h"
#include "proto/buffer.h"

#define STS_FORM_BYTES (128u * 1024u) /* the longest token, each byte percent-encoded, and more */

/* The end of a call: credentials (NULL if its reply holds none), or a failure; both are borrowed.
 * `error`: the outcome and the HTTP status of the last attempt. */
typedef void credentials_call_done_fn(void *data, struct credentials *credentials,
    const struct failure *failure, const struct aws_error *error);

struct credentials_call {
    const struct identity_context *context;
    credentials_call_done_fn *done;
    void *data;
    char what[256];        /* subject of messages, filled by the owner */
    struct buffer form;    /* of STS; secret: filled by the owner before each start, then wiped */
    struct aws_call *call; /* NULL while none is under way */
    struct credentials *credentials; /* that its reply held */
    struct retry_patience patience;
};

/* `data` is the requesting provider: its owner is notified of trouble, too. */
void credentials_call_init(struct credentials_call *call, const struct identity_context *context,
    credentials_call_done_fn *done, void *data);

/* Sends this request, whose subject, patience and `retrying` are set here; its parsers get the
 * credentials_call. Another attempt begins until limit_ms after the start. Calls done exactly once,
 * perhaps before it returns: as the last step, so that done may start another call or free it. */
void credentials_call_start(
    struct credentials_call *call, const struct aws_request *request, int64_t limit_ms);

/* Likewise: sends the form to STS. signer: NULL: unsigned. region: if the environment sets none;
 * may be NULL. */
void credentials_call_start_sts(
    struct credentials_call *call, const char *region, struct credentials *signer);

/* Ends it without calling done, and wipes what it holds. Allowed at any time. */
void credentials_call_clear(struct credentials_call *call);

#endif
