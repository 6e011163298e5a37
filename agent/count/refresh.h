/* SPDX-License-Identifier: Apache-2.0 */
/* When the count of a warm or watched trigger is made again, without a request. Pure: now_ms is of
 * the timers' clock, age_now_ms of the clock of the value's age. */
#ifndef TALLY_AGENT_COUNT_REFRESH_H
#define TALLY_AGENT_COUNT_REFRESH_H

#include "agent/count/cache.h"

#define REFRESH_LEAST_MS 1000 /* between counts without a request */

struct refresh {
    const struct cache *cache;
    int64_t interval_ms; /* the maximum age of the count */
    bool is_shared;      /* with a fleet */
};

struct refresh refresh_of(
    const struct cache *cache, int64_t max_age_ms, int64_t min_age_ms, bool is_shared);

/* How long to wait from now on; below 0: not at all. `random` is uniform 32 bits. */
int64_t refresh_in_ms(
    const struct refresh *refresh, int64_t now_ms, int64_t age_now_ms, uint32_t random);
bool refresh_is_due(const struct refresh *refresh, int64_t now_ms, int64_t age_now_ms);

/* The age from which on a number of the fleet will not do: that of the number to be refreshed. */
int64_t refresh_max_age(const struct refresh *refresh, int64_t age_now_ms);

#endif
