/* SPDX-License-Identifier: Apache-2.0 */
/* The header lines of a reply that the agent uses. Pure. */
#ifndef TALLY_AGENT_AWS_REPLY_HEADERS_H
#define TALLY_AGENT_AWS_REPLY_HEADERS_H

#include <stddef.h>

struct reply_headers { /* "" where absent */
    char date[64];
    char request_id[80];  /* x-amzn-RequestId or x-amz-request-id */
    char crc32[16];       /* x-amz-crc32 */
    char retry_after[24]; /* x-amz-retry-after, ms */
};

/* Takes the next line, with or without its end. A status line resets the headers: those of an
 * interim reply or a proxy's CONNECT are not the reply's. */
void reply_headers_take(struct reply_headers *headers, const char *line, size_t len);

#endif
