/* SPDX-License-Identifier: Apache-2.0 */
/* One count that a fleet of agents shares through a record in DynamoDB (agent/aws/shared_record.h):
 * looks at the record, and either has the fleet's number, waits for the agent that counts, or is
 * the one to count. A table that cannot be used never fails a count: then this agent counts
 * alone. */
#ifndef TALLY_AGENT_COUNT_SHARED_COUNT_H
#define TALLY_AGENT_COUNT_SHARED_COUNT_H

#include "agent/aws/shared_record.h"
#include "agent/count/count_query.h"

/* Counters that `status` shows. */
struct share_stats {
    uint64_t hits;   /* the record's number was the answer */
    uint64_t won;    /* this agent counted for the fleet */
    uint64_t lost;   /* another agent counted: this one waited for it */
    uint64_t failed; /* the record could not be used, and this agent counted alone */
    double consumed_rcu;
    double consumed_wcu;
    struct failure last; /* the latest of them; code ERROR_NONE: the table has worked since */
};

/* What is remembered of a trigger's record from one count to the next. Zeroed: nothing. */
struct share_memory {
    int64_t not_before; /* loop_now: until then the table is not asked */
    uint32_t failures;  /* in a row */
};

struct shared_count_options {
    struct loop *loop;
    struct aws_client *client;
    const struct endpoint_environment *environment;
    uint32_t (*random)(void);
    struct share_stats *stats; /* borrowed, as are all below until the end */
    struct ring *all;          /* those under way: what shared_counts_give_back goes through */
    const char *owner;         /* the name of this agent */
    const char *table;
    const struct trigger *trigger;
    const char *values;
    struct identity *identity; /* held */
    const struct count_goal *goal;
    struct share_memory *memory;
    bool look_only; /* the lease is not taken: this agent may not count now */
};

struct shared_count_events {
    /* The fleet's number, completed age_ms ago at most. The shared count has ended. */
    void (*answer)(void *data, const struct count_value *value, int64_t age_ms, const char *owner);

    /* Another agent's count failed for a cause that this one would meet, too. It has ended. */
    void (*failed)(void *data, const struct failure *failure);

    /* Count now, then call one of the three functions below. */
    void (*count)(void *data);
};

struct shared_count;

/* One event follows, later. NULL: out of memory, or the endpoint is not valid: then it is not
 * shared. */
struct shared_count *shared_count_start(const struct shared_count_options *options,
    const struct shared_count_events *events, void *data);

/* After `count`: shares the result; the shared count ends by itself, and nothing that was borrowed
 * is used any more, except loop, client, stats and the ring. */
void shared_count_publish(
    struct shared_count *shared, const struct count_value *value, int64_t completed_ms);
void shared_count_fail(struct shared_count *shared, const struct failure *failure);

/* Ends it at any time; a lease is given back in the background, as above. */
void shared_count_leave(struct shared_count *shared);

/* Who is waited for: "agent-1 has been counting for 3 s"; false: no other agent. */
bool shared_count_waits(const struct shared_count *shared, char *text, size_t size);

/* Gives all leases back, because the agent ends; none is taken after that, and those that have no
 * lease do not go on. Whether any request is under way: the caller lets the loop run until there is
 * none, and calls this again. */
bool shared_counts_give_back(struct ring *all);

/* Ends all of them at once, without a request. */
void shared_counts_end(struct ring *all);

#endif
