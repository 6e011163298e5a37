/* SPDX-License-Identifier: Apache-2.0 */
/* One thing that can be asked: a trigger, with the values that a client supplied for it. It
 * remembers the last count, and joins everyone who asks at once into one flight.
 *
 * The flight outlives those who wait for it while pages keep arriving, because its result fills
 * the cache; without anyone waiting it ends when a page fails. */
#ifndef TALLY_AGENT_COUNT_TRIGGER_STATE_H
#define TALLY_AGENT_COUNT_TRIGGER_STATE_H

#include "agent/config/trigger.h"
#include "agent/count/cache.h"
#include "agent/count/flight.h"
#include "agent/deadlines.h"
#include "agent/log.h"
#include "agent/loop.h"
#include "agent/ring.h"
#include "proto/buffer.h"

struct trigger_state;
struct page_log;

enum count_quality { QUALITY_EXACT, QUALITY_AT_LEAST, QUALITY_STALE };
const char *count_quality_name(enum count_quality quality); /* as the protocol says it */

/* Room of the state's where an asker may keep the answer as it packed it. */
struct packed_answer {
    struct buffer bytes; /* emptied whenever anything but the age becomes another */
    size_t age_at;       /* where in them the age stands */
};

/* All borrowed for the callback. */
struct count_answer {
    const struct trigger *trigger;
    const struct count_value *value; /* NULL: there is none to tell, `failure` says why */
    enum count_quality quality;
    int64_t age_ms;
    const struct failure *failure; /* with a value: what keeps it from being fresher, or NULL */
    bool fallback;                 /* more failures in a row than the trigger's threshold */
    struct packed_answer *packed;  /* of this answer; NULL: it is not to be kept */
    const struct page_log *pages;  /* of this value; NULL: they are not known any more */
};

typedef void count_done_fn(void *data, const struct count_answer *answer);

#define COUNT_AGE_DEFAULT (-1)

/* Owned by the asker, and not touched by it until done was called or it has left. */
struct count_request {
    int64_t max_age_ms; /* COUNT_AGE_DEFAULT: the trigger's pollingInterval */
    int64_t timeout_ms; /* in which the asker wants its answer */
    count_done_fn *done;
    void *data;

    struct ring link; /* the state's own from here on */
    struct trigger_state *state;
    struct deadline deadline;
};

/* A watcher keeps the count fresh, and hears of each flight's end. Its callbacks may not ask
 * anything of the trigger. */
struct count_watch {
    int64_t max_age_ms; /* counted anew when it gets this old; COUNT_AGE_DEFAULT: pollingInterval */
    count_done_fn *changed;
    void (*gone)(
        void *data); /* the configuration has another query now, or none: the watch is over */
    void *data;
    struct ring link; /* the state's own; ring_init before the first use */
    struct trigger_state *state;
};

/* After how long someone who wants the answer within timeout_ms is given one: early enough for
 * the way back. */
int64_t count_patience(int64_t timeout_ms);

/* The identity reference goes over to the state; the snapshot holds the trigger and gets a
 * reference of its own. values: ExpressionAttributeValues as JSON, copied; NULL: the trigger's.
 * NULL: no memory, and the identity is still the caller's. */
struct trigger_state *trigger_state_create(struct count_context *context, struct snapshot *snapshot,
    const struct trigger *trigger, struct identity *identity, const char *values);

/* Everyone who waits is answered SHUTTING_DOWN first. NULL is allowed. */
void trigger_state_destroy(struct trigger_state *state);

/* The answer, where the cache has one that is young enough: then nobody needs to wait. */
bool trigger_state_answer(
    struct trigger_state *state, int64_t max_age_ms, struct count_answer *answer);

/* Always calls request->done exactly once, perhaps before it returns, unless the asker leaves. */
void trigger_state_ask(struct trigger_state *state, struct count_request *request);
void trigger_state_leave(struct count_request *request); /* allowed when it was answered */

/* The trigger of a new configuration takes the old one's place: same query, same identity, so
 * the cache and those who wait stay. A flight under way ends with the old configuration. */
void trigger_state_adopt(
    struct trigger_state *state, struct snapshot *snapshot, const struct trigger *trigger);

/* Gone from the configuration: those who wait get their answer; when nobody waits (any more), its
 * flight ends and it is idle for good. Its watchers stay until they are dismissed. */
void trigger_state_abandon(struct trigger_state *state);
bool trigger_state_is_idle(const struct trigger_state *state); /* no flight: it may be destroyed */

bool trigger_state_is_wanted(
    const struct trigger_state *state); /* somebody waits for it, or watches */

/* What is known, without asking anything of AWS. */
void trigger_state_peek(const struct trigger_state *state, struct count_answer *answer);

const struct trigger *trigger_state_trigger(const struct trigger_state *state);
const char *trigger_state_values(const struct trigger_state *state); /* NULL: the trigger's own */
struct identity *trigger_state_identity(const struct trigger_state *state);

/* Keeps the count fresh and tells of every flight's end. 0, or -ENOMEM: then it does not watch. */
int trigger_state_watch(struct trigger_state *state, struct count_watch *watch);
void trigger_state_unwatch(struct count_watch *watch); /* allowed when it does not watch */

/* What a watcher can be told now. False: nothing yet, a flight is about to find out. */
bool trigger_state_known(const struct trigger_state *state, const struct count_watch *watch,
    struct count_answer *answer);
void trigger_state_tell_watchers(struct trigger_state *state); /* that, to each of them */

/* Tells all watchers that they are over, as the state is. */
void trigger_state_dismiss_watchers(struct trigger_state *state);

#endif
