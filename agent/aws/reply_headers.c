/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/aws/reply_headers.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* Copies the value of a header line if it has this name; AWS sends no value that does not fit, so
 * such a value is left out. */
static bool headers_take(
    const char *line, size_t len, const char *name, char *value, size_t value_size)
{
    size_t name_len = strlen(name);

    if (len <= name_len || line[name_len] != ':' || strncasecmp(line, name, name_len) != 0)
        return false;
    line += name_len + 1;
    len -= name_len + 1;
    while (len > 0 && (*line == ' ' || *line == '\t')) {
        line++;
        len--;
    }
    while (len > 0 && (unsigned char)line[len - 1] <= ' ')
        len--;
    if (len >= value_size)
        return false;
    memcpy(value, line, len);
    value[len] = '\0';
    return true;
}

void reply_headers_take(struct reply_headers *headers, const char *line, size_t len)
{
    char *id = headers->request_id;
    size_t id_size = sizeof(headers->request_id);

    if (len > 5 && memcmp(line, "HTTP/", 5) == 0)
        memset(headers, 0, sizeof(*headers));
    headers_take(line, len, "date", headers->date, sizeof(headers->date));
    headers_take(line, len, "x-amzn-requestid", id, id_size);
    headers_take(line, len, "x-amz-request-id", id, id_size);
    headers_take(line, len, "x-amz-crc32", headers->crc32, sizeof(headers->crc32));
    headers_take(
        line, len, "x-amz-retry-after", headers->retry_after, sizeof(headers->retry_after));
}
