/* SPDX-License-Identifier: Apache-2.0 */
/* The state of one trigger, with the values that a client supplied for it. It caches the last
 * count, and joins all concurrent requests into one flight.
 *
 * The flight outlives its waiters while pages keep arriving, because its result fills the cache;
 * without waiters it ends when a page fails.
 *
 * Requests that say what is `enough` are answered from a count that is young enough, or from a
 * lower bound. A flight that only they wait for ends at the largest of their numbers; when another
 * request joins, it goes on to the end. */
#ifndef TALLY_AGENT_COUNT_TRIGGER_STATE_H
#define TALLY_AGENT_COUNT_TRIGGER_STATE_H

#include "agent/config/trigger.h"
#include "agent/count/cache.h"
#include "agent/count/count_rate.h"
#include "agent/count/flight.h"
#include "agent/deadlines.h"
#include "agent/log.h"
#include "agent/loop.h"
#include "agent/ring.h"
#include "proto/buffer.h"

struct trigger_state;
struct page_log;

enum count_quality { QUALITY_EXACT, QUALITY_AT_LEAST, QUALITY_STALE };
const char *count_quality_name(enum count_quality quality); /* as in the protocol */

/* Buffer of the state in which a caller may cache the packed answer. */
struct packed_answer {
    struct buffer bytes; /* emptied whenever anything but the age changes */
    size_t age_at;       /* offset of the age in them */
};

/* All borrowed for the callback. */
struct count_answer {
    const struct trigger *trigger;
    const struct count_value *value; /* NULL: there is none, `failure` says why */
    enum count_quality quality;
    int64_t age_ms;
    const struct failure *failure; /* with a value: why it is not fresher, or NULL */
    bool fallback;                 /* more failures in a row than the trigger's threshold */
    struct packed_answer *packed;  /* of this answer; NULL: it is not to be cached */
    const struct page_log *pages;  /* of this value; NULL: they are no longer known */
    const struct count_rate *rate; /* of exact counts; NULL: this one is not exact; else with: */
    int64_t value_at;              /* the time of the value, for the rate */
    const char *counted_by;        /* the agent of the fleet that counted; NULL: this one */
};

typedef void count_done_fn(void *data, const struct count_answer *answer);

#define COUNT_AGE_DEFAULT (-1)

/* Owned by the caller, which does not touch it until done was called or it has left. */
struct count_request {
    int64_t max_age_ms; /* COUNT_AGE_DEFAULT: the trigger's pollingInterval */
    int64_t timeout_ms; /* within which the caller wants its answer */
    uint64_t enough;    /* a count of at least this will do; 0: the trigger's count */
    bool is_own;        /* where it starts a flight: this agent counts, and not the fleet */
    count_done_fn *done;
    void *data;

    struct ring link; /* private to the state from here on */
    int64_t since;    /* a lower bound of this time or later is fresh enough */
    struct trigger_state *state;
    struct deadline deadline;
};

/* A watcher keeps the count fresh, and is notified of each flight's end. Its callbacks must not
 * send requests to the trigger. */
struct count_watch {
    int64_t max_age_ms; /* refreshed at this age; COUNT_AGE_DEFAULT: pollingInterval */
    count_done_fn *changed;
    void (*gone)(void *data); /* the trigger's query changed or was removed: the watch is over */
    void *data;
    struct ring link; /* private to the state; ring_init before the first use */
    struct trigger_state *state;
};

/* After how long a caller that wants the answer within timeout_ms gets one: early enough for the
 * reply to arrive. */
int64_t count_patience(int64_t timeout_ms);

/* The state takes over the identity reference; the snapshot holds the trigger and gets its own
 * reference. values: ExpressionAttributeValues as JSON, copied; NULL: the trigger's. budget: the
 * trigger's own, held; NULL: none. NULL: out of memory, and the identity is still the caller's. */
struct trigger_state *trigger_state_create(struct count_context *context, struct snapshot *snapshot,
    const struct trigger *trigger, struct identity *identity, const char *values,
    struct held_budget *budget);

/* Answers pending requests SHUTTING_DOWN first. NULL is allowed. */
void trigger_state_destroy(struct trigger_state *state);

/* The answer, if the cache has one that is young enough: then no caller needs to wait. `enough` as
 * in a request. */
bool trigger_state_answer(
    struct trigger_state *state, int64_t max_age_ms, uint64_t enough, struct count_answer *answer);

/* Always calls request->done exactly once, perhaps before it returns, unless the caller leaves. */
void trigger_state_ask(struct trigger_state *state, struct count_request *request);
void trigger_state_leave(struct count_request *request); /* allowed when it was answered */

/* The trigger of a new configuration replaces the old one: same query, same identity, so the cache
 * and the waiters stay. A flight under way ends with the old configuration. */
void trigger_state_adopt(struct trigger_state *state, struct snapshot *snapshot,
    const struct trigger *trigger, struct held_budget *budget);

/* Removed from the configuration: waiters get their answer; once no request waits, its flight ends
 * and it stays idle. Its watchers stay until they are dismissed. */
void trigger_state_abandon(struct trigger_state *state);
bool trigger_state_is_idle(const struct trigger_state *state); /* no flight: it may be destroyed */

bool trigger_state_is_wanted(const struct trigger_state *state); /* it has waiters or watchers */

/* What is known, without a request to AWS. */
void trigger_state_peek(const struct trigger_state *state, struct count_answer *answer);

/* The table through which its count is shared; NULL: it is not. */
const char *trigger_share_table(const struct count_context *context, const struct trigger *trigger);
const char *trigger_state_share_table(const struct trigger_state *state);

/* What it has read since it was made, and at which rate lately. */
double trigger_state_rcu_per_hour(const struct trigger_state *state);
double trigger_state_rcu_total(const struct trigger_state *state);

const struct trigger *trigger_state_trigger(const struct trigger_state *state);
const char *trigger_state_values(const struct trigger_state *state); /* NULL: the trigger's own */
struct identity *trigger_state_identity(const struct trigger_state *state);

/* Keeps the count fresh and notifies of every flight's end. 0, or -ENOMEM: then it does not
 * watch. */
int trigger_state_watch(struct trigger_state *state, struct count_watch *watch);
void trigger_state_unwatch(struct count_watch *watch); /* allowed when it does not watch */

/* The notification for a watcher now. False: nothing yet, a flight is about to report. */
bool trigger_state_known(const struct trigger_state *state, const struct count_watch *watch,
    struct count_answer *answer);
void trigger_state_tell_watchers(struct trigger_state *state); /* sends it to each of them */

/* Notifies all watchers that their watch is over, as the state is. */
void trigger_state_dismiss_watchers(struct trigger_state *state);

#endif
