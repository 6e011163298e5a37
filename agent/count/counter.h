/* SPDX-License-Identifier: Apache-2.0 */
/* The count service: the configuration in force, and a state for each requested trigger. This is
 * the interface of the socket side. */
#ifndef TALLY_AGENT_COUNT_COUNTER_H
#define TALLY_AGENT_COUNT_COUNTER_H

#include "agent/count/trigger_state.h"

#define COUNTER_VARIANTS_MAX 64 /* sets of client values kept for one trigger */

struct counter;

struct counter_options {
    struct loop *loop;
    struct aws_client *client;
    struct identities *identities;
    struct endpoint_environment environment;
    int64_t max_stale_ms;
    int64_t min_age_ms;
    int64_t flight_timeout_ms;
    uint32_t (*random)(void);
    double budget_rcu;       /* --budget, for an hour; 0: none */
    double price;            /* of a million read request units; 0: not given */
    const char *share_table; /* --share-table; NULL: none; borrowed */
};

/* Has no configuration until counter_load. NULL: out of memory. */
struct counter *counter_create(const struct counter_options *options);

/* Answers pending requests SHUTTING_DOWN. NULL is allowed. */
void counter_destroy(struct counter *counter);

/* Puts a configuration without errors in force and takes it over. A trigger whose query and
 * identity are unchanged keeps its cache, flight, waiters and watchers; watchers of other triggers
 * are dismissed when the new configuration is in force. 0, or -ENOMEM: then the old one stays in
 * force and the new one is still the caller's. */
int counter_load(struct counter *counter, struct config *config);

/* The configuration in force, and how many were loaded so far. */
const struct config *counter_config(const struct counter *counter);
unsigned counter_generation(const struct counter *counter);

/* The state of one of the configuration's triggers, created at the first request. values:
 * ExpressionAttributeValues with a client's merged in, in canonical order; NULL: the trigger's own.
 * 0; -ENOMEM; or -EBUSY: COUNTER_VARIANTS_MAX sets of values have waiters. *state of the trigger's
 * own values is valid while its configuration is in force, another until the loop turns. */
int counter_state(struct counter *counter, const struct trigger *trigger, const char *values,
    struct trigger_state **state);

/* What is known of the trigger, without creating a state. */
void counter_peek(
    const struct counter *counter, const struct trigger *trigger, struct count_answer *answer);

/* When it was put in force, on the wall clock in ms. */
int64_t counter_loaded_wall(const struct counter *counter);

/* Rejections of newer files: how many in a row, and why the last time. */
void counter_reject(struct counter *counter, const char *why);
unsigned counter_rejections(const struct counter *counter);
const char *counter_rejection(const struct counter *counter);

struct identity *counter_identity(const struct counter *counter, const struct trigger *trigger);
/* The rate at which one trigger reads, its client values included, and the units since it was first
 * asked for. */
struct counter_cost {
    double rcu_per_hour;
    double rcu_total;
};
void counter_cost(
    const struct counter *counter, const struct trigger *trigger, struct counter_cost *cost);

/* Whether a price is given; then what a month costs at this rate. */
bool counter_has_price(const struct counter *counter);
double counter_month(const struct counter *counter, double rcu_per_hour);

const struct rcu_budget *counter_budget(const struct counter *counter);
/* The table through which its count is shared; NULL: it is not. */
const char *counter_share_table(const struct counter *counter, const struct trigger *trigger);
const struct share_stats *counter_share_stats(const struct counter *counter);

/* The agent ends: gives back what it has promised to count for the fleet. Whether that is still
 * under way; called again it says whether it still is. */
bool counter_give_back(struct counter *counter);

const struct count_stats *counter_stats(const struct counter *counter);
struct count_context *counter_context(struct counter *counter);   /* for the caller's own flights */
struct snapshot *counter_snapshot(const struct counter *counter); /* borrowed; NULL: none yet */

#endif
