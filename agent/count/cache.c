/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/count/cache.h"

#include "agent/aws/retry.h"
#include "proto/limits.h"
#include "proto/saturating.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_MS     500 /* between two counts: below it their times are not exact enough */
#define EMPTY_MAX_MS (INT64_C(366) * 24 * 3600 * 1000)

void count_rate_add(struct count_rate *rate, uint64_t count, int64_t at, int64_t window_ms)
{
    struct count_sample sample = {.count = count, .at = at};

    if (rate->base.at == 0) {
        rate->base = sample;
    } else if (rate->next.at == 0 && at > rate->base.at) {
        rate->next = sample;
    } else if (rate->next.at != 0 && saturating_subtract(at, rate->next.at) >= window_ms) {
        rate->base = rate->next;
        rate->next = sample;
    }
}

bool count_rate_get(
    const struct count_rate *rate, uint64_t count, int64_t at, double *per_s, int64_t *over_ms)
{
    *over_ms = saturating_subtract(at, rate->base.at);
    if (rate->base.at == 0 || *over_ms < LEAST_MS)
        return false;
    *per_s = ((double)count - (double)rate->base.count) * 1000 / (double)*over_ms;
    return true;
}

int64_t count_rate_empty_in_ms(uint64_t count, double per_s)
{
    double ms;

    if (count == 0)
        return 0;
    if (per_s >= 0)
        return -1;
    ms = (double)count * 1000 / -per_s;
    return ms < (double)EMPTY_MAX_MS ? (int64_t)ms : EMPTY_MAX_MS;
}

/* ---- cache ---- */

#define REJECTED_MS      2000 /* a missing table may be created, a filter fixed, at any time */
#define BACKOFF_FIRST_MS 250
#define BACKOFF_MAX_MS   20000
#define OVERRUNS_TRIED   1 /* flights that end at the timeout before they are refused for a while */
#define OVERRUN_FIRST_MS 60000
#define OVERRUN_MAX_MS   (60 * OVERRUN_FIRST_MS)

const char *count_quality_name(enum count_quality quality)
{
    switch (quality) {
    case QUALITY_EXACT:
        return "exact";
    case QUALITY_AT_LEAST:
        return "at_least";
    case QUALITY_STALE:
        return "stale";
    }
    return "stale";
}

void cache_init(struct cache *cache)
{
    memset(cache, 0, sizeof(*cache));
    buffer_init(&cache->packed.bytes, LIMIT_OUTPUT_BYTES);
}

static void cache_forget_failure(struct cache *cache)
{
    free(cache->failure);
    cache->failure = NULL;
}

void cache_clear(struct cache *cache)
{
    cache_forget_failure(cache);
    buffer_free(&cache->packed.bytes);
    free(cache->counted_by);
    cache->counted_by = NULL;
}

/* ---- results ---- */

void cache_store(
    struct cache *cache, const struct count_value *value, const char *counted_by, int64_t at)
{
    cache->has_value = true;
    cache->value = *value;
    cache->value_at = at;
    if (!value->is_partial)
        cache->overruns = 0;
    free(cache->counted_by);
    cache->counted_by = value->is_shared ? strdup(counted_by) : NULL;
    cache_succeed(cache);
}

void cache_store_bound(struct cache *cache, const struct count_value *value, int64_t now)
{
    cache->bound = *value;
    cache->bound_at = now;
}

void cache_succeed(struct cache *cache)
{
    cache->failures = 0;
    cache->not_before = 0;
    cache->refused = false;
    cache_forget_failure(cache);
    buffer_clear(&cache->packed.bytes);
}

void cache_forget_refusal(struct cache *cache)
{
    cache->not_before = 0;
    cache->refused = false;
    cache->overruns = 0;
    buffer_clear(&cache->packed.bytes);
}

static void cache_remember(struct cache *cache, const struct failure *failure)
{
    if (cache->failures < UINT32_MAX)
        cache->failures++;
    if (cache->failure == NULL)
        cache->failure = malloc(sizeof(*cache->failure));
    if (cache->failure != NULL)
        *cache->failure = *failure;
    buffer_clear(&cache->packed.bytes);
}

void cache_fail(struct cache *cache, const struct failure *failure, int64_t now, uint32_t random)
{
    uint32_t earlier = cache->failures;
    int64_t delay;

    cache_remember(cache, failure);
    cache->refused = failure->code == ERROR_ACCESS_DENIED || failure->code == ERROR_AWS_REJECTED ||
                     failure->code == ERROR_BUSY;
    if (failure->code == ERROR_BUSY) {
        cache->not_before = now;
        return;
    }
    if (failure->code == ERROR_ACCESS_DENIED) {
        delay = backoff_refused_ms(earlier);
    } else if (failure->code == ERROR_AWS_REJECTED) {
        delay = REJECTED_MS;
    } else {
        /* Half fixed, half random, so that agents that failed together spread out. */
        delay = backoff_ms(BACKOFF_FIRST_MS, BACKOFF_MAX_MS, earlier);
        delay = delay / 2 + (int64_t)((uint64_t)random * (uint64_t)(delay / 2) >> 32);
    }
    if (delay < failure->retry_after_ms)
        delay = failure->retry_after_ms < BACKOFF_MAX_MS ? failure->retry_after_ms : BACKOFF_MAX_MS;
    cache->not_before = saturating_add(now, delay);
}

