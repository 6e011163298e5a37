/* SPDX-License-Identifier: Apache-2.0 */
/* AWS's time: how far the clocks of the endpoints are from this machine's, and times as AWS writes
 * them. Fixed memory; reads no clock. */
#ifndef TALLY_AGENT_AWS_AWS_CLOCK_H
#define TALLY_AGENT_AWS_AWS_CLOCK_H

#include "agent/endpoint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- skews ---- */

/* Clock offsets between this machine and the endpoints that requests are signed for. An offset is
 * learned from a refusal, for the refusing host only: one endpoint's wrong clock is not AWS's
 * clock. */

#define SKEWS_ENTRIES 16

struct skews { /* zeroed: nothing is known */
    struct skew {
        uint64_t host; /* a hash of it; 0: none */
        int64_t offset_ms;
    } entries[SKEWS_ENTRIES];
    unsigned next; /* replaced next when the table is full */
};

/* The offset to add to this machine's clock for the host; `otherwise` if it is not known. */
int64_t skews_offset(const struct skews *skews, const char *host, int64_t otherwise);

void skews_learn(struct skews *skews, const char *host, int64_t offset_ms);

/* ---- aws clock ---- */

/* The time at the endpoints that requests are signed for: this machine's clock plus the offset from
 * their replies. Pure: this machine's time and the reply's Date come in, in ms. */

/* A Date outside this range does not come from AWS and is ignored: 2012 and 2100, both in UTC. */
#define AWS_CLOCK_FIRST_MS INT64_C(1325376000000)
#define AWS_CLOCK_LAST_MS  INT64_C(4102444800000)

struct aws_clock {         /* zeroed: this machine's clock is right */
    int64_t offset_ms;     /* AWS's clock */
    int64_t sts_offset_ms; /* from STS's latest reply; 0: not known */
    struct skews hosts;
};

/* How far AWS's clock is ahead of this machine's, learned from a refusal, or else from STS's latest
 * reply; 0 if not known. */
int64_t aws_clock_skew(const struct aws_clock *clock);

/* AWS's time, and this endpoint's time, which is used to sign requests to it. */
int64_t aws_clock_now(const struct aws_clock *clock, int64_t now_ms);
int64_t aws_clock_now_at(
    const struct aws_clock *clock, const struct endpoint *endpoint, int64_t now_ms);

/* Whether AWS can have this time: what is no such Date says nothing. */
bool aws_clock_is_possible(int64_t date_ms);

/* AWS's time now, by the Date of a reply whose request was sent elapsed_ms ago: this machine's time
 * where it fits the Date, else the nearest that does. Date has whole seconds; 0: the reply had
 * none. */
#define AWS_CLOCK_DATE_STEP_MS 1000
int64_t aws_clock_by_date(int64_t now_ms, int64_t elapsed_ms, int64_t date_ms);

/* The endpoint refused our time and reports this one. A non-AWS endpoint does not change AWS's
 * offset. False: AWS cannot have this time (0: the reply had no Date), and nothing was learned. */
bool aws_clock_refused(
    struct aws_clock *clock, const struct endpoint *endpoint, int64_t now_ms, int64_t date_ms);

/* Any reply of STS, success or error; 0: without a Date. */
void aws_clock_heard_sts(struct aws_clock *clock, int64_t now_ms, int64_t date_ms);

/* The expiry of newly received credentials: see aws_client_check_clock. */
void aws_clock_check(struct aws_clock *clock, int64_t now_ms, int64_t expires_ms);

/* ---- iso8601 ---- */

/* Times as AWS writes them, by plain arithmetic: no time zone, no locale, no clock. */

#define ISO8601_BASIC_SIZE sizeof("20260102T030405Z")

/* ISO 8601 UTC ("2026-01-02T03:04:05Z" or "…+00:00", with or without a fraction) -> wall clock
 * ms. 0, or -EINVAL for anything else. */
int iso8601_parse(const char *text, size_t len, int64_t *wall_ms);

/* The basic form, "20260102T030405Z". 0, or -ERANGE outside the years 1970 to 9999. */
int iso8601_basic(int64_t unix_seconds, char text[ISO8601_BASIC_SIZE]);

#endif
