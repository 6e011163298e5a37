/* SPDX-License-Identifier: Apache-2.0 */
/* A flight is one count query shared by all concurrent callers: from the decision to count, perhaps
 * after a backoff, to the result. It ends by itself: by the result, by a failure that no caller
 * wants retried, or by the flight timeout. */
#ifndef TALLY_AGENT_COUNT_FLIGHT_H
#define TALLY_AGENT_COUNT_FLIGHT_H

#include "agent/config/config.h"
#include "agent/count/count_query.h"
#include "agent/count/read_cost.h"
#include "agent/count/shared_count.h"

/* Counters that `status` shows; one set for all triggers. */
struct count_stats {
    uint64_t hits;   /* answered from the cache */
    uint64_t misses; /* waited for a new flight */
    uint64_t joined; /* joined a flight under way */
    uint64_t stale_served;
    uint64_t flights_started;
    uint64_t flights_succeeded;
    uint64_t flights_failed;
    uint64_t flights_active;
    struct rcu_meter consumed; /* by the pages of Queries */
    uint64_t over_budget;      /* counts that were refused for want of budget */
};

/* State shared by all triggers and flights; owned by the counter. */
struct count_context {
    struct loop *loop;
    struct aws_client *client;
    struct endpoint_environment environment;
    int64_t max_stale_ms;
    int64_t min_age_ms;
    int64_t flight_timeout_ms;
    uint32_t (*random)(void);
    struct loop_timer *reaper;      /* frees in the next turn what has ended: */
    struct ring abandoned;          /* trigger_state::link, those that no request can reach */
    struct ring adhoc_counts;       /* adhoc_count::link, the counts under way */
    struct ring ended_adhoc_counts; /* the counts to be freed */
    struct count_stats stats;
    struct rcu_budget budget; /* --budget, for all triggers */
    const char *share_table;  /* --share-table; NULL: counts are not shared */
    const char *share_owner;  /* this agent's name in shared records; borrowed */
    struct ring shared_counts;
    struct share_stats share_stats;
};

/* The flight's progress, for callers that decide about it and callers whose patience ends. */
struct flight_progress {
    unsigned failed_attempts;    /* of the page under way */
    struct failure last_attempt; /* their last failure; code ERROR_NONE: none */
    struct count_value so_far;
    /* Of a value that another agent counted: how long ago at most, and its name. */
    int64_t age_ms;
    char counted_by[SHARED_RECORD_NAME_SIZE];
};

/* How long the caller wants the flight to last. */
struct flight_patience {
    struct retry_patience retry;
    int64_t unattended_ms; /* it ends after this time without a new request; INT64_MAX: never */
};

struct flight_events {
    /* A page arrived that is not the last one: flight_progress has the sum. May be NULL. Must not
     * cancel the flight. */
    void (*page)(void *data);
    /* An attempt failed, and the next one is made after delay_ms. May be NULL. */
    void (*retrying)(void *data, int64_t delay_ms);
    /* The end: a value, a failure, or both where the flight timeout came before the last page. The
     * flight frees itself afterwards. Never before flight_start returned. */
    void (*done)(void *data, const struct count_value *value, const struct failure *failure);
};

struct flight;

struct flight_options {
    struct snapshot *snapshot; /* held, and through it the query */
    const struct query *query;
    struct identity *identity; /* borrowed until the end, as are the next three */
    const char *values;        /* NULL: the query's own */
    struct flight_patience patience;
    struct count_goal goal;            /* enough 0: the trigger's limits only */
    const char *share_table;           /* NULL: the count is not shared; else with the next two: */
    const struct trigger *trigger;     /* of the snapshot */
    struct share_memory *share_memory; /* borrowed until the end */
    struct rcu_meter *meter;           /* borrowed; NULL: none */
    struct rcu_budget *budget;         /* the trigger's own; borrowed; NULL: none */
    double expected_rcu;               /* what it should cost; 0: not known */
    int64_t delay_ms;                  /* until it begins; 0: in the next turn of the loop */
    const struct failure *last;        /* copied: the failure that caused the delay; NULL: none */
};

/* NULL: out of memory. */
struct flight *flight_start(struct count_context *context, const struct flight_options *options,
    const struct flight_events *events, void *data);

const struct flight_progress *flight_progress(const struct flight *flight);

/* Its pages so far; in `done` the caller may move them out. */
struct page_log *flight_pages(struct flight *flight);

/* A request has joined: the flight counts for it, too. The goal is raised, never lowered. */
void flight_join(struct flight *flight, const struct count_goal *goal);

/* Requests have joined or left: the flight reads its patience before each wait. */
void flight_set_patience(struct flight *flight, const struct flight_patience *patience);

/* Why there is no count yet at a caller's deadline; flight NULL: none is under way. */
void flight_why_late(const struct flight *flight, struct failure *failure);

/* Ends it without calling done. */
void flight_cancel(struct flight *flight);

#endif
