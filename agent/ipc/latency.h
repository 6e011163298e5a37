/* How long answers took: a histogram of microseconds with eight steps to each doubling, so that
 * a percentile is right within an eighth. Pure, of fixed size. */
#ifndef TALLY_AGENT_IPC_LATENCY_H
#define TALLY_AGENT_IPC_LATENCY_H

#include <stdint.h>

#define LATENCY_BUCKETS 256 /* up to 2^33 µs, over two hours */

struct latency {
    uint64_t samples;
    int64_t max_us;
    uint64_t buckets[LATENCY_BUCKETS];
};

/* `count` answers took this long each. */
void latency_add(struct latency *latency, int64_t us, uint64_t count);

/* The time within which `share` (0 to 1) of all answers came, in µs; 0 where there are none. */
int64_t latency_percentile(const struct latency *latency, double share);

#endif
