/* The header lines of one attempt, signature included. */
#ifndef TALLY_AGENT_AWS_HEADER_LINES_H
#define TALLY_AGENT_AWS_HEADER_LINES_H

#include "agent/aws/call.h"
#include "proto/buffer.h"

#define HEADER_LINES_MAX 16

struct header_lines {
    const char *lines[HEADER_LINES_MAX]; /* "Name: value" */
    size_t count;
    size_t offsets[HEADER_LINES_MAX];
    struct buffer text; /* all lines, wiped when freed: keys' ids, tokens, signatures */
};

/* Lines for the request as it is at unix_seconds; signed where the request has credentials. 0, or a
 * negative errno; free it in both cases. */
int header_lines_build(
    struct header_lines *lines, const struct aws_request *request, int64_t unix_seconds);
void header_lines_free(struct header_lines *lines);

#endif
