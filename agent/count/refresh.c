/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/count/refresh.h"

#define REFRESH_TURNS 8 /* counts of one agent until another one takes over, on average */

struct refresh refresh_of(
    const struct cache *cache, int64_t max_age_ms, int64_t min_age_ms, bool is_shared)
{
    int64_t interval = max_age_ms < min_age_ms ? min_age_ms : max_age_ms;

    return (struct refresh){.cache = cache,
        .interval_ms = interval > REFRESH_LEAST_MS ? interval : REFRESH_LEAST_MS,
        .is_shared = is_shared};
}

/* The agents of a fleet learn of a number together. The one that counted it counts again, by so
 * much before the interval ends: then the others find a new number at their first look. */
static int64_t refresh_early(const struct refresh *refresh)
{
    return refresh->is_shared ? refresh->interval_ms / 20 : 0;
}

/* When it refreshes, from the end of the interval on. The others, and now and then that agent, too,
 * so that another one takes over, do at random times after it; the first time within two seconds.
 */
static int64_t refresh_jitter(const struct refresh *refresh, uint32_t random)
{
    const struct cache *cache = refresh->cache;
    int64_t early = refresh_early(refresh);
    bool is_own = cache->has_value && cache->counted_by == NULL;
    int64_t most = cache->has_value || 5 * early < 2000 ? 3 * early : 2000;

    if (is_own && random % REFRESH_TURNS != 0)
        return -early;
    return (int64_t)((uint64_t)random * (uint64_t)most >> 32);
}

static int64_t refresh_delay(const struct refresh *refresh, int64_t now_ms, int64_t age_now_ms)
{
    const struct cache *cache = refresh->cache;
    int64_t wait = cache->not_before - now_ms;

    if (cache->failures > 0) /* a refused count is not retried early */
        return cache->refused && wait < refresh->interval_ms ? refresh->interval_ms : wait;
    if (!cache->has_value)
        return 0;
    return refresh->interval_ms - cache_age(cache, age_now_ms);
}

int64_t refresh_in_ms(
    const struct refresh *refresh, int64_t now_ms, int64_t age_now_ms, uint32_t random)
{
    return refresh_delay(refresh, now_ms, age_now_ms) + refresh_jitter(refresh, random);
}

bool refresh_is_due(const struct refresh *refresh, int64_t now_ms, int64_t age_now_ms)
{
    return refresh->cache->failures > 0 ||
           refresh_delay(refresh, now_ms, age_now_ms) <= refresh_early(refresh);
}

int64_t refresh_max_age(const struct refresh *refresh, int64_t age_now_ms)
{
    int64_t age = cache_age(refresh->cache, age_now_ms);

    return refresh->cache->has_value && age < refresh->interval_ms ? age : refresh->interval_ms;
}
