/* SPDX-License-Identifier: Apache-2.0 */
/* Times as AWS writes them, by plain arithmetic: no time zone, no locale, no clock. */
#ifndef TALLY_AGENT_AWS_ISO8601_H
#define TALLY_AGENT_AWS_ISO8601_H

#include <stddef.h>
#include <stdint.h>

#define ISO8601_BASIC_SIZE sizeof("20260102T030405Z")

/* ISO 8601 UTC ("2026-01-02T03:04:05Z" or "…+00:00", with or without a fraction) -> wall clock
 * ms. 0, or -EINVAL for anything else. */
int iso8601_parse(const char *text, size_t len, int64_t *wall_ms);

/* The basic form, "20260102T030405Z". 0, or -ERANGE outside the years 1970 to 9999. */
int iso8601_basic(int64_t unix_seconds, char text[ISO8601_BASIC_SIZE]);

#endif
