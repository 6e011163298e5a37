/* SPDX-License-Identifier: Apache-2.0 */
/* A source of credentials: it keeps them, refreshes them before they expire, and answers all who
 * request them. Each source exists once, however many identities use it: reference-counted; the
 * last release drops the credentials.
 *
 *     |--- serves at once ---|-- serves at once, --|-- waits for --|  expired: waits,
 *     fetched                | refreshes behind    | the refresh   |  or fails
 *                            by lifetime:          1 min before    expiry
 *                            | 5, 15 or 60 min before
 *
 * A short lifetime has proportionally shorter windows. After a failed refresh the credentials are
 * used until they really expire. Credentials that never expire (access keys) are requested from the
 * provider each time, which notices changed files.
 *
 * A chain keeps no credentials: its requests go to the source that it chose. */
#ifndef TALLY_AGENT_CREDENTIALS_SOURCE_H
#define TALLY_AGENT_CREDENTIALS_SOURCE_H

#include "agent/config/identity_spec.h"
#include "agent/credentials/chain.h"
#include "agent/credentials/provider.h"
#include "agent/ring.h"
#include "proto/errors.h"

/* Either credentials (borrowed: take a reference to keep them) or a failure (borrowed). */
typedef void credentials_done_fn(
    void *data, struct credentials *credentials, const struct failure *failure);

/* Why an attempt failed that is about to be retried, for callers whose patience ends meanwhile. It
 * must not cancel the request. */
typedef void credentials_trouble_fn(void *data, const struct failure *failure);

/* Owned by the caller, which does not touch it from source_get until done was called or
 * source_cancel returned. */
struct credentials_request {
    credentials_done_fn *done;
    credentials_trouble_fn *trouble; /* NULL: not notified */
    void *data;
    struct ring link; /* source::waiting */
    bool is_waiting;
};

struct sources {
    struct identity_context context;
    struct source *first;
    struct ring finished; /* source::finished: those whose requests are to be answered */
    bool answering;
};

struct source {
    struct source *next;
    struct sources *pool;
    unsigned references;
    enum source_kind kind;
    struct identity_spec spec; /* a copy of the fields that the kind uses */
    struct facts facts;
    struct source *below; /* the source it is based on or, of a chain, that it chose; held */
    bool reconsider;      /* a chain: must choose again */
    bool closing;         /* being freed: requests are answered SHUTTING_DOWN */

    struct provider *provider; /* NULL: a chain */
    struct ring waiting;       /* credentials_request::link: for the fetch under way */
    bool fetching;
    struct credentials_request base; /* to `below`, for a fetch */
    bool is_troubled;                /* an attempt of the fetch failed, with this: */
    struct failure trouble;
    struct ring finished;       /* sources::finished, with: */
    struct credentials *answer; /* held; NULL: the failure */

    struct credentials *current;
    struct loop_timer *timer; /* the next refresh; during a refresh, the patience of the waiters */
    int64_t advisory_at, mandatory_at; /* wall clock */
    bool stale;                        /* new credentials are wanted, since the last success */
    bool was_stale;                    /* the same, for the fetch under way */
    bool used;                         /* since they were fetched: else the next are not needed */
    bool failed;                       /* the last fetch or, of a chain, the choice, with this: */
    struct failure failure;
    int64_t failed_at; /* monotonic, as all below */
    int64_t pause_ms;  /* before the next retry while credentials are valid */
    int64_t memory_ms; /* before the next retry without valid credentials */
    uint32_t refusals; /* in a row */
    uint32_t faults;   /* of a service, in a row, without valid credentials */
};

void sources_init(struct sources *pool, const struct identity_context *context);

/* NULL: out of memory. */
struct source *source_acquire(
    struct sources *pool, enum source_kind kind, const struct identity_spec *spec);
void source_release(struct source *source); /* NULL is allowed */

/* Takes over the provider that fetches for the source, in place of the present one. */
void source_set_provider(struct source *source, struct provider *provider);

/* Valid kept credentials are returned at once; else the request joins or starts a fetch. Always
 * calls request->done exactly once, perhaps before it returns, unless cancelled. */
void source_get(struct source *source, struct credentials_request *request);

/* Cancels the request, never the fetch; done is not called. Allowed when it is not waiting. */
void source_cancel(struct credentials_request *request);

/* The source that keeps the credentials of this one; NULL while a chain has not chosen. */
struct source *source_keeper(struct source *source);

/* AWS refused these credentials with this code; ignored by sources that do not keep them.
 * Credentials that AWS calls expired are dropped. Any other code may concern one service or region
 * alone, such as one not enabled for the account, and they may be valid everywhere else: the next
 * request waits for new ones, and uses them if that fails. */
void sources_refused(
    struct sources *pool, const struct credentials *credentials, const char *aws_code);

/* The source and the sources it is based on resolve again at the next request, whatever is
 * remembered; if that fails, the kept credentials are used. */
void source_refresh(struct source *source);

/* The credentials that it keeps, borrowed; NULL: none, or they have expired. */
const struct credentials *source_credentials(const struct source *source);

/* In how many ms they are refreshed; -1: no refresh is planned. */
int64_t source_refresh_in(const struct source *source);

#endif
