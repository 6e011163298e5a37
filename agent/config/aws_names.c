/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config/aws_names.h"

#include <string.h>

#define LOWER             "abcdefghijklmnopqrstuvwxyz"
#define DIGIT             "0123456789"
#define ALNUM             LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGIT
#define DYNAMODB_NAME_MIN 3
#define DYNAMODB_NAME_MAX 255
#define ACCOUNT           12 /* digits */

bool dynamodb_name_is_valid(const char *name)
{
    size_t len = strlen(name);
    return len >= DYNAMODB_NAME_MIN && len <= DYNAMODB_NAME_MAX && strspn(name, ALNUM "_.-") == len;
}

/* One of the six parts of "arn:partition:service:region:account:resource", from 0. */
static struct text_part arn_part(const char *arn, int index)
{
    struct text_part part = {.start = arn};

    if (strncmp(arn, "arn:", 4) != 0)
        return (struct text_part){0};
    for (; index > 0; index--) {
        part.start += strcspn(part.start, ":");
        if (*part.start == '\0')
            return (struct text_part){0};
        part.start++;
    }
    part.len = strcspn(part.start, ":");
    return part;
}

static bool part_is(struct text_part part, const char *text)
{
    return part.len == strlen(text) && memcmp(part.start, text, part.len) == 0;
}

static bool arn_begins(const char *arn, const char *service)
{
    struct text_part partition = arn_part(arn, 1), account = arn_part(arn, 4);

    return partition.len >= 3 && memcmp(partition.start, "aws", 3) == 0 &&
           strspn(partition.start, LOWER "-") == partition.len &&
           part_is(arn_part(arn, 2), service) && account.len == ACCOUNT &&
           strspn(account.start, DIGIT) == ACCOUNT;
}

bool table_is_valid(const char *table)
{
    static const char kind[] = "table/";

    if (strncmp(table, "arn:", 4) != 0)
        return dynamodb_name_is_valid(table);
    const char *resource = arn_part(table, 5).start;
    return arn_begins(table, "dynamodb") && arn_region(table).len > 0 && resource != NULL &&
           strncmp(resource, kind, strlen(kind)) == 0 &&
           dynamodb_name_is_valid(resource + strlen(kind));
}

struct text_part arn_region(const char *arn)
{
    return arn_part(arn, 3);
}

bool role_arn_is_valid(const char *arn)
{
    static const char kind[] = "role/";
    const char *resource = arn_part(arn, 5).start;

    if (!arn_begins(arn, "iam") || arn_region(arn).len > 0 || resource == NULL ||
        strncmp(resource, kind, strlen(kind)) != 0)
        return false;
    const char *name = strrchr(resource, '/') + 1;
    return *name != '\0' && strspn(name, ALNUM "+=,.@_-") == strlen(name);
}

struct text_part zone_region(const char *zone)
{
    const char *at = zone + strspn(zone, LOWER);
    size_t words = 1;

    while (*at == '-' && strspn(at + 1, LOWER) > 0) {
        at += 1 + strspn(at + 1, LOWER);
        words++;
    }
    size_t digits = *at == '-' ? strspn(at + 1, DIGIT) : 0;
    if (at == zone || words < 2 || digits == 0)
        return (struct text_part){0};
    const char *end = at + 1 + digits;
    bool letter = end[0] >= 'a' && end[0] <= 'z' && end[1] == '\0';
    bool local = end[0] == '-' && strspn(end, LOWER DIGIT "-") == strlen(end);
    return (struct text_part){.start = zone, .len = letter || local ? (size_t)(end - zone) : 0};
}

/* The length of the placeholder that begins here; 0: no placeholder. */
static size_t unrendered_length(const char *text, bool any)
{
    static const struct {
        const char *open, *close;
        bool any_only;
    } forms[] = {{"${", "}", false}, {"{{", "}}", false}, {"$(", ")", false}, {"<", ">", true},
        {"#{", "}", true}, {"%", "%", true}};

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        size_t open = strlen(forms[i].open);
        if ((forms[i].any_only && !any) || strncmp(text, forms[i].open, open) != 0)
            continue;
        const char *close = strstr(text + open, forms[i].close);
        size_t inside = close != NULL ? (size_t)(close - text) - open : 0;
        /* "%20b%" is a part of a URL. */
        if (inside > 0 && (*text != '%' || (strspn(text + 1, ALNUM "_") == inside &&
                                               strspn(text + 1, DIGIT) == 0)))
            return open + inside + strlen(forms[i].close);
    }
    if (!any || text[0] != '$')
        return 0;
    size_t name = strspn(text + 1, ALNUM "_");
    return name > 0 ? 1 + name : 0;
}

struct text_part unrendered_part(const char *text, enum unrendered_where where)
{
    for (const char *at = text; *at != '\0'; at++) {
        size_t len = unrendered_length(at, where != UNRENDERED_EXPRESSION);
        if (where == UNRENDERED_WHOLE)
            return (struct text_part){.start = text, .len = text[len] == '\0' ? len : 0};
        if (len > 0)
            return (struct text_part){.start = at, .len = len};
    }
    return (struct text_part){0};
}
