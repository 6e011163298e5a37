/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of one trigger: the last good count, the last lower bound, how fast the counts change,
 * and the failures since; and the answers that these are good for. Pure: the time is a
 * parameter, in milliseconds: for the value's age of a clock that runs during suspend, for failures
 * of the timers' clock. */
#ifndef TALLY_AGENT_COUNT_CACHE_H
#define TALLY_AGENT_COUNT_CACHE_H

#include "proto/buffer.h"
#include "proto/errors.h"

#include <stdbool.h>
#include <stdint.h>

/* ---- rate ---- */

/* How fast a trigger's count changes, from its exact counts alone: the difference between the
 * latest count and one that is a window to two windows older. Times are in ms. */

struct count_sample {
    uint64_t count;
    int64_t at; /* 0: none */
};

struct count_rate { /* zeroed: nothing is known */
    struct count_sample base, next;
};

/* An exact count; one that is not newer than those before is passed over. */
void count_rate_add(struct count_rate *rate, uint64_t count, int64_t at, int64_t window_ms);

/* The net change of items in a second up to this count, the latest, and the time that it was
 * measured over. False: no earlier count is far enough away. */
bool count_rate_get(
    const struct count_rate *rate, uint64_t count, int64_t at, double *per_s, int64_t *over_ms);

/* At this rate: when the count reaches 0, in ms from the latest count on; -1: it does not fall. */
int64_t count_rate_empty_in_ms(uint64_t count, double per_s);

/* ---- cache ---- */

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

enum count_quality { QUALITY_EXACT, QUALITY_AT_LEAST, QUALITY_STALE };
const char *count_quality_name(enum count_quality quality); /* as in the protocol */

/* Buffer of the cache in which a caller may cache the packed answer. */
struct kept_answer {
    struct buffer bytes; /* emptied whenever anything but the age changes */
    size_t age_at;       /* offset of the age in them */
};

/* All borrowed for the callback. */
struct count_answer {
    const struct trigger *trigger;
    const struct count_value *value; /* NULL: there is none, `failure` says why */
    enum count_quality quality;
    int64_t age_ms;
    const struct failure *failure; /* with a value: why it is not fresher, or NULL */
    bool fallback;                 /* more failures in a row than the trigger's threshold */
    struct kept_answer *packed;    /* of this answer; NULL: it is not to be cached */
    const struct page_log *pages;  /* of this value; NULL: they are no longer known */
    const struct count_rate *rate; /* of exact counts; NULL: this one is not exact; else with: */
    int64_t value_at;              /* the time of the value, for the rate */
    const char *counted_by;        /* the agent of the fleet that counted; NULL: this one */
};

struct cache {
    bool has_value;
    bool refused; /* until not_before, the failure itself is the answer */
    struct count_value value;
    int64_t value_at;         /* when its last page arrived */
    uint32_t failures;        /* failed flights in a row, */
    uint32_t overruns;        /* and those in a row that ended at the flight timeout */
    struct failure *failure;  /* the last one; large and rare, so it is usually NULL */
    int64_t not_before;       /* no new flight starts earlier */
    struct count_value bound; /* the last lower bound, which is no count; pages 0: none */
    int64_t bound_at;         /* when it was counted */
    struct count_rate rate;   /* of the exact counts */
    char *counted_by; /* the agent of the fleet that counted the value; owned; NULL: this one */
    struct kept_answer packed; /* of the fresh answer */
};

void cache_init(struct cache *cache);
void cache_clear(struct cache *cache);

/* counted_by: the agent of the fleet that counted the value; copied. */
void cache_store(
    struct cache *cache, const struct count_value *value, const char *counted_by, int64_t at);
void cache_store_bound(struct cache *cache, const struct count_value *value, int64_t now);

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

/* A reload may have fixed the cause of a refusal. */
void cache_forget_refusal(struct cache *cache);

/* Counts of the whole are refused for a while, because they took too long. */
bool cache_overran(const struct cache *cache);

/* The last failure, where failures > 0; borrowed until the next store or fail. */
const struct failure *cache_failure(const struct cache *cache);

int64_t cache_age(const struct cache *cache, int64_t now);
bool cache_is_fresh(const struct cache *cache, int64_t max_age_ms, int64_t now);

/* Whether a value that is not fresh may still be answered, marked stale. */
bool cache_may_serve_stale(const struct cache *cache, int64_t max_stale_ms, int64_t now);

/* Whether the lower bound, counted at `since` or later, reaches what is enough. */
bool cache_has_bound(const struct cache *cache, uint64_t enough, int64_t since);

/* Answers, without what the cache does not know: the trigger, its fallback, its pages. The value as
 * it is; the lower bound; the value marked stale if that may be, else the failure, which is
 * borrowed; or what is known, which is fresh up to max_age_ms. */
void cache_answer_fresh(const struct cache *cache, int64_t now, struct count_answer *answer);
void cache_answer_bound(const struct cache *cache, int64_t now, struct count_answer *answer);
void cache_answer_failed(const struct cache *cache, const struct failure *failure,
    int64_t max_stale_ms, int64_t now, struct count_answer *answer);
void cache_answer_known(
    const struct cache *cache, int64_t max_age_ms, int64_t now, struct count_answer *answer);

/* ---- denials ---- */

/* Recent AWS denials of ad-hoc requests, which no trigger describes, so that clients cannot repeat
 * them to AWS without limit. Fixed memory; reads no clock. */

#define DENIALS_ENTRIES 16

struct denials { /* zeroed: nothing was denied */
    struct denial {
        uint64_t key; /* of the request; 0: none */
        int64_t until;
        uint32_t earlier; /* earlier denials in the same row */
        struct failure failure;
    } entries[DENIALS_ENTRIES];
};

/* The denial that still applies, and for how long; or NULL. Borrowed until the next change. */
const struct failure *denials_find(struct denials *denials, uint64_t key, int64_t now_ms);

/* Records a denial: it is the answer for backoff_refused_ms. Of two that share an entry the later
 * one stays. */
void denials_add(
    struct denials *denials, uint64_t key, const struct failure *failure, int64_t now_ms);

/* Records that AWS allowed the request. */
void denials_forget(struct denials *denials, uint64_t key);

/* ---- refresh ---- */

/* When the count of a warm or watched trigger is made again, without a request. Pure: now_ms is of
 * the timers' clock, age_now_ms of the clock of the value's age. */

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
