/* SPDX-License-Identifier: Apache-2.0 */
/* The outcome of a call: a packed result, or an error with its packed map. */
#ifndef TALLY_CLIENT_ANSWER_H
#define TALLY_CLIENT_ANSWER_H

#include "client/tally.h"
#include "proto/message.h"
#include "proto/reader.h"

struct tally_answer {
    int error;              /* 0 or a negative enum tally_error */
    struct failure failure; /* its texts; also those of the library's own errors */
    const uint8_t *data;    /* the result or the error map, borrowed from the frame */
    size_t len;
};

void answer_clear(struct tally_answer *answer);

/* Takes the agent's answer. The frame must outlive the use of the answer. Both return the error of
 * the answer. */
int answer_take(struct tally_answer *answer, const struct message *message);

/* Takes the params of a notification: an array that holds one map, a count or an `error`. */
int answer_take_notification(struct tally_answer *answer, const struct message *message);

/* Sets an error of the library's own. Returns `error`. */
int answer_fail(struct tally_answer *answer, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for a connection that failed with a negative errno. */
int answer_fail_connection(struct tally_answer *answer, const char *path, int error);

#endif
