/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/backoff.h"

#define REFUSED_FIRST_MS 10000
#define REFUSED_MOST_MS  60000

int64_t backoff_ms(int64_t first_ms, int64_t most_ms, uint32_t earlier)
{
    int64_t delay = first_ms < most_ms ? first_ms : most_ms;

    for (uint32_t i = 0; i < earlier && delay > 0 && delay < most_ms; i++)
        delay = delay <= most_ms / 2 ? delay * 2 : most_ms; /* the product does not overflow */
    return delay;
}

int64_t backoff_refused_ms(uint32_t earlier)
{
    return backoff_ms(REFUSED_FIRST_MS, REFUSED_MOST_MS, earlier);
}
