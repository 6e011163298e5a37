/* SPDX-License-Identifier: Apache-2.0 */
/* The count service: the configuration in force, and a state for each trigger that anybody
 * asked about. This is what the socket side talks to. */
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
};

/* Without configuration until counter_load. NULL: no memory. */
struct counter *counter_create(const struct counter_options *options);

/* Everyone who waits is answered SHUTTING_DOWN. NULL is allowed. */
void counter_destroy(struct counter *counter);

/* Puts a configuration without errors in force and takes it over. A trigger whose query and
 * identity are unchanged keeps its cache, its flight and those who wait or watch; watchers of
 * others are dismissed, when the new configuration is in force. 0, or -ENOMEM:
 * then the old one stays in force and the new one is still the caller's. */
int counter_load(struct counter *counter, struct config *config);

/* The configuration in force, and how many were loaded by now. */
const struct config *counter_config(const struct counter *counter);
unsigned counter_generation(const struct counter *counter);

/* The state of one of the configuration's triggers, made when first asked for. values:
 * ExpressionAttributeValues with a client's merged in, in canonical order; NULL: the trigger's
 * own. NULL: no memory, or crowded. The trigger's own is valid while its configuration is in
 * force, another until the loop turns. */
struct trigger_state *counter_state(
    struct counter *counter, const struct trigger *trigger, const char *values);

/* Whether somebody waits for each set of values that is kept: there is no room for one more. */
bool counter_is_crowded(const struct counter *counter, const struct trigger *trigger);

/* What is known of the trigger, without making a state. */
void counter_peek(
    const struct counter *counter, const struct trigger *trigger, struct count_answer *answer);

/* When it was put in force, on the wall clock in ms. */
int64_t counter_loaded_wall(const struct counter *counter);

/* The newest files were not put in force: how often in a row, and why the last time. */
void counter_reject(struct counter *counter, const char *why);
unsigned counter_rejections(const struct counter *counter);
const char *counter_rejection(const struct counter *counter);

struct identity *counter_identity(const struct counter *counter, const struct trigger *trigger);
const struct count_stats *counter_stats(const struct counter *counter);
struct count_context *counter_context(struct counter *counter);   /* for flights of one's own */
struct snapshot *counter_snapshot(const struct counter *counter); /* borrowed; NULL: none yet */

#endif
