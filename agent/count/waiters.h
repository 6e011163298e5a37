/* Those who wait for a count, each with a deadline, behind one timer. */
#ifndef TALLY_AGENT_COUNT_WAITERS_H
#define TALLY_AGENT_COUNT_WAITERS_H

#include "agent/count/answer.h"
#include "agent/loop.h"

struct waiters {
    struct loop *loop;
    struct loop_timer *timer;   /* made when first needed; for: */
    int64_t earliest;           /* a deadline, or one that has left; INT64_MAX: it does not run */
    struct ring requests;       /* count_request::link, in the order in which they joined */
    struct deadlines deadlines; /* count_request::deadline */
    int64_t latest;             /* of their deadlines since there was none; INT64_MIN: none */
    loop_fn *late;              /* some deadlines passed: waiters_take_late gets them */
    void *data;
};

void waiters_init(struct waiters *waiters, struct loop *loop, loop_fn *late, void *data);
void waiters_clear(struct waiters *waiters); /* nobody waits any more */

/* The request's deadline is set. 0, or -ENOMEM: then the request does not wait. */
int waiters_join(struct waiters *waiters, struct count_request *request);
void waiters_leave(struct waiters *waiters, struct count_request *request);

bool waiters_are_none(const struct waiters *waiters);

/* Moves everyone, or those whose deadline has passed, to `taken`, out of reach of what the
 * callbacks do next; a request that leaves is taken out of there, too. */
void waiters_take_all(struct waiters *waiters, struct ring *taken);
void waiters_take_late(struct waiters *waiters, struct ring *taken);

#endif
