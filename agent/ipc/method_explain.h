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

/* Everything about one count, from the configuration to the decision: the result of `explain`. */

/* All borrowed. */
struct explanation {
    const struct config *config; /* of the trigger */
    const struct trigger *trigger;
    const struct counter *counter;
    const struct identity *identity;
    const struct aws_request *request; /* of the first page */
    const struct page_log *pages;
    const struct count_value *value;
    const char *share_table; /* NULL: the count is not shared; else with: */
    const char *share_key;
    int64_t age_ms;   /* of the value */
    int32_t replicas; /* REPLICAS_UNKNOWN: not given */
};

/* As one map. */
void explanation_pack(struct buffer *buffer, const struct explanation *explanation);

#endif
