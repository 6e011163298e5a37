/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ipc/latency.h"

#define STEP_BITS 3 /* eight buckets per doubling */
#define STEPS     (1u << STEP_BITS)

/* Values below eight have a bucket each; above, the leading bit and the three behind it select the
 * bucket. */
static unsigned bucket_of(uint64_t us)
{
    unsigned top, bucket;

    if (us < STEPS)
        return (unsigned)us;
    top = 63u - (unsigned)__builtin_clzll(us);
    bucket = (top - STEP_BITS + 1) * STEPS + (unsigned)(us >> (top - STEP_BITS) & (STEPS - 1));
    return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

/* The largest value in the bucket. */
static int64_t upper_end(unsigned bucket)
{
    unsigned top = bucket / STEPS + STEP_BITS - 1;
    uint64_t step = bucket % STEPS;

    if (bucket < STEPS)
        return bucket;
    return (int64_t)((((uint64_t)1 << top) | (step << (top - STEP_BITS))) +
                     ((uint64_t)1 << (top - STEP_BITS)) - 1);
}

static int64_t saturating_add(int64_t sum, int64_t us, uint64_t count)
{
    int64_t product, result;

    if (__builtin_mul_overflow(us, count, &product) ||
        __builtin_add_overflow(sum, product, &result))
        return INT64_MAX;
    return result;
}

static void histogram_merge(struct latency_histogram *sum, const struct latency_histogram *other)
{
    if (other->samples == 0)
        return;
    sum->samples += other->samples;
    sum->sum_us = saturating_add(sum->sum_us, other->sum_us, 1);
    if (other->max_us > sum->max_us)
        sum->max_us = other->max_us;
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
        sum->buckets[i] += other->buckets[i];
}

/* Starts a new half of the window when the present one is full. */
static void latency_turn(struct latency *latency, int64_t now_us)
{
    int64_t age = now_us - latency->current_since_us;

    if (latency->current_since_us != 0 && age < LATENCY_WINDOW_US / 2)
        return;
    histogram_merge(&latency->older, &latency->previous);
    latency->previous = latency->current;
    latency->previous_since_us = latency->current_since_us;
    latency->current = (struct latency_histogram){0};
    latency->current_since_us = now_us;
    if (age >= LATENCY_WINDOW_US) { /* the current half has expired, too */
        histogram_merge(&latency->older, &latency->previous);
        latency->previous = (struct latency_histogram){0};
        latency->previous_since_us = 0;
    }
}

void latency_add(struct latency *latency, int64_t now_us, int64_t us, uint64_t count)
{
    struct latency_histogram *histogram = &latency->current;

    latency_turn(latency, now_us);
    if (us < 0)
        us = 0;
    histogram->samples += count;
    histogram->buckets[bucket_of((uint64_t)us)] += count;
    histogram->sum_us = saturating_add(histogram->sum_us, us, count);
    if (count > 0 && us > histogram->max_us)
        histogram->max_us = us;
}

int64_t latency_lately(struct latency *latency, int64_t now_us, struct latency_histogram *histogram)
{
    latency_turn(latency, now_us);
    *histogram = latency->previous;
    histogram_merge(histogram, &latency->current);
    return latency->previous_since_us != 0 ? latency->previous_since_us : latency->current_since_us;
}

void latency_total(const struct latency *latency, struct latency_histogram *histogram)
{
    *histogram = latency->older;
    histogram_merge(histogram, &latency->previous);
    histogram_merge(histogram, &latency->current);
}

int64_t latency_percentile(const struct latency_histogram *histogram, double share)
{
    double exact = (double)histogram->samples * share;
    uint64_t wanted = (uint64_t)exact;
    uint64_t seen = 0;

    if (histogram->samples == 0)
        return 0;
    if ((double)wanted < exact || wanted < 1)
        wanted++; /* 99 % of 5 answers is all 5 */
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen >= wanted)
            return upper_end(i) < histogram->max_us ? upper_end(i) : histogram->max_us;
    }
    return histogram->max_us;
}

uint64_t latency_below(const struct latency_histogram *histogram, unsigned power)
{
    uint64_t seen = 0;

    for (unsigned i = 0; i < bucket_of(UINT64_C(1) << power); i++)
        seen += histogram->buckets[i];
    return seen;
}
