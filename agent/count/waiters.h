/* SPDX-License-Identifier: Apache-2.0 */
/* The requests that wait for a trigger's count, each with its deadline and what is enough for it.
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
void waiters_hurry(struct waiters *waiters, uint64_t count);

/* Moves all waiters, or those whose deadline has passed, to `taken`, so that callbacks cannot
 * disturb the loop; a request that leaves is removed from there, too. */
void waiters_take_all(struct waiters *waiters, struct ring *taken);
void waiters_take_late(struct waiters *waiters, struct ring *taken);

#endif
