/* SPDX-License-Identifier: Apache-2.0 */
/* By how much the clocks of those we sign for differ from this machine's. A refusal teaches it, for
 * the host that refused alone: what one odd endpoint takes for the time is not AWS's clock. Fixed
 * memory; sees no clock. */
#ifndef TALLY_AGENT_AWS_AWS_CLOCK_H
#define TALLY_AGENT_AWS_AWS_CLOCK_H

#include "agent/endpoint.h"

#include <stdbool.h>
#include <stdint.h>

#define SKEWS_ENTRIES 16

struct skews { /* zeroed: nothing is known */
    struct skew {
        uint64_t host; /* a hash of it; 0: none */
        int64_t offset_ms;
    } entries[SKEWS_ENTRIES];
    unsigned next; /* to be replaced, where there is no other room */
};

/* What is to be added to this machine's clock for the host; `otherwise` where it is not known. */
int64_t skews_offset(const struct skews *skews, const char *host, int64_t otherwise);

void skews_learn(struct skews *skews, const char *host, int64_t offset_ms);

/* The time as those have it that we sign for: this machine's, and what their replies taught of how
 * far it is off. Pure: this machine's time and the reply's Date come in, both in milliseconds. */

/* A Date outside of these is none of AWS, and teaches nothing: 2012 and 2100, both in UTC. */
#define AWS_CLOCK_FIRST_MS INT64_C(1325376000000)
#define AWS_CLOCK_LAST_MS  INT64_C(4102444800000)

struct aws_clock {         /* zeroed: this machine's is right */
    int64_t offset_ms;     /* AWS's clock */
    int64_t sts_offset_ms; /* and as STS's latest reply had it; 0: not known */
    struct skews hosts;
};

/* By how much AWS's time is ahead of this machine's, as far as it was learned by a refusal, or else
 * by STS's latest reply; 0 where nothing is known. */
int64_t aws_clock_skew(const struct aws_clock *clock);

/* AWS's time, and that of this endpoint, by which what goes there is signed. */
int64_t aws_clock_now(const struct aws_clock *clock, int64_t now_ms);
int64_t aws_clock_now_at(
    const struct aws_clock *clock, const struct endpoint *endpoint, int64_t now_ms);

/* The endpoint refused our time, and its own is this. What is not AWS's says nothing of AWS. False:
 * this is no time that AWS can have (0: the reply had no Date), and nothing was learned. */
bool aws_clock_refused(
    struct aws_clock *clock, const struct endpoint *endpoint, int64_t now_ms, int64_t date_ms);

/* A reply of STS, whatever it said; 0: without a Date. */
void aws_clock_heard_sts(struct aws_clock *clock, int64_t now_ms, int64_t date_ms);

/* Credentials that have just come expire then: see aws_client_check_clock. */
void aws_clock_check(struct aws_clock *clock, int64_t now_ms, int64_t expires_ms);

#endif