void cache_overrun(struct cache *cache, const struct failure *failure, int64_t now)
{
    cache_remember(cache, failure);
    if (cache->overruns < UINT32_MAX)
        cache->overruns++;
    cache->refused = cache->overruns > OVERRUNS_TRIED;
    cache->not_before = now;
    if (cache->refused)
        cache->not_before = saturating_add(now,
            backoff_ms(OVERRUN_FIRST_MS, OVERRUN_MAX_MS, cache->overruns - OVERRUNS_TRIED - 1));
}

bool cache_overran(const struct cache *cache)
{
    return cache->refused && cache->overruns > 0 && cache_failure(cache)->code == ERROR_TIMEOUT;
}

const struct failure *cache_failure(const struct cache *cache)
{
    static const struct failure forgotten = {.code = ERROR_INTERNAL,
        .retryable = true,
        .message = "the last count failed, and there was no memory to remember why"};

    return cache->failure != NULL ? cache->failure : &forgotten;
}

/* ---- answers ---- */

int64_t cache_age(const struct cache *cache, int64_t now)
{
    return now > cache->value_at ? saturating_subtract(now, cache->value_at) : 0;
}

bool cache_is_fresh(const struct cache *cache, int64_t max_age_ms, int64_t now)
{
    return cache->has_value && cache_age(cache, now) < max_age_ms;
}

bool cache_may_serve_stale(const struct cache *cache, int64_t max_stale_ms, int64_t now)
{
    return cache->has_value && cache_age(cache, now) <= max_stale_ms;
}

bool cache_has_bound(const struct cache *cache, uint64_t enough, int64_t since)
{
    return enough > 0 && cache->bound.pages > 0 && cache->bound.count >= enough &&
           cache->bound_at >= since;
}

void cache_answer_fresh(const struct cache *cache, int64_t now, struct count_answer *answer)
{
    bool at_least = cache->value.at_least;

    *answer = (struct count_answer){.value = &cache->value,
        .quality = at_least ? QUALITY_AT_LEAST : QUALITY_EXACT,
        .age_ms = cache_age(cache, now),
        .failure = cache->value.is_partial && cache->failures > 0 ? cache_failure(cache) : NULL,
        .rate = at_least ? NULL : &cache->rate,
        .value_at = cache->value_at,
        .counted_by = cache->counted_by};
}

void cache_answer_bound(const struct cache *cache, int64_t now, struct count_answer *answer)
{
    *answer = (struct count_answer){.value = &cache->bound,
        .quality = QUALITY_AT_LEAST,
        .age_ms = saturating_subtract(now, cache->bound_at)};
}

void cache_answer_failed(const struct cache *cache, const struct failure *failure,
    int64_t max_stale_ms, int64_t now, struct count_answer *answer)
{
    *answer = (struct count_answer){.failure = failure};
    if (!cache_may_serve_stale(cache, max_stale_ms, now))
        return;
    answer->value = &cache->value;
    answer->quality = QUALITY_STALE;
    answer->counted_by = cache->counted_by;
    answer->age_ms = cache_age(cache, now);
}

void cache_answer_known(
    const struct cache *cache, int64_t max_age_ms, int64_t now, struct count_answer *answer)
{
    *answer = (struct count_answer){.value = NULL};
    if (cache->has_value)
        cache_answer_fresh(cache, now, answer);
    if (cache->has_value && !cache_is_fresh(cache, max_age_ms, now))
        answer->quality = QUALITY_STALE;
    answer->failure = cache->failures > 0 ? cache_failure(cache) : NULL;
}

/* ---- denials ---- */

static struct denial *entry_of(struct denials *denials, uint64_t key)
{
    return &denials->entries[key % DENIALS_ENTRIES];
}

const struct failure *denials_find(struct denials *denials, uint64_t key, int64_t now_ms)
{
    struct denial *denial = entry_of(denials, key);

    if (denial->key != key || now_ms >= denial->until)
        return NULL;
    denial->failure.retry_after_ms = denial->until - now_ms;
    return &denial->failure;
}

void denials_add(
    struct denials *denials, uint64_t key, const struct failure *failure, int64_t now_ms)
{
    struct denial *denial = entry_of(denials, key);

    if (denial->key == key && now_ms < denial->until)
        return; /* a concurrent request, denied too */
    denial->earlier = denial->key == key ? denial->earlier + 1 : 0;
    denial->key = key;
    denial->until = now_ms + backoff_refused_ms(denial->earlier);
    denial->failure = *failure;
}

void denials_forget(struct denials *denials, uint64_t key)
{
    struct denial *denial = entry_of(denials, key);

    if (denial->key == key)
        denial->key = 0;
}

/* ---- refresh ---- */

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
