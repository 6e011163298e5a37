/* SPDX-License-Identifier: Apache-2.0 */
/* How long answers took: a histogram of microseconds with eight steps to each doubling, so that
 * a percentile is right within an eighth. Pure, of fixed size; the time comes in. */
#ifndef TALLY_AGENT_IPC_LATENCY_H
#define TALLY_AGENT_IPC_LATENCY_H

#include <stdint.h>

#define LATENCY_BUCKETS   256 /* up to 2^33 µs, over two hours */
#define LATENCY_WINDOW_US INT64_C(600000000)

struct latency_histogram { /* zeroed: nothing was measured */
    uint64_t samples;
    int64_t sum_us;
    int64_t max_us;
    uint64_t buckets[LATENCY_BUCKETS];
};

/* Zeroed: nothing was measured. Percentiles are told of the last five to ten minutes, and a
 * histogram since the start. */
struct latency {
    int64_t current_since_us;
    int64_t previous_since_us; /* 0: there is none */
    struct latency_histogram current;
    struct latency_histogram previous;
    struct latency_histogram older;
};

/* At now_us of the monotonic clock: `count` answers took this long each. */
void latency_add(struct latency *latency, int64_t now_us, int64_t us, uint64_t count);

/* What was measured lately; returns since when, in µs of the monotonic clock (now_us: nothing was).
 */
int64_t latency_lately(
    struct latency *latency, int64_t now_us, struct latency_histogram *histogram);

/* What was measured since the start. */
void latency_total(const struct latency *latency, struct latency_histogram *histogram);

/* The time within which at least `share` (0 to 1) of all answers came, in µs; 0 where there are
 * none. */
int64_t latency_percentile(const struct latency_histogram *histogram, double share);

/* How many answers took less than 2^power µs (from 3 to 33). */
uint64_t latency_below(const struct latency_histogram *histogram, unsigned power);

#endif
