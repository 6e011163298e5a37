/* SPDX-License-Identifier: Apache-2.0 */
/* How long to wait before asking again, and whether at all: the standard mode of AWS's SDKs as
 * they agreed on it in 2026 (botocore's retries/standard.py, mode 2.1: base delays, costs and
 * the limits of x-amz-retry-after). Pure: randomness comes in. */
#ifndef TALLY_AGENT_AWS_RETRY_H
#define TALLY_AGENT_AWS_RETRY_H

#include "agent/aws/aws_error.h"

#include <stdbool.h>
#include <stdint.h>

#define RETRY_BASE_DYNAMODB_MS 25
#define RETRY_BASE_MS          50
#define RETRY_BASE_THROTTLE_MS 1000
#define RETRY_CAP_MS           20000
#define RETRY_AFTER_MAX_MS     3600000 /* the most that a reply can ask for */
#define RETRY_AFTER_EXTRA_MS   5000 /* how much longer than our own delay a service may ask for */

/* How long the one who wants a result lets it be tried: kept up to date there, read here before
 * each wait. One more attempt is made while fewer than `attempts` were, or where it begins before
 * `until` (loop_now). */
struct retry_patience {
    int64_t until;
    unsigned attempts;
};
bool retry_allowed(const struct retry_patience *patience, unsigned attempts, int64_t begins_at);

#define RETRY_QUOTA_TOKENS  500
#define RETRY_COST          14
#define RETRY_COST_THROTTLE 5

/* Shared by all requests to one service: retries draw from it, so that they cannot multiply an
 * outage; successes pay back. */
struct retry_quota {
    int tokens;
};
void retry_quota_init(struct retry_quota *quota);

/* Takes the price of one retry; false: the quota is used up, do not retry now. */
bool retry_quota_take(struct retry_quota *quota, enum aws_outcome outcome);

/* A request succeeded after `retries` paid retries: the price of the last one, which followed
 * the outcome `last`, comes back; without any (0: at once), a token does. */
void retry_quota_success(struct retry_quota *quota, unsigned retries, enum aws_outcome last);

/* The milliseconds of x-amz-retry-after: at most RETRY_AFTER_MAX_MS; 0 where it is no number. */
int64_t retry_after_parse(const char *text);

/* Full jitter: uniform in [0, min(cap, base * 2^attempt)]; attempt counts from 0. A throttle has
 * its own base. retry_after_ms (the service's own word, 0: none) is a floor, as far as it is not
 * more than RETRY_AFTER_EXTRA_MS above. `random` is uniform 32 bits. */
int64_t retry_delay(enum aws_outcome outcome, unsigned attempt, int64_t base_ms,
    int64_t retry_after_ms, uint32_t random);

#endif
