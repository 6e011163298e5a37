/* SPDX-License-Identifier: Apache-2.0 */
/* Durations as people write them: 500, 250ms, 30s, 5m, 2h. */
#ifndef TALLY_PROTO_DURATION_H
#define TALLY_PROTO_DURATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No duration from outside is longer: 365 days, in hours 8760h. */
#define DURATION_MAX_MS (INT64_C(365) * 24 * 60 * 60 * 1000)

/* A bare number is milliseconds. False where the text is no duration, or a longer one. */
bool duration_parse(const char *text, int64_t *milliseconds);

/* The shortest form that tells enough: "340 ms", "12 s", "5 m 3 s", "2 h 10 m", "3 d 4 h". */
void duration_format(int64_t milliseconds, char *text, size_t size);

#endif
