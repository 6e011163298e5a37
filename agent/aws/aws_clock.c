/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/aws/aws_clock.h"

#include "agent/fnv.h"
#include "proto/saturating.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

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
static int64_t aws_clock_shift(int64_t now_ms, int64_t offset_ms)
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
    return aws_clock_shift(now_ms, clock->offset_ms);
}

int64_t aws_clock_now_at(
    const struct aws_clock *clock, const struct endpoint *endpoint, int64_t now_ms)
{
    return aws_clock_shift(now_ms, skews_offset(&clock->hosts, endpoint->host, clock->offset_ms));
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
    if (expires_ms > aws_clock_shift(now_ms, clock->offset_ms))
        return;
    if (expires_ms > now_ms)
        clock->offset_ms = 0;
    else if (expires_ms > aws_clock_shift(now_ms, clock->sts_offset_ms))
        clock->offset_ms = clock->sts_offset_ms;
}

/* ---- iso8601 ---- */

#define DAY_SECONDS 86400

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* Days from 1970-01-01 to the first of January of `year`, which is at least 1. */
static int64_t days_to_year(int year)
{
    int64_t before = year - 1;

    return before * 365 + before / 4 - before / 100 + before / 400 - 719162;
}

/* Reads exactly `count` digits at *at and advances; false if there are other characters. */
static bool iso8601_read_digits(const char **at, const char *end, int count, int *value)
{
    if (end - *at < count)
        return false;
    *value = 0;
    for (int i = 0; i < count; i++, (*at)++) {
        if (**at < '0' || **at > '9')
            return false;
        *value = *value * 10 + (**at - '0');
    }
    return true;
}

static bool read_char(const char **at, const char *end, char wanted)
{
    if (*at == end || **at != wanted)
        return false;
    (*at)++;
    return true;
}

/* ".1" to ".123456789", or nothing: in milliseconds. */
static bool read_fraction(const char **at, const char *end, int *ms)
{
    int digits = 0;
    int digit;

    *ms = 0;
    if (!read_char(at, end, '.'))
        return true;
    for (; digits < 9 && iso8601_read_digits(at, end, 1, &digit); digits++)
        if (digits < 3)
            *ms = *ms * 10 + digit;
    for (int i = digits; i < 3; i++)
        *ms *= 10;
    return digits > 0;
}

int iso8601_parse(const char *text, size_t len, int64_t *wall_ms)
{
    const char *at = text;
    const char *end = text + len;
    int year, month, day, hour, minute, second, ms;
    int64_t days;

    if (!iso8601_read_digits(&at, end, 4, &year) || !read_char(&at, end, '-') ||
        !iso8601_read_digits(&at, end, 2, &month) || !read_char(&at, end, '-') ||
        !iso8601_read_digits(&at, end, 2, &day) || !read_char(&at, end, 'T') ||
        !iso8601_read_digits(&at, end, 2, &hour) || !read_char(&at, end, ':') ||
        !iso8601_read_digits(&at, end, 2, &minute) || !read_char(&at, end, ':') ||
        !iso8601_read_digits(&at, end, 2, &second) || !read_fraction(&at, end, &ms))
        return -EINVAL;
    if (!(end - at == 1 && *at == 'Z') && !(end - at == 6 && memcmp(at, "+00:00", 6) == 0))
        return -EINVAL;
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_of_month(year, month) ||
        hour > 23 || minute > 59 || second > 59)
        return -EINVAL;

    days = days_to_year(year) + day - 1;
    for (int m = 1; m < month; m++)
        days += days_of_month(year, m);
    *wall_ms = (days * DAY_SECONDS + hour * 3600 + minute * 60 + second) * 1000 + ms;
    return 0;
}

/* Returns the position after them. */
static char *write_digits(char *to, int count, int value)
{
    for (int i = count - 1; i >= 0; i--, value /= 10)
        to[i] = (char)('0' + value % 10);
    return to + count;
}

int iso8601_basic(int64_t unix_seconds, char text[ISO8601_BASIC_SIZE])
{
    int64_t days = unix_seconds / DAY_SECONDS;
    int second = (int)(unix_seconds % DAY_SECONDS);
    int year, month;

    if (unix_seconds < 0 || days >= days_to_year(10000))
        return -ERANGE;
    year = 1970 + (int)(days / 366); /* an estimate, never too late */
    while (days_to_year(year + 1) <= days)
        year++;
    days -= days_to_year(year);
    for (month = 1; days >= days_of_month(year, month); month++)
        days -= days_of_month(year, month);
    text = write_digits(text, 4, year);
    text = write_digits(text, 2, month);
    text = write_digits(text, 2, (int)days + 1);
    *text++ = 'T';
    text = write_digits(text, 2, second / 3600);
    text = write_digits(text, 2, second / 60 % 60);
    text = write_digits(text, 2, second % 60);
    *text++ = 'Z';
    *text = '\0';
    return 0;
}
