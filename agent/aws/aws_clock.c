#include "agent/aws/aws_clock.h"

int64_t aws_clock_now(const struct aws_clock *clock, int64_t now_ms)
{
    return now_ms + clock->offset_ms;
}

int64_t aws_clock_now_at(
    const struct aws_clock *clock, const struct endpoint *endpoint, int64_t now_ms)
{
    return now_ms + skews_offset(&clock->hosts, endpoint->host, clock->offset_ms);
}

void aws_clock_refused(
    struct aws_clock *clock, const struct endpoint *endpoint, int64_t now_ms, int64_t date_ms)
{
    int64_t offset = date_ms - now_ms;

    skews_learn(&clock->hosts, endpoint->host, offset);
    if (!endpoint->own)
        clock->offset_ms = offset;
}

void aws_clock_heard_sts(struct aws_clock *clock, int64_t now_ms, int64_t date_ms)
{
    clock->sts_offset_ms = date_ms - now_ms;
}

void aws_clock_check(struct aws_clock *clock, int64_t now_ms, int64_t expires_ms)
{
    if (expires_ms > now_ms + clock->offset_ms)
        return;
    if (expires_ms > now_ms)
        clock->offset_ms = 0;
    else if (expires_ms > now_ms + clock->sts_offset_ms)
        clock->offset_ms = clock->sts_offset_ms;
}
