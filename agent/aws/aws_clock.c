/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/aws/aws_clock.h"

#include "agent/fnv.h"
#include "proto/saturating.h"

#include <stddef.h>

/* ---- skews ---- */

static uint64_t hash_of(const char *host)
{
    return fnv_text(FNV_START, host) | 1; /* never 0 */
}

int64_t skews_offset(const struct skews *skews, const char *host, int64_t otherwise)
{
    uint64_t hash = hash_of(host);

    for (size_t i = 0; i < SKEWS_ENTRIES; i++)
        if (skews->entries[i].host == hash)
            return skews->entries[i].offset_ms;
    return otherwise;
}

void skews_learn(struct skews *skews, const char *host, int64_t offset_ms)
{
    uint64_t hash = hash_of(host);
    size_t at = 0;

    while (at < SKEWS_ENTRIES && skews->entries[at].host != hash)
        at++;
    if (at == SKEWS_ENTRIES)
        at = skews->next++ % SKEWS_ENTRIES;
    skews->entries[at] = (struct skew){.host = hash, .offset_ms = offset_ms};
}

/* ---- aws clock ---- */

/* A time that AWS can have: since the year in which DynamoDB began, and until far enough ahead that
 * the limit never needs a change. */
bool aws_clock_is_possible(int64_t wall_ms)
{
    return wall_ms >= AWS_CLOCK_FIRST_MS && wall_ms <= AWS_CLOCK_LAST_MS;
}

/* If the corrected time is not one that AWS can have, the offset is wrong, or this machine's clock
 * was set since. */
static int64_t shifted(int64_t now_ms, int64_t offset_ms)
{
    int64_t wall = saturating_add(now_ms, offset_ms);

    return aws_clock_is_possible(wall) ? wall : now_ms;
}

int64_t aws_clock_skew(const struct aws_clock *clock)
{
    return clock->offset_ms != 0 ? clock->offset_ms : clock->sts_offset_ms;
}

int64_t aws_clock_now(const struct aws_clock *clock, int64_t now_ms)
{
    return shifted(now_ms, clock->offset_ms);
}

int64_t aws_clock_now_at(
    const struct aws_clock *clock, const struct endpoint *endpoint, int64_t now_ms)
{
    return shifted(now_ms, skews_offset(&clock->hosts, endpoint->host, clock->offset_ms));
}

int64_t aws_clock_by_date(int64_t now_ms, int64_t elapsed_ms, int64_t date_ms)
{
    int64_t latest = saturating_add(saturating_add(date_ms, AWS_CLOCK_DATE_STEP_MS), elapsed_ms);

    if (!aws_clock_is_possible(date_ms))
        return now_ms;
    return now_ms < date_ms ? date_ms : now_ms > latest ? latest : now_ms;
}

bool aws_clock_refused(
    struct aws_clock *clock, const struct endpoint *endpoint, int64_t now_ms, int64_t date_ms)
{
    int64_t offset = saturating_subtract(date_ms, now_ms);

    if (!aws_clock_is_possible(date_ms))
        return false;
    skews_learn(&clock->hosts, endpoint->host, offset);
    if (!endpoint->own)
        clock->offset_ms = offset;
    return true;
}

void aws_clock_heard_sts(struct aws_clock *clock, int64_t now_ms, int64_t date_ms)
{
    if (aws_clock_is_possible(date_ms))
        clock->sts_offset_ms = saturating_subtract(date_ms, now_ms);
}

void aws_clock_check(struct aws_clock *clock, int64_t now_ms, int64_t expires_ms)
{
    if (expires_ms > shifted(now_ms, clock->offset_ms))
        return;
    if (expires_ms > now_ms)
        clock->offset_ms = 0;
    else if (expires_ms > shifted(now_ms, clock->sts_offset_ms))
        clock->offset_ms = clock->sts_offset_ms;
}
