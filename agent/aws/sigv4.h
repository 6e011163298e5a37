/* SPDX-License-Identifier: Apache-2.0 */
/* AWS Signature Version 4 over SHA-256/HMAC of BearSSL. Pure: no clock, no allocation.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html */
#ifndef TALLY_AGENT_AWS_SIGV4_H
#define TALLY_AGENT_AWS_SIGV4_H

#include "agent/aws/aws_clock.h"
#include "agent/aws/credentials.h"

#include <stddef.h>
#include <stdint.h>

#define SIGV4_DATE_SIZE          ISO8601_BASIC_SIZE
#define SIGV4_AUTHORIZATION_SIZE 640
#define SIGV4_KEY_ID_MAX         128 /* characters; AWS's own have 20, */
#define SIGV4_SECRET_MAX         256 /* and 40 */

struct sigv4_header {
    const char *name; /* lower case */
    const char *value;
};

struct sigv4_request {
    const char *method;
    const char *path;                   /* as sent: percent-encoded, without dot segments; "/" */
    const char *query;                  /* canonical (sorted, encoded), "" for none */
    const struct sigv4_header *headers; /* signed ones but x-amz-date and the security token,
                                         * which are added; sorted by name */
    size_t header_count;
    const void *body;
    size_t body_len;
};

struct sigv4_signature {
    char date[SIGV4_DATE_SIZE]; /* for x-amz-date */
    char authorization[SIGV4_AUTHORIZATION_SIZE];
};

/* Signs for `unix_seconds`, with a key that is derived from the credentials, and cached with them,
 * at the first use of a day, region and service. So is the hash of what the pages of one second
 * have in common, the session token with it. The caller sends the request's headers,
 * x-amz-date, authorization and, where there is one, x-amz-security-token. 0, -EMSGSIZE if the
 * headers, the secret or the scope are too long to be real, or -EINVAL if the headers are not
 * sorted or a text is not allowed in a header (usually a line end in a key or token). */
int sigv4_sign(const struct sigv4_request *request, const struct credentials *credentials,
    const char *region, const char *service, int64_t unix_seconds,
    struct sigv4_signature *signature);

/* The SHA-256 of the bytes in lower-case hexadecimal digits. */
#define SIGV4_HASH_SIZE 65
void sigv4_hash(const void *data, size_t len, char hash[SIGV4_HASH_SIZE]);

#endif
