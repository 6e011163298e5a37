/* Those who are told whenever a count is made anew. */
#ifndef TALLY_AGENT_COUNT_WATCHERS_H
#define TALLY_AGENT_COUNT_WATCHERS_H

#include "agent/count/answer.h"

struct watchers {
    struct ring watching; /* count_watch::link */
};

void watchers_init(struct watchers *watchers);
void watchers_add(struct watchers *watchers, struct count_watch *watch);
void watchers_remove(struct count_watch *watch); /* allowed when it does not watch */
bool watchers_are_none(const struct watchers *watchers);

/* How fresh the most demanding of them wants the count; default_ms stands for "not said".
 * INT64_MAX: there are none. */
int64_t watchers_max_age(const struct watchers *watchers, int64_t default_ms);

/* What each of them is told; it may stop watching meanwhile. */
typedef void watchers_tell_fn(void *data, struct count_watch *watch);
void watchers_tell_each(struct watchers *watchers, watchers_tell_fn *tell, void *data);

/* None of them watches any more. */
void watchers_clear(struct watchers *watchers);   /* without a word */
void watchers_dismiss(struct watchers *watchers); /* each is told that it is gone */

#endif
