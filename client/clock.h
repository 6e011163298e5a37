/* SPDX-License-Identifier: Apache-2.0 */
/* Milliseconds of the monotonic clock: the unit of every deadline of the library. */
#ifndef TALLY_CLIENT_CLOCK_H
#define TALLY_CLIENT_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif
