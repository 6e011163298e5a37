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
#include "agent/count/flight.h"
#include "agent/count/waiters.h"
#include "agent/log.h"

struct trigger_state;

/* After how long a caller that wants the answer within timeout_ms gets one: early enough for the
 * reply to arrive. */
int64_t count_wait_ms(int64_t timeout_ms);

/* The snapshot, which holds the trigger, the identity and the budget are held. values:
 * ExpressionAttributeValues as JSON, copied; NULL: the trigger's. budget: the trigger's own; NULL:
 * none. NULL: out of memory. */
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

/* Removed from the configuration, or evicted: its waiters get their answer, its watchers stay until
 * they are dismissed; in the turn after it has neither, it is destroyed, with its flight. */
void trigger_state_abandon(struct trigger_state *state);

/* For the counter. Of all abandoned states: destroys those without waiters and watchers; notifies
 * the watchers that their watch is over; destroys all. */
void trigger_states_reap(struct count_context *context);
void trigger_states_dismiss_watchers(struct count_context *context);
void trigger_states_end(struct count_context *context);

bool trigger_state_is_wanted(const struct trigger_state *state); /* it has waiters or watchers */

/* What is known, without a request to AWS. */
void trigger_state_peek(struct trigger_state *state, struct count_answer *answer);

/* The table through which its count is shared; NULL: it is not. */
const char *trigger_share_table(const struct count_context *context, const struct trigger *trigger);
const char *trigger_state_share_table(const struct trigger_state *state);

/* What it has read since it was made, and at which rate lately. */
double trigger_state_rcu_per_hour(const struct trigger_state *state);
double trigger_state_rcu_total(const struct trigger_state *state);

const char *trigger_state_values(const struct trigger_state *state); /* NULL: the trigger's own */
struct identity *trigger_state_identity(const struct trigger_state *state);

/* Keeps the count fresh and notifies of every flight's end. 0, or -ENOMEM: then it does not
 * watch. */
int trigger_state_watch(struct trigger_state *state, struct count_watch *watch);
void trigger_state_unwatch(struct count_watch *watch); /* allowed when it does not watch */

/* The notification for a watcher now. False: nothing yet, a flight is about to report. */
bool trigger_state_for_watcher(
    struct trigger_state *state, const struct count_watch *watch, struct count_answer *answer);
void trigger_state_notify_watchers(struct trigger_state *state); /* sends it to each of them */

#endif
