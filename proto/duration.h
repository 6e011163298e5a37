/* SPDX-License-Identifier: Apache-2.0 */
/* Durations as people write them: 500, 250ms, 30s, 5m, 2h. */
#ifndef TALLY_PROTO_DURATION_H
#define TALLY_PROTO_DURATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The maximum of a duration from outside: 365 days, in hours 8760h. */
#define DURATION_MAX_MS (INT64_C(365) * 24 * 60 * 60 * 1000)

/* A bare number is milliseconds. False if the text is not a duration, or exceeds the maximum. */
bool duration_parse(const char *text, int64_t *milliseconds);

/* The shortest form that is precise enough: "340 ms", "12 s", "5 m 3 s", "2 h 10 m", "3 d 4 h". */
void duration_format(int64_t milliseconds, char *text, size_t size);

#endif
