/* SPDX-License-Identifier: Apache-2.0 */
/* What an AWS service said when it did not do what was asked, and what follows from it.
 * Pure: texts and numbers in, values out. Which codes mean what is one table (aws_error.c),
 * taken from botocore's standard retry mode and the SDKs' issue threads. */
#ifndef TALLY_AGENT_AWS_AWS_ERROR_H
#define TALLY_AGENT_AWS_AWS_ERROR_H

#include "proto/errors.h"

#include <stdbool.h>
#include <stddef.h>

enum aws_outcome {
    AWS_OK,
    AWS_THROTTLED, /* slow down, then ask again */
    AWS_TRANSIENT, /* ask again */
    AWS_EXPIRED,   /* the credentials are not, or no longer, good: refresh once, replay once */
    AWS_SKEWED,    /* our clock is off: correct it by the reply's Date, sign again once */
    AWS_DENIED,    /* AccessDenied: asking again now does not help */
    AWS_REFUSED,   /* the request is wrong: asking again never helps */
};

const char *aws_outcome_name(enum aws_outcome outcome); /* for the log: "throttled"; static */

struct aws_error {
    enum aws_outcome outcome;
    int status;    /* HTTP; 0 where no reply came */
    char code[80]; /* "ResourceNotFoundException"; "" where the body had none */
    char message[400];
    char request_id[80];
    char reasons[240]; /* ThrottlingReasons as "reason resource, …" */
};

/* The outcome for a reply of this status with this error code and message ("" if unknown). */
enum aws_outcome aws_error_classify(int status, const char *code, const char *message);

/* For the parsers of error replies: makes *error a fresh, classified one from texts that came
 * from the network. The message is made fit to be shown: AWS explains a wrong signature by
 * repeating the canonical request, session token included, and a wrong parameter by repeating
 * its value. That part is cut off, and so is any word too long to be one. */
void aws_error_set(struct aws_error *error, int status, const char *code, size_t code_len,
    const char *message, size_t message_len);

/* For a reply that is not in the service's form: where the status is one of a proxy or gateway
 * (502, 503, 504), the text of its page, without the tags of HTML; else no text, because it may be
 * that of any service. */
void aws_error_set_page(struct aws_error *error, int status, const void *body, size_t len);

/* The title of an HTML page, or its first words: what a captive portal sends in place of a reply.
 * False: it is none. */
bool aws_error_page_title(const void *body, size_t len, char *title, size_t size);

/* Likewise for the request id, and for one more of the reasons ("reason resource"). */
void aws_error_set_request_id(struct aws_error *error, const char *id, size_t len);
void aws_error_add_reason(struct aws_error *error, const char *reason, const char *resource);

/* As it is told to clients: outcome -> error name, with the code and request id. `what` is
 * the subject in front: "Query of table orders in eu-west-1". */
void aws_error_failure(const struct aws_error *error, const char *what, struct failure *failure);

#endif
