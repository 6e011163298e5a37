/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/aws/retry.h"

#define REFUSED_FIRST_MS 10000
#define REFUSED_MOST_MS  60000

int64_t backoff_ms(int64_t first_ms, int64_t most_ms, uint32_t earlier)
{
    int64_t delay = first_ms < most_ms ? first_ms : most_ms;

    for (uint32_t i = 0; i < earlier && delay > 0 && delay < most_ms; i++)
        delay = delay <= most_ms / 2 ? delay * 2 : most_ms; /* the product does not overflow */
    return delay;
}

int64_t backoff_refused_ms(uint32_t earlier)
{
    return backoff_ms(REFUSED_FIRST_MS, REFUSED_MOST_MS, earlier);
}

/* ---- retry ---- */

static int retry_cost(enum aws_outcome outcome)
{
    return outcome == AWS_THROTTLED ? RETRY_COST_THROTTLE : RETRY_COST;
}

bool retry_allowed(const struct retry_patience *patience, unsigned attempts, int64_t begins_at)
{
    return attempts < patience->attempts || begins_at < patience->until;
}

void retry_quota_init(struct retry_quota *quota)
{
    quota->tokens = RETRY_QUOTA_TOKENS;
}

bool retry_quota_take(struct retry_quota *quota, enum aws_outcome outcome)
{
    if (quota->tokens < retry_cost(outcome))
        return false;
    quota->tokens -= retry_cost(outcome);
    return true;
}

void retry_quota_success(struct retry_quota *quota, unsigned retries, enum aws_outcome last)
{
    quota->tokens += retries > 0 ? retry_cost(last) : 1;
    if (quota->tokens > RETRY_QUOTA_TOKENS)
        quota->tokens = RETRY_QUOTA_TOKENS;
}

int64_t retry_after_parse(const char *text)
{
    int64_t ms = 0;

    for (; *text >= '0' && *text <= '9'; text++) {
        ms = ms * 10 + (*text - '0');
        if (ms > RETRY_AFTER_MAX_MS)
            return RETRY_AFTER_MAX_MS; /* before the next digit can overflow */
    }
    return ms;
}

int64_t retry_delay(enum aws_outcome outcome, unsigned attempt, int64_t base_ms,
    int64_t retry_after_ms, uint32_t random)
{
    int64_t base = outcome == AWS_THROTTLED ? RETRY_BASE_THROTTLE_MS : base_ms;
    int64_t most = backoff_ms(base, RETRY_CAP_MS, attempt);
    int64_t delay = (int64_t)(((uint64_t)most + 1) * random >> 32);

    if (retry_after_ms > delay + RETRY_AFTER_EXTRA_MS)
        return delay + RETRY_AFTER_EXTRA_MS;
    return retry_after_ms > delay ? retry_after_ms : delay;
}
