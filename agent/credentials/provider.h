/* SPDX-License-Identifier: Apache-2.0 */
/* A provider finds credentials. Each kind implements two functions; waiting, joining and
 * leaving are the same for all and live in provider.c: while a fetch is under way, further
 * requests join it, and a requester that leaves takes its request along, never the fetch. */
#ifndef TALLY_AGENT_CREDENTIALS_PROVIDER_H
#define TALLY_AGENT_CREDENTIALS_PROVIDER_H

#include "agent/aws/credentials.h"
#include "agent/ring.h"
#include "proto/errors.h"

#include <stdbool.h>

struct provider;

/* Either credentials (borrowed: take a reference to keep them) or a failure (borrowed). */
typedef void provider_done_fn(
    void *data, struct credentials *credentials, const struct failure *failure);

/* Why an attempt failed that is about to be made again, for whoever loses patience meanwhile. It
 * may not cancel the request. */
typedef void provider_trouble_fn(void *data, const struct failure *failure);

/* Owned by the requester, untouched by it from provider_get until done was called or
 * provider_cancel returned. */
struct provider_request {
    provider_done_fn *done;
    provider_trouble_fn *trouble; /* NULL: not told */
    void *data;
    struct provider *provider; /* NULL while not waiting */
    struct ring link;          /* provider::waiting */
};

struct provider_ops {
    const char *kind; /* "static", "web-identity", …: as whoami shows it */

    /* Starts to find credentials; ends, at once or later but within bounded time, in exactly
     * one provider_finish. Never called while an earlier fetch is under way. */
    void (*fetch)(struct provider *provider);

    /* Stops a fetch under way without finishing it, and frees everything. Nobody waits. */
    void (*destroy)(struct provider *provider);
};

/* The first member of every kind's own struct. */
struct provider {
    const struct provider_ops *ops;
    struct ring waiting;             /* provider_request::link */
    struct ring finished;            /* while its requests are to be answered, with: */
    struct credentials *credentials; /* held; NULL: `failure` */
    struct failure failure;
    bool fetching;
    bool closing; /* being destroyed: whoever asks now is answered SHUTTING_DOWN */
};

void provider_init(struct provider *provider, const struct provider_ops *ops);

/* Always calls request->done exactly once, perhaps before it returns, unless cancelled. */
void provider_get(struct provider *provider, struct provider_request *request);

/* The request leaves; done is not called. Allowed when it is not waiting. */
void provider_cancel(struct provider_request *request);

/* For the kinds: ends the fetch. Answers everyone who waits; a callback may ask again. */
void provider_finish(
    struct provider *provider, struct credentials *credentials, const struct failure *failure);

/* For the kinds: tells everyone who waits. As the `trouble` of a provider's own request to another
 * one it passes on what that one met; hence the type. */
void provider_trouble(void *provider, const struct failure *failure);

/* Those who still wait are answered SHUTTING_DOWN first. NULL is allowed. */
void provider_destroy(struct provider *provider);

#endif
