#include "agent/ipc/latency.h"

#define STEP_BITS 3 /* eight steps to a doubling */
#define STEPS     (1u << STEP_BITS)

/* Below eight each number has a bucket of its own; above, its leading bit and the three behind it
 * decide. */
static unsigned bucket_of(uint64_t us)
{
    unsigned top, bucket;

    if (us < STEPS)
        return (unsigned)us;
    top = 63u - (unsigned)__builtin_clzll(us);
    bucket = (top - STEP_BITS + 1) * STEPS + (unsigned)(us >> (top - STEP_BITS) & (STEPS - 1));
    return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

/* The largest number that falls into the bucket. */
static int64_t upper_end(unsigned bucket)
{
    unsigned top = bucket / STEPS + STEP_BITS - 1;
    uint64_t step = bucket % STEPS;

    if (bucket < STEPS)
        return bucket;
    return (int64_t)((((uint64_t)1 << top) | (step << (top - STEP_BITS))) +
                     ((uint64_t)1 << (top - STEP_BITS)) - 1);
}

void latency_add(struct latency *latency, int64_t us, uint64_t count)
{
    if (us < 0)
        us = 0;
    latency->samples += count;
    latency->buckets[bucket_of((uint64_t)us)] += count;
    if (count > 0 && us > latency->max_us)
        latency->max_us = us;
}

int64_t latency_percentile(const struct latency *latency, double share)
{
    uint64_t wanted = (uint64_t)((double)latency->samples * share);
    uint64_t seen = 0;

    if (latency->samples == 0)
        return 0;
    if (wanted < 1)
        wanted = 1;
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        seen += latency->buckets[i];
        if (seen >= wanted)
            return upper_end(i) < latency->max_us ? upper_end(i) : latency->max_us;
    }
    return latency->max_us;
}
