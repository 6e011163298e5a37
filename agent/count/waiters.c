/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/count/waiters.h"

#include <errno.h>

static struct count_request *waiters_request_of(struct ring *link)
{
    return RING_MEMBER(link, struct count_request, link);
}

/* Sets the timer to the earliest deadline. */
static void waiters_arm(struct waiters *waiters)
{
    const struct deadline *first = deadlines_first(&waiters->deadlines);

    waiters->earliest = first != NULL ? first->at : INT64_MAX;
    if (first == NULL)
        loop_timer_stop(waiters->timer);
    else
        loop_timer_start(waiters->timer, first->at - loop_now(waiters->loop));
}

void waiters_init(struct waiters *waiters, struct loop *loop, loop_fn *late, void *data)
{
    waiters->loop = loop;
    waiters->timer = NULL;
    waiters->earliest = INT64_MAX;
    waiters->latest = INT64_MIN;
    waiters->late = late;
    waiters->data = data;
    ring_init(&waiters->requests);
    waiters->deadlines = (struct deadlines){.heap = NULL};
}

void waiters_clear(struct waiters *waiters)
{
    loop_timer_destroy(waiters->timer);
    waiters->timer = NULL;
    deadlines_free(&waiters->deadlines);
}

int waiters_join(struct waiters *waiters, struct count_request *request)
{
    if (waiters->timer == NULL)
        waiters->timer = loop_timer_create(waiters->loop, waiters->late, waiters->data);
    if (waiters->timer == NULL ||
        deadlines_reserve(&waiters->deadlines, waiters->deadlines.count + 1) < 0)
        return -ENOMEM;
    ring_add(&waiters->requests, &request->link);
    deadlines_set(&waiters->deadlines, &request->deadline, request->deadline.at);
    if (request->deadline.at > waiters->latest)
        waiters->latest = request->deadline.at;
    if (request->deadline.at < waiters->earliest)
        waiters_arm(waiters);
    return 0;
}

/* Frees the heap when it is empty: one burst of waiters would hold its memory for ever. */
static void waiters_settle(struct waiters *waiters)
{
    if (!ring_is_empty(&waiters->requests) || waiters->timer == NULL)
        return;
    waiters->latest = INT64_MIN;
    deadlines_free(&waiters->deadlines);
    waiters_arm(waiters);
}

void waiters_leave(struct waiters *waiters, struct count_request *request)
{
    ring_remove(&request->link);
    deadlines_remove(&waiters->deadlines, &request->deadline);
    /* While others wait the timer may fire too early, which costs less than resetting it at each
     * leave. */
    waiters_settle(waiters);
}

bool waiters_are_none(const struct waiters *waiters)
{
    return ring_is_empty(&waiters->requests);
}

void waiters_satisfy(struct waiters *waiters, uint64_t count)
{
    int64_t now = loop_now(waiters->loop);

    RING_EACH(at, &waiters->requests) {
        struct count_request *request = waiters_request_of(at);

        if (request->enough > 0 && request->enough <= count)
            deadlines_set(&waiters->deadlines, &request->deadline, now);
    }
    waiters_arm(waiters);
}

void waiters_take_all(struct waiters *waiters, struct ring *taken)
{
    ring_take_all(&waiters->requests, taken);
    RING_EACH(at, taken)
        waiters_request_of(at)->deadline.place = 0;
    waiters_settle(waiters);
}

void waiters_take_late(struct waiters *waiters, struct ring *taken)
{
    int64_t now = loop_now(waiters->loop);
    struct deadline *first;

    ring_init(taken);
    while ((first = deadlines_first(&waiters->deadlines)) != NULL && first->at <= now) {
        struct count_request *request = RING_MEMBER(first, struct count_request, deadline);

        deadlines_remove(&waiters->deadlines, first);
        ring_remove(&request->link);
        ring_add(taken, &request->link);
    }
    waiters_arm(waiters);
    waiters_settle(waiters);
}

/* ---- watchers ---- */

static struct count_watch *watchers_watch_of(struct ring *link)
{
    return RING_MEMBER(link, struct count_watch, link);
}

void watchers_init(struct watchers *watchers)
{
    ring_init(&watchers->watching);
}

void watchers_add(struct watchers *watchers, struct count_watch *watch)
{
    ring_add(&watchers->watching, &watch->link);
}

void watchers_remove(struct count_watch *watch)
{
    ring_remove(&watch->link);
}

bool watchers_are_none(const struct watchers *watchers)
{
    return ring_is_empty(&watchers->watching);
}

int64_t watchers_max_age(const struct watchers *watchers, int64_t default_ms)
{
    int64_t least = INT64_MAX;

    RING_EACH(at, &watchers->watching) {
        int64_t wanted_ms = watchers_watch_of(at)->max_age_ms;

        if (wanted_ms == COUNT_AGE_DEFAULT)
            wanted_ms = default_ms;
        if (wanted_ms < least)
            least = wanted_ms;
    }
    return least;
}

void watchers_notify(struct watchers *watchers, watchers_notify_fn *notify, void *data)
{
    struct ring waiting;

    ring_take_all(&watchers->watching, &waiting);
    while (!ring_is_empty(&waiting)) {
        struct count_watch *watch = watchers_watch_of(ring_pop(&waiting));

        ring_add(&watchers->watching, &watch->link);
        notify(data, watch);
    }
}

void watchers_clear(struct watchers *watchers)
{
    while (!watchers_are_none(watchers))
        ring_pop(&watchers->watching);
}

void watchers_dismiss(struct watchers *watchers)
{
    while (!watchers_are_none(watchers)) {
        struct count_watch *watch = watchers_watch_of(ring_pop(&watchers->watching));

        watch->gone(watch->data);
    }
}
