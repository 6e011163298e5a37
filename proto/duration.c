/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/duration.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int64_t milliseconds;
} units[] = {
    {"", 1},
    {"ms", 1},
    {"s", 1000},
    {"m", 60 * 1000},
    {"h", 60 * 60 * 1000},
};

bool duration_parse(const char *text, int64_t *milliseconds)
{
    int64_t number = 0;
    const char *at = text;

    for (; *at >= '0' && *at <= '9'; at++) {
        if (number > (INT64_MAX - 9) / 10)
            return false;
        number = number * 10 + (*at - '0');
    }
    if (at == text)
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(at, units[i].name) != 0)
            continue;
        if (number > DURATION_MAX_MS / units[i].milliseconds)
            return false;
        *milliseconds = number * units[i].milliseconds;
        return true;
    }
    return false;
}

static void format_pair(
    char *text, size_t size, int64_t large, const char *unit, int64_t small, const char *sub)
{
    if (small == 0)
        snprintf(text, size, "%" PRId64 " %s", large, unit);
    else
        snprintf(text, size, "%" PRId64 " %s %" PRId64 " %s", large, unit, small, sub);
}

void duration_format(int64_t milliseconds, char *text, size_t size)
{
    int64_t seconds = milliseconds / 1000;

    if (milliseconds < 1000)
        snprintf(text, size, "%" PRId64 " ms", milliseconds);
    else if (seconds < 10 && milliseconds % 1000 >= 100)
        snprintf(text, size, "%" PRId64 ".%" PRId64 " s", seconds, milliseconds % 1000 / 100);
    else if (seconds < 60)
        snprintf(text, size, "%" PRId64 " s", seconds);
    else if (seconds < 3600)
        format_pair(text, size, seconds / 60, "m", seconds % 60, "s");
    else if (seconds < 86400)
        format_pair(text, size, seconds / 3600, "h", seconds / 60 % 60, "m");
    else
        format_pair(text, size, seconds / 86400, "d", seconds / 3600 % 24, "h");
}
