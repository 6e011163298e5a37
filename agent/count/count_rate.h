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

#endif
