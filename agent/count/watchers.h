/* SPDX-License-Identifier: Apache-2.0 */
/* Those who are notified each time that a trigger's count is made. */
#ifndef TALLY_AGENT_COUNT_WATCHERS_H
#define TALLY_AGENT_COUNT_WATCHERS_H

#include "agent/count/waiters.h"

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
