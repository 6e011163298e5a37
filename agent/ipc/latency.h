/* SPDX-License-Identifier: Apache-2.0 */
/* Latency of answers: a histogram of microseconds with eight buckets per doubling, so that a
 * percentile is accurate to an eighth. Pure, of fixed size; the caller passes the time. */
#ifndef TALLY_AGENT_IPC_LATENCY_H
#define TALLY_AGENT_IPC_LATENCY_H

#include <stdint.h>

#define LATENCY_BUCKETS   256 /* up to 2^33 µs, over two hours */
#define LATENCY_WINDOW_US INT64_C(600000000)

struct latency_histogram { /* zeroed: no measurements */
    uint64_t samples;
    int64_t sum_us;
    int64_t max_us;
    uint64_t buckets[LATENCY_BUCKETS];
};

/* Zeroed: no measurements. Percentiles are reported for the last five to ten minutes, and a
 * histogram since the start. */
struct latency {
    int64_t current_since_us;
    int64_t previous_since_us; /* 0: no previous half */
    struct latency_histogram current;
    struct latency_histogram previous;
    struct latency_histogram older;
};

/* At now_us of the monotonic clock: adds `count` answers of this latency each. */
void latency_add(struct latency *latency, int64_t now_us, int64_t us, uint64_t count);

/* The recent measurements; returns since when, in µs of the monotonic clock (now_us: none). */
int64_t latency_lately(
    struct latency *latency, int64_t now_us, struct latency_histogram *histogram);

/* All measurements since the start. */
void latency_total(const struct latency *latency, struct latency_histogram *histogram);

/* The latency within which at least `share` (0 to 1) of all answers came, in µs; 0 without
 * measurements. */
int64_t latency_percentile(const struct latency_histogram *histogram, double share);

/* How many answers took less than 2^power µs (from 3 to 33). */
uint64_t latency_below(const struct latency_histogram *histogram, unsigned power);

#endif
