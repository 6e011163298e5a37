/* SPDX-License-Identifier: Apache-2.0 */
/* How fast a trigger's count changes, from its exact counts alone: the difference between the
 * latest count and one that is a window to two windows older. Pure: times are parameters in ms. */
#ifndef TALLY_AGENT_COUNT_COUNT_RATE_H
#define TALLY_AGENT_COUNT_COUNT_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct count_sample {
    uint64_t count;
    int64_t at; /* 0: none */
};

struct count_rate { /* zeroed: nothing is known */
    struct count_sample base, next, latest;
};

/* An exact count; one that is not newer than the latest is passed over. */
void count_rate_add(struct count_rate *rate, uint64_t count, int64_t at, int64_t window_ms);

/* The net change of items in a second, and the time that it was measured over, which ends with the
 * latest count. False: there are no two counts far enough apart. */
bool count_rate_get(const struct count_rate *rate, double *per_s, int64_t *over_ms);

/* At this rate: when the count reaches 0, in ms from the latest count on; -1: it does not fall. */
int64_t count_rate_empty_in_ms(uint64_t count, double per_s);

#endif
