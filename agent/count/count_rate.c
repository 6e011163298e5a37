/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/count/count_rate.h"

#include "proto/saturating.h"

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
