/* SPDX-License-Identifier: Apache-2.0 */
/* The error reply of an AWS service, and how to react to it. Pure: texts and numbers in, values
 * out. One table maps the codes (aws_error.c), taken from botocore's standard retry mode and the
 * SDKs' issue threads. */
#ifndef TALLY_AGENT_AWS_AWS_ERROR_H
#define TALLY_AGENT_AWS_AWS_ERROR_H

#include "proto/errors.h"

#include <stdbool.h>
#include <stddef.h>

enum aws_outcome {
    AWS_OK,
    AWS_THROTTLED, /* throttled: back off, then retry */
    AWS_TRANSIENT, /* retry */
    AWS_EXPIRED,   /* the credentials are invalid or expired: refresh once, retry once */
    AWS_SKEWED,    /* our clock is off: correct it by the reply's Date, sign again once */
    AWS_DENIED,    /* AccessDenied: a retry now does not help */
    AWS_REFUSED,   /* the request is wrong: a retry never helps */
    AWS_UNMET,     /* the condition of the request was not met: an answer, as AWS_OK is */
};

const char *aws_outcome_name(enum aws_outcome outcome); /* for the log: "throttled"; static */

struct aws_error {
    enum aws_outcome outcome;
    int status;    /* HTTP; 0: no reply */
    char code[80]; /* "ResourceNotFoundException"; "": the body had none */
    char message[400];
    char request_id[80];
    char reasons[240]; /* ThrottlingReasons as "reason resource, …" */
};

/* The outcome for a reply of this status with this error code and message ("" if unknown). */
enum aws_outcome aws_error_classify(int status, const char *code, const char *message);

/* For the parsers of error replies: fills *error from texts of the network and classifies it. The
 * message is made safe to show: AWS explains a wrong signature by repeating the canonical request,
 * session token included, and a wrong parameter by repeating its value. That part is cut off, and
 * so is any word that is too long to be a real one. */
void aws_error_set(struct aws_error *error, int status, const char *code, size_t code_len,
    const char *message, size_t message_len);

/* For a reply that is not in the service's format: if the status is one of a proxy or gateway (502,
 * 503, 504), the text of its page without HTML tags; else no text, because the reply may come from
 * any service. */
void aws_error_set_page(struct aws_error *error, int status, const void *body, size_t len);

/* The title of an HTML page, or its first words: which a captive portal sends instead of a reply.
 * False: it is not an HTML page. */
bool aws_error_page_title(const void *body, size_t len, char *title, size_t size);

/* Likewise for the request id, and for one more of the reasons ("reason resource"). */
void aws_error_set_request_id(struct aws_error *error, const char *id, size_t len);
void aws_error_add_reason(struct aws_error *error, const char *reason, const char *resource);

/* The error as clients get it: outcome -> error name, with the code and request id. `what` is the
 * subject in front: "Query of table orders in eu-west-1". */
void aws_error_failure(const struct aws_error *error, const char *what, struct failure *failure);

/* ---- reply headers ---- */

/* The header lines of a reply that the agent uses. Pure. */

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
