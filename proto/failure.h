/* A failure as it is told to a client: the error map of PROTOCOL.md as a value that owns
 * nothing, so that it can be copied, remembered and compared. Texts that do not fit are cut
 * at a character boundary, and bytes that are no UTF-8 become '?': a strict client could not
 * decode the answer. Nothing secret may be put here: it is answered, logged and shown. */
#ifndef TALLY_PROTO_FAILURE_H
#define TALLY_PROTO_FAILURE_H

#include "proto/buffer.h"
#include "proto/errors.h"

#include <stdarg.h>
#include <stdint.h>

struct failure {
    enum error_code code;
    bool retryable;
    int64_t retry_after_ms; /* 0: not said */
    char message[400];      /* for people: what, where, what to do */
    char aws_code[80];      /* "" where AWS did not answer */
    char aws_request_id[80];
    char aws_reasons[240]; /* ThrottlingReasons: "reason resource", comma-separated */
};

/* Makes *failure a fresh one: the message is formatted, `retryable` is the code's own. */
void failure_set(struct failure *failure, enum error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void failure_vset(struct failure *failure, enum error_code code, const char *format,
    va_list arguments) __attribute__((format(printf, 3, 0)));

/* `what` could not be written into the buffer, which has failed: it is longer than the buffer's
 * maximum, or there is no memory. */
void failure_set_buffer(struct failure *failure, const char *what, const struct buffer *buffer);

/* Adds what AWS said; NULL means not said. */
void failure_set_aws(
    struct failure *failure, const char *code, const char *request_id, const char *reasons);

#endif
