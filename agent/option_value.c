/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/option_value.h"

#include "proto/duration.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define UNITS_MAX    1e15
#define UNITS_DIGITS 40

#define SIZE_LEAST (64ul * 1024)
#define SIZE_MOST  (1024ul * 1024 * 1024)

/* The number at the start of the text: what follows it, or NULL. */
static const char *option_read_digits(const char *text, int base, unsigned long *number)
{
    char *end;

    if (*text < '0' || *text > '9')
        return NULL;
    errno = 0;
    *number = strtoul(text, &end, base);
    return errno == 0 ? end : NULL;
}

/* A whole number up to the end of the text. */
static bool read_number(const char *text, int base, unsigned long max, unsigned long *number)
{
    const char *end = option_read_digits(text, base, number);

    return end != NULL && *end == '\0' && *number <= max;
}

bool option_value_size(const char *text, size_t *size)
{
    unsigned long number, unit = 1;
    const char *end = option_read_digits(text, 10, &number);

    if (end == NULL || number > SIZE_MOST)
        return false;
    if (*end == 'K' || *end == 'k')
        unit = 1024, end++;
    else if (*end == 'M' || *end == 'm')
        unit = 1024 * 1024, end++;
    if (*end != '\0' || number > SIZE_MOST / unit || number * unit < SIZE_LEAST)
        return false;
    *size = number * unit;
    return true;
}

bool option_value_duration(const char *text, int64_t *ms)
{
    size_t len = strlen(text);

    if (!duration_parse(text, ms))
        return false;
    return *ms == 0 || text[len - 1] < '0' || text[len - 1] > '9';
}

bool option_value_units(const char *text, double *units)
{
    char *end = NULL;

    if (text[strspn(text, "0123456789.")] != '\0' || strlen(text) > UNITS_DIGITS)
        return false;
    *units = strtod(text, &end);
    return end != text && *end == '\0' && *units > 0 && *units <= UNITS_MAX;
}

bool option_value_mode(const char *text, mode_t *mode)
{
    unsigned long number;

    if (!read_number(text, 8, 0777, &number))
        return false;
    *mode = (mode_t)number;
    return true;
}

/* The largest number means "no id": it never belongs to a user. */
bool option_value_id(const char *text, uint32_t *id)
{
    unsigned long number;

    if (!read_number(text, 10, UINT32_MAX - 1, &number))
        return false;
    *id = (uint32_t)number;
    return true;
}

bool option_value_group(const char *text, gid_t *gid)
{
    const struct group *group;

    if (option_value_id(text, gid))
        return true;
    group = getgrnam(text);
    if (group != NULL)
        *gid = group->gr_gid;
    return group != NULL;
}

bool option_value_flag(const char *text, bool *flag)
{
    static const char *const yes[] = {"1", "true", "yes"};
    static const char *const no[] = {"", "0", "false", "no"};

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        if (strcasecmp(text, yes[i]) == 0)
            return *flag = true;
    *flag = false;
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        if (strcasecmp(text, no[i]) == 0)
            return true;
    return false;
}

bool option_value_level(const char *text, enum log_level *level)
{
    for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++) {
        if (strcasecmp(text, log_level_name((enum log_level)i)) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool option_value_format(const char *text, bool *is_json)
{
    *is_json = strcasecmp(text, "json") == 0;
    return *is_json || strcasecmp(text, "logfmt") == 0;
}
