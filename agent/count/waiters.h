/* SPDX-License-Identifier: Apache-2.0 */
/* The callers that wait for a trigger's count: requests, each with its deadline and what is enough
 * for it; and watchers.
 */
#ifndef TALLY_AGENT_COUNT_WAITERS_H
#define TALLY_AGENT_COUNT_WAITERS_H

#include "agent/count/cache.h"
#include "agent/deadlines.h"
#include "agent/loop.h"
#include "agent/ring.h"

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

    struct ring link; /* private to the waiters and the trigger state from here on */
    int64_t since;    /* a lower bound of this time or later is fresh enough */
    struct trigger_state *state;
    struct deadline deadline;
};

struct waiters {
    struct loop *loop;
    struct loop_timer *timer; /* created when first needed; for: */
    int64_t earliest; /* a deadline, perhaps of a request that left; INT64_MAX: it does not run */
    struct ring requests;       /* count_request::link, in the order in which they joined */
    struct deadlines deadlines; /* count_request::deadline */
    int64_t latest; /* latest deadline since the waiters were last empty; INT64_MIN: none */
    loop_fn *late;  /* called when deadlines passed: waiters_take_late gets them */
    void *data;
};

void waiters_init(struct waiters *waiters, struct loop *loop, loop_fn *late, void *data);
void waiters_clear(struct waiters *waiters); /* no request waits any more */

/* The caller has set the request's deadline. 0, or -ENOMEM: then the request does not wait. */
int waiters_join(struct waiters *waiters, struct count_request *request);
void waiters_leave(struct waiters *waiters, struct count_request *request);
bool waiters_are_none(const struct waiters *waiters);

/* Those for whom this count is enough are answered in the next turn of the loop, as late ones are:
 * the caller is in the middle of a page. */
void waiters_satisfy(struct waiters *waiters, uint64_t count);

/* Moves all waiters, or those whose deadline has passed, to `taken`, so that callbacks cannot
 * disturb the loop; a request that leaves is removed from there, too. */
void waiters_take_all(struct waiters *waiters, struct ring *taken);
void waiters_take_late(struct waiters *waiters, struct ring *taken);

/* ---- watchers ---- */

/* Those who are notified each time that a trigger's count is made. */

/* A watcher keeps the count fresh, and is notified of each flight's end. Its callbacks must not
 * send requests to the trigger. */
struct count_watch {
    int64_t max_age_ms; /* refreshed at this age; COUNT_AGE_DEFAULT: pollingInterval */
    count_done_fn *changed;
    void (*gone)(void *data); /* the trigger's query changed or was removed: the watch is over */
    void *data;
    struct ring link; /* private to the watchers; ring_init before the first use */
    struct trigger_state *state;
};

struct watchers {
    struct ring watching; /* count_watch::link */
};

/* Notifies one watcher, which may stop watching meanwhile. */
typedef void watchers_notify_fn(void *data, struct count_watch *watch);

void watchers_init(struct watchers *watchers);
void watchers_clear(struct watchers *watchers); /* afterwards none of them watches any more */

void watchers_add(struct watchers *watchers, struct count_watch *watch);
void watchers_remove(struct count_watch *watch); /* allowed when it does not watch */
bool watchers_are_none(const struct watchers *watchers);

/* The smallest max age that a watcher wants; default_ms stands for "not set". INT64_MAX: there are
 * none. */
int64_t watchers_max_age(const struct watchers *watchers, int64_t default_ms);

void watchers_notify(struct watchers *watchers, watchers_notify_fn *notify, void *data);

/* Notifies each watcher that the trigger is gone. */
void watchers_dismiss(struct watchers *watchers);

#endif
