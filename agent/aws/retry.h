/* SPDX-License-Identifier: Apache-2.0 */
/* Whether to retry, and the backoff before it: the standard mode that AWS's SDKs share since 2026
 * (botocore's retries/standard.py, mode 2.1: base delays, costs and the limits of
 * x-amz-retry-after). Pure: randomness comes in. */
#ifndef TALLY_AGENT_AWS_RETRY_H
#define TALLY_AGENT_AWS_RETRY_H

#include "agent/aws/aws_error.h"

#include <stdbool.h>
#include <stdint.h>

/* ---- backoff ---- */

/* Backoff delays, which grow with each consecutive failure. */

/* After a failure: first_ms, doubled for each earlier consecutive failure, at most most_ms. */
int64_t backoff_ms(int64_t first_ms, int64_t most_ms, uint32_t earlier);

/* After a refusal: 10 s, doubling to 60 s. For that time the refusal itself is the answer: a retry
 * cannot succeed until a policy changes. */
int64_t backoff_refused_ms(uint32_t earlier);

/* ---- retry ---- */

#define RETRY_BASE_DYNAMODB_MS 25
#define RETRY_BASE_MS          50
#define RETRY_BASE_THROTTLE_MS 1000
#define RETRY_CAP_MS           20000
#define RETRY_AFTER_MAX_MS     3600000 /* the longest delay that a reply can request */
#define RETRY_AFTER_EXTRA_MS   5000    /* how much more than our own delay a service may request */

/* How long the caller accepts retries: the caller updates it, and it is read here before each wait.
 * Another attempt starts while fewer than `attempts` were made, or if it begins before `until`
 * (loop_now). */
struct retry_patience {
    int64_t until;
    unsigned attempts;
};
bool retry_allowed(const struct retry_patience *patience, unsigned attempts, int64_t begins_at);

#define RETRY_QUOTA_TOKENS  500
#define RETRY_COST          14
#define RETRY_COST_THROTTLE 5

/* Shared by all requests to one service: retries take tokens, so that they cannot amplify an
 * outage; successes return tokens. */
struct retry_quota {
    int tokens;
};
void retry_quota_init(struct retry_quota *quota);

/* Takes the tokens of one retry; false: the quota is used up, do not retry now. */
bool retry_quota_take(struct retry_quota *quota, enum aws_outcome outcome);

/* A request succeeded after `retries` paid retries: returns the tokens of the last one, which
 * followed the outcome `last`; without retries (0), returns one token. */
void retry_quota_success(struct retry_quota *quota, unsigned retries, enum aws_outcome last);

/* The milliseconds of x-amz-retry-after: at most RETRY_AFTER_MAX_MS; 0 if it is not a number. */
int64_t retry_after_parse(const char *text);

/* Full jitter: uniform in [0, min(cap, base * 2^attempt)]; attempt counts from 0. A throttle has
 * its own base. retry_after_ms (requested by the service, 0: none) is a minimum, capped at
 * RETRY_AFTER_EXTRA_MS above our delay. `random` is uniform 32 bits. */
int64_t retry_delay(enum aws_outcome outcome, unsigned attempt, int64_t base_ms,
    int64_t retry_after_ms, uint32_t random);

#endif
