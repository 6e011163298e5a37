/* What an AWS service said when it did not do what was asked, and what follows from it.
 * Pure: texts and numbers in, values out. Which codes mean what is one table (aws_error.c),
 * taken from botocore's standard retry mode and the SDKs' issue threads. */
#ifndef TALLY_AGENT_AWS_AWS_ERROR_H
#define TALLY_AGENT_AWS_AWS_ERROR_H

#include "proto/failure.h"

enum aws_outcome {
    AWS_OK,
    AWS_THROTTLED, /* slow down, then ask again */
    AWS_TRANSIENT, /* ask again */
    AWS_EXPIRED,   /* the credentials are no longer good: refresh once, replay once */
    AWS_SKEWED,    /* our clock is off: correct it by the reply's Date, sign again once */
    AWS_DENIED,    /* AccessDenied: asking again now does not help */
    AWS_REFUSED,   /* the request is wrong: asking again never helps */
};

struct aws_error {
    enum aws_outcome outcome;
    int status;          /* HTTP; 0 where no reply came */
    char code[80];       /* "ResourceNotFoundException"; "" where the body had none */
    char message[400];
    char request_id[80];
    char reasons[240];   /* ThrottlingReasons as "reason resource, …" */
};

/* The outcome for a reply of this status with this error code and message ("" if unknown). */
enum aws_outcome aws_error_classify(int status, const char *code, const char *message);

/* As it is told to clients: outcome -> error name, with the code and request id. `what` is
 * the subject in front: "Query of table orders in eu-west-1". */
void aws_error_failure(
    const struct aws_error *error, const char *what, struct failure *failure);

#endif
