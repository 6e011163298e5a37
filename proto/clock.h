/* SPDX-License-Identifier: Apache-2.0 */
/* The monotonic clock: the unit of every deadline of the library and of the command is 1 ms. */
#ifndef TALLY_PROTO_CLOCK_H
#define TALLY_PROTO_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline int64_t clock_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

#endif
