/* SPDX-License-Identifier: Apache-2.0 */
/* A method and its arguments, packed as they are set, put into an envelope when sent. */
#ifndef TALLY_CLIENT_REQUEST_H
#define TALLY_CLIENT_REQUEST_H

#include "client/answer.h"
#include "client/tally.h"
#include "proto/buffer.h"

#include <stdbool.h>

struct tally_request {
    char method[64];
    struct buffer fields; /* packed pairs of the params map */
    uint32_t pairs;
    struct buffer values; /* packed pairs of its field `values` */
    uint32_t value_pairs;
    bool has_timeout; /* the caller set timeout_ms */
    const void *raw;  /* params that replace the map, borrowed; NULL: none */
    size_t raw_len;
    int error;     /* of the first setter that failed */
    char why[160]; /* which of its arguments is wrong, and why */
};

/* Each returns 0 or a negative enum tally_error. */
int request_init(struct tally_request *request, const char *method);
void request_free(struct tally_request *request);

/* Turns it into a new request in the same memory. */
int request_reset(struct tally_request *request, const char *method);

/* Params as given, instead of fields: one msgpack array (NULL: an empty one), borrowed. */
int request_set_raw(struct tally_request *request, const void *params, size_t len);

int request_copy(struct tally_request *copy, const struct tally_request *request);

/* Packs the whole frame; `remaining` ms go into timeout_ms if the caller set none. */
int request_encode(
    const struct tally_request *request, uint32_t id, int64_t remaining, struct buffer *out);

/* Sets the answer to the error of request_encode, with the argument that is wrong. */
int request_fail(const struct tally_request *request, int error, struct tally_answer *answer);

#endif
