#include "agent/count/waiters.h"

#include <errno.h>

static struct count_request *request_of(struct ring *link)
{
    return RING_MEMBER(link, struct count_request, link);
}

/* Sets the timer to the earliest deadline there is. */
static void arm(struct waiters *waiters)
{
    int64_t earliest = INT64_MAX;

    for (struct ring *at = waiters->requests.next; at != &waiters->requests; at = at->next)
        if (request_of(at)->deadline < earliest)
            earliest = request_of(at)->deadline;
    if (earliest == INT64_MAX)
        loop_timer_stop(waiters->timer);
    else
        loop_timer_start(waiters->timer, earliest - loop_now(waiters->loop));
    waiters->earliest = earliest;
}

void waiters_init(struct waiters *waiters, struct loop *loop, loop_fn *late, void *data)
{
    waiters->loop = loop;
    waiters->timer = NULL;
    waiters->earliest = INT64_MAX;
    waiters->late = late;
    waiters->data = data;
    ring_init(&waiters->requests);
}

void waiters_clear(struct waiters *waiters)
{
    loop_timer_destroy(waiters->timer);
    waiters->timer = NULL;
}

int waiters_join(struct waiters *waiters, struct count_request *request)
{
    if (waiters->timer == NULL)
        waiters->timer = loop_timer_create(waiters->loop, waiters->late, waiters->data);
    if (waiters->timer == NULL)
        return -ENOMEM;
    ring_add(&waiters->requests, &request->link);
    if (request->deadline < waiters->earliest) {
        waiters->earliest = request->deadline;
        loop_timer_start(waiters->timer, request->deadline - loop_now(waiters->loop));
    }
    return 0;
}

void waiters_leave(struct waiters *waiters, struct count_request *request)
{
    ring_remove(&request->link);
    if (ring_is_empty(&waiters->requests) && waiters->timer != NULL)
        arm(waiters);
    /* Else the timer may fire for nobody, which costs less than a search at each leave. */
}

bool waiters_are_none(const struct waiters *waiters)
{
    return ring_is_empty(&waiters->requests);
}

bool waiters_outlast(struct waiters *waiters, int64_t then)
{
    for (struct ring *at = waiters->requests.next; at != &waiters->requests; at = at->next)
        if (request_of(at)->deadline > then)
            return true;
    return false;
}

void waiters_take_all(struct waiters *waiters, struct ring *taken)
{
    ring_take_all(&waiters->requests, taken);
    if (waiters->timer != NULL)
        arm(waiters);
}

void waiters_take_late(struct waiters *waiters, struct ring *taken)
{
    int64_t now = loop_now(waiters->loop);

    ring_init(taken);
    for (struct ring *at = waiters->requests.next, *next; at != &waiters->requests; at = next) {
        next = at->next;
        if (request_of(at)->deadline <= now) {
            ring_remove(at);
            ring_add(taken, at);
        }
    }
    arm(waiters);
}
