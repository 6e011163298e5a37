/* SPDX-License-Identifier: Apache-2.0 */
/* Sums and differences that saturate at the ends of int64_t. Every duration added to a time, and
 * every time subtracted from another, goes through these: a number from outside, however large, is
 * then a time that never comes, and not one in the past. */
#ifndef TALLY_PROTO_SATURATING_H
#define TALLY_PROTO_SATURATING_H

#include <stdint.h>

static inline int64_t saturating_add(int64_t a, int64_t b)
{
    int64_t sum;

    if (!__builtin_add_overflow(a, b, &sum))
        return sum;
    return b < 0 ? INT64_MIN : INT64_MAX;
}

static inline int64_t saturating_subtract(int64_t a, int64_t b)
{
    int64_t difference;

    if (!__builtin_sub_overflow(a, b, &difference))
        return difference;
    return b < 0 ? INT64_MAX : INT64_MIN;
}

#endif
