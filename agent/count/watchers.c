/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/count/watchers.h"

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

    for (struct ring *at = watchers->watching.next; at != &watchers->watching; at = at->next) {
        int64_t wish = watchers_watch_of(at)->max_age_ms;

        if (wish == COUNT_AGE_DEFAULT)
            wish = default_ms;
        if (wish < least)
            least = wish;
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
