/* SPDX-License-Identifier: Apache-2.0 */
/* A flight is one scan shared by everyone who asks at once: from the decision to count, perhaps
 * after a back-off, to the result. It ends by itself: by the result, by a failure that nobody
 * wants retried, or by the flight timeout. */
#ifndef TALLY_AGENT_COUNT_FLIGHT_H
#define TALLY_AGENT_COUNT_FLIGHT_H

#include "agent/count/cache.h"
#include "agent/count/count_query.h"

/* Counters that `status` shows; one set for all triggers. */
struct count_stats {
    uint64_t hits;   /* answered from the cache */
    uint64_t misses; /* waited for a flight that was not under way */
    uint64_t joined; /* joined a flight under way */
    uint64_t stale_served;
    uint64_t flights_started;
    uint64_t flights_succeeded;
    uint64_t flights_failed;
    uint64_t flights_active;
    double consumed_rcu;
};

/* What all triggers and flights share; owned by the counter. */
struct count_context {
    struct loop *loop;
    struct aws_client *client;
    struct endpoint_environment environment;
    int64_t max_stale_ms;
    int64_t min_age_ms;
    int64_t flight_timeout_ms;
    uint32_t (*random)(void);
    struct loop_timer
        *reaper; /* started when an abandoned state has become idle, or an ad-hoc count */
    struct ring adhoc_counts;       /* adhoc_count::link, those under way */
    struct ring ended_adhoc_counts; /* and those that are to be freed */
    struct count_stats stats;
};

/* How the flight stands, for those who decide about it and for those who lose patience. */
struct flight_progress {
    unsigned failed_attempts;    /* of the page under way */
    struct failure last_attempt; /* what they met; code ERROR_NONE: nothing */
    struct count_value so_far;
};

/* How long the caller wants the flight to go on: kept up to date by the caller, read by the flight.
 */
struct flight_patience {
    struct retry_patience retry;
    int64_t unattended_ms; /* it ends when no request has joined for so long; INT64_MAX: never */
};

struct flight_events {
    /* An attempt failed, and the next one is made after delay_ms. May be NULL. */
    void (*retrying)(void *data, int64_t delay_ms);
    /* The end. The flight frees itself afterwards. Never before flight_start returned. */
    void (*done)(void *data, const struct count_value *value, const struct failure *failure);
};

struct flight;

/* Takes off after delay_ms (0: in the next turn of the loop); `last`: what the delay is for, or
 * NULL. Holds the snapshot, and through it the query; borrows the patience. NULL: no memory. */
struct flight *flight_start(struct count_context *context, struct snapshot *snapshot,
    const struct query *query, struct identity *identity, const char *values, int64_t delay_ms,
    const struct failure *last, const struct flight_patience *patience,
    const struct flight_events *events, void *data);

const struct flight_progress *flight_progress(const struct flight *flight);

/* Its pages by now; in `done` the caller may move them out. */
struct page_log *flight_pages(struct flight *flight);

/* A request has joined. */
void flight_join(struct flight *flight);

/* Why there is no count yet at somebody's deadline; flight NULL: none is under way. */
void flight_late(const struct flight *flight, struct failure *failure);

/* Ends it without calling done. */
void flight_cancel(struct flight *flight);

#endif
