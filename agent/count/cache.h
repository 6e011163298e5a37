/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of one trigger: the last good count, and the failures since. Pure: the time is a
 * parameter, in milliseconds: for the value's age of a clock that runs during suspend, for failures
 * of the timers' clock. */
#ifndef TALLY_AGENT_COUNT_CACHE_H
#define TALLY_AGENT_COUNT_CACHE_H

#include "proto/errors.h"

#include <stdbool.h>
#include <stdint.h>

/* One finished count. */
struct count_value {
    uint64_t count;
    uint64_t scanned;
    double consumed_rcu;
    uint32_t pages;
    bool is_partial; /* it ended at the flight timeout, and `at_least` for that */
    bool at_least;   /* the count stopped before the last page, at countLimit or maxPages; or: */
    bool is_shared;  /* another agent of the fleet counted it */
    bool is_bound;   /* because it was enough for those who asked: no count of the whole trigger */
};

struct cache {
    bool has_value;
    struct count_value value;
    int64_t value_at;        /* when its last page arrived */
    uint32_t failures;       /* failed flights in a row, */
    uint32_t overruns;       /* and those in a row that ended at the flight timeout */
    struct failure *failure; /* the last one; large and rare, so it is usually NULL */
    int64_t not_before;      /* no new flight starts earlier */
    bool refused;            /* until not_before, the failure itself is the answer */
};

void cache_init(struct cache *cache);
void cache_clear(struct cache *cache);
void cache_store(struct cache *cache, const struct count_value *value, int64_t now);

/* The last flight succeeded, without a new value: whether all can be counted within the flight
 * timeout is no better known than before. */
void cache_succeed(struct cache *cache);

/* Remembers a failed flight. What AWS refused (denied or rejected) is answered from the cache for a
 * while: see backoff_refused_ms, or 2 s; a transient failure is retried after a backoff of 250 ms,
 * doubling to 20 s; one for want of budget at once, because that costs nothing. `random` is uniform
 * 32 bits. */
void cache_fail(struct cache *cache, const struct failure *failure, int64_t now, uint32_t random);

/* A flight that ended at the flight timeout: its pages are a value unless they are empty, and the
 * failure says that it is not all. The second one in a row is remembered as a refusal, for a
 * minute, doubling to an hour: a third would cost as much and give no more. `now` is of the timers'
 * clock. */
void cache_overrun(struct cache *cache, const struct failure *failure, int64_t now);

/* The last failure, where failures > 0; borrowed until the next store or fail. */
const struct failure *cache_failure(const struct cache *cache);

int64_t cache_age(const struct cache *cache, int64_t now);
bool cache_is_fresh(const struct cache *cache, int64_t max_age_ms, int64_t now);

/* Whether a value that is not fresh may still be answered, marked stale. */
bool cache_may_serve_stale(const struct cache *cache, int64_t max_stale_ms, int64_t now);

#endif
