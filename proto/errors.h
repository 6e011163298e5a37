/* SPDX-License-Identifier: Apache-2.0 */
/* The errors that the agent answers: number, name, whether a retry can help, and a readable
 * sentence. Numbers and names are never reused; new ones are added at the end. */
#ifndef TALLY_PROTO_ERRORS_H
#define TALLY_PROTO_ERRORS_H

#include "proto/buffer.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ERROR_MAP(XX)                                                                              \
    XX(1, INVALID_REQUEST, false, "the request is not valid")                                      \
    XX(2, UNKNOWN_METHOD, false, "no such method")                                                 \
    XX(3, UNKNOWN_TRIGGER, false, "no such trigger")                                               \
    XX(4, AMBIGUOUS_TRIGGER, false, "several triggers have this name")                             \
    XX(5, NOT_ALLOWED, false, "the agent does not allow this")                                     \
    XX(6, BUSY, true, "too many requests are in flight")                                           \
    XX(7, TIMEOUT, true, "the deadline passed")                                                    \
    XX(8, CREDENTIALS, true, "no credentials")                                                     \
    XX(9, ACCESS_DENIED, false, "AWS denied access")                                               \
    XX(10, THROTTLED, true, "AWS throttles")                                                       \
    XX(11, AWS_REJECTED, false, "AWS rejected the request")                                        \
    XX(12, AWS_UNAVAILABLE, true, "AWS cannot be reached or failed")                               \
    XX(13, SHUTTING_DOWN, true, "the agent is shutting down")                                      \
    XX(14, INTERNAL, true, "the agent failed")

enum error_code {
    ERROR_NONE = 0,
#define ERROR_ENUM(number, name, retryable, text) ERROR_##name = (number),
    ERROR_MAP(ERROR_ENUM)
#undef ERROR_ENUM
};

/* Name and text of a code, "UNKNOWN" for a number that this version does not know. Static. */
const char *error_name(enum error_code code);
const char *error_text(enum error_code code);

/* The code of this name, ERROR_NONE if it is unknown. */
enum error_code error_of_name(const char *name, size_t len);

/* Whether the same request may succeed later without any change. */
bool error_retryable(enum error_code code);

/* A failure as it is reported to a client: the error map of PROTOCOL.md as a value that owns
 * nothing, so that it can be copied, stored and compared. Texts that do not fit are cut at a
 * character boundary, and bytes that are not UTF-8 become '?': a strict client could not decode the
 * answer. It must not contain secrets: it is answered, logged and shown. */

/* The step towards a count that failed, for people who look for the cause: its name, and the place
 * to look at. Clients get the name, and treat one that they do not know as absent. */
#define FAILURE_STAGE_MAP(XX)                                                                      \
    XX(IDENTITY, "identity")       /* which credentials to use, and whether AWS accepts them */    \
    XX(TOKEN, "token")             /* the token of a web identity, and its file */                 \
    XX(PROXY, "proxy")             /* the proxy in front of AWS */                                 \
    XX(NAME, "name")               /* the address of a host name */                                \
    XX(TLS, "tls")                 /* the certificate of a server, and the CA bundle */            \
    XX(CLOCK, "clock")             /* of this machine */                                           \
    XX(STS, "sts")                 /* reached, and its answer */                                   \
    XX(CREDENTIALS, "credentials") /* the same of the container endpoint or instance metadata */   \
    XX(DYNAMODB, "dynamodb")       /* the same of DynamoDB: the table and the policy */            \
    XX(BUDGET, "budget")           /* of read units */

enum failure_stage {
    STAGE_NONE = 0, /* none of them, or not known */
#define FAILURE_STAGE_ENUM(name, text) STAGE_##name,
    FAILURE_STAGE_MAP(FAILURE_STAGE_ENUM)
#undef FAILURE_STAGE_ENUM
};

/* "" for STAGE_NONE. Static. */
const char *failure_stage_name(enum failure_stage stage);

struct failure {
    enum error_code code;
    enum failure_stage stage;
    bool retryable;
    int64_t retry_after_ms; /* 0: not given */
    char message[400];      /* for people: what, where, what to do */
    char aws_code[80];      /* "" where AWS did not answer */
    char aws_request_id[80];
    char aws_reasons[240]; /* ThrottlingReasons: "reason resource", comma-separated */
};

/* Resets *failure: the message is formatted, `retryable` is the code's own. */
void failure_set(struct failure *failure, enum error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void failure_vset(struct failure *failure, enum error_code code, const char *format,
    va_list arguments) __attribute__((format(printf, 3, 0)));

/* `what` could not be written into the buffer, which has failed: it is longer than the buffer's
 * maximum, or out of memory. */
void failure_set_buffer(struct failure *failure, const char *what, const struct buffer *buffer);

/* Adds what AWS reported; NULL means not given. */
void failure_set_aws(
    struct failure *failure, const char *code, const char *request_id, const char *reasons);

#endif
