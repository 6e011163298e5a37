/* SPDX-License-Identifier: Apache-2.0 */
/* The msgpack-RPC envelope:
 *
 *     request       [0, msgid, method, params]
 *     answer        [1, msgid, error, result]
 *     notification  [2, method, params]
 *
 * Decoding takes a complete frame that frame_scan accepted and copies nothing. */
#ifndef TALLY_PROTO_MESSAGE_H
#define TALLY_PROTO_MESSAGE_H

#include "proto/buffer.h"
#include "proto/errors.h"
#include "proto/reader.h"
#include "proto/writer.h"

enum message_kind {
    MESSAGE_REQUEST = 0,
    MESSAGE_ANSWER = 1,
    MESSAGE_NOTIFICATION = 2,
};

struct message {
    enum message_kind kind;
    uint32_t id;          /* requests and answers */
    struct text body;     /* requests and answers: the bytes behind the msgid */
    struct text method;   /* requests and notifications */
    struct reader params; /* requests and notifications: exactly the params (any value) */
    const char *flaw;     /* requests and notifications: NULL, or what is wrong with the rest of
                           * the envelope: a request is to be answered INVALID_REQUEST with this
                           * text, a notification skipped; method and params are empty */
    bool has_error;       /* answers */
    struct reader error;  /* exactly the error */
    struct reader result; /* exactly the result */
};

/* 0, or -EPROTO if the value is not a msgpack-RPC message with a readable msgid: it cannot be
 * answered, so the connection is to be closed. */
int message_decode(struct message *message, const uint8_t *frame, size_t len);

/* Each *_begin packs the envelope up to where the caller packs exactly one value: params
 * (an array) or result. */
void message_begin_request(struct buffer *buffer, uint32_t id, const char *method);
void message_begin_notification(struct buffer *buffer, const char *method);
void message_begin_answer(struct buffer *buffer, uint32_t id);

/* The offset of the msgid in an answer begun like this, as write_uint32 wrote it. */
#define MESSAGE_ANSWER_ID_AT 2

/* A whole error answer. `extra`, `extra_pairs`: further packed key/value pairs of the error
 * map (fallback, desired_replicas), or NULL, 0. */
void message_error(
    struct buffer *buffer, uint32_t id, const struct failure *failure, const struct map *extra);

/* The same with the error as one string, "NAME: message [AWS code, request id]": for libraries that
 * accept no other type for it. */
void message_error_string(struct buffer *buffer, uint32_t id, const struct failure *failure);

/* Packs the error map alone (for `last_error`), and reads one. Reading skips unknown keys and known
 * ones of another type; an unknown number stays in `code`. It accepts a string too: "NAME:
 * message", or any text from other servers, and then the code is INTERNAL.
 * False: neither map nor string. */
void failure_pack(struct buffer *buffer, const struct failure *failure, const struct map *extra);
bool failure_unpack(struct reader *reader, struct failure *failure);

#endif
