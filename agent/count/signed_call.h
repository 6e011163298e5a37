/* SPDX-License-Identifier: Apache-2.0 */
/* One call of DynamoDB with an identity's credentials: waits for the credentials, signs, sends, and
 * sends once more with new credentials where AWS calls them expired. Embedded in what makes the
 * calls, and used for one after the other. */
#ifndef TALLY_AGENT_COUNT_SIGNED_CALL_H
#define TALLY_AGENT_COUNT_SIGNED_CALL_H

#include "agent/aws/call.h"
#include "agent/credentials/identity.h"

struct signed_call_events {
    /* An attempt to get credentials failed and is retried. May be NULL. */
    void (*trouble)(void *data, const struct failure *failure);

    /* An attempt failed, and the next one is made after delay_ms. May be NULL. */
    void (*retrying)(void *data, const struct failure *failure, int64_t delay_ms);

    /* The end: a reply that is AWS_OK, or a failure; reply NULL: nothing was sent. Called exactly
     * once unless cancelled, perhaps before signed_call_start returns. */
    void (*done)(void *data, const struct aws_reply *reply, const struct failure *failure);
};

struct signed_call {
    struct loop *loop;
    struct aws_client *client;
    struct identity *identity; /* borrowed */
    const struct signed_call_events *events;
    void *data; /* for the events and the request's parsers */

    struct aws_request request;
    struct provider_request credentials_request;
    struct credentials *credentials; /* those that signed the latest attempt; held */
    struct aws_call *call;
    struct loop_timer *timer; /* between attempts to get credentials */
    unsigned credential_failures;
    bool replayed; /* the request was sent again with new credentials already */
};

void signed_call_init(struct signed_call *call, struct loop *loop, struct aws_client *client,
    struct identity *identity, const struct signed_call_events *events, void *data);

/* `request` without credentials; its endpoint, texts and body are borrowed until the end. Not while
 * an earlier one is under way. */
void signed_call_start(struct signed_call *call, const struct aws_request *request);

/* Whether the request was sent; else it waits for credentials. */
bool signed_call_is_sent(const struct signed_call *call);

/* Ends the call under way without calling done; allowed when there is none. Frees all memory. */
void signed_call_clear(struct signed_call *call);

#endif
