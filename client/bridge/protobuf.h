/* SPDX-License-Identifier: Apache-2.0 */
/* Protocol buffers, as far as five small messages need them: fields are read one by one out of
 * untrusted bytes, and written into a buffer. Pure; nothing is allocated while reading. */
#ifndef TALLY_BRIDGE_PROTOBUF_H
#define TALLY_BRIDGE_PROTOBUF_H

#include "proto/buffer.h"
#include "proto/reader.h"

#include <stdbool.h>
#include <stdint.h>

enum protobuf_wire {
    PROTOBUF_VARINT = 0,
    PROTOBUF_FIXED64 = 1,
    PROTOBUF_BYTES = 2,
    PROTOBUF_FIXED32 = 5,
};

struct protobuf_reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed; /* the bytes are no message */
};

struct protobuf_field {
    uint32_t number;
    enum protobuf_wire wire;
    uint64_t value;    /* of all but PROTOBUF_BYTES */
    struct text bytes; /* of PROTOBUF_BYTES: a string, or a message; borrowed */
};

void protobuf_read(struct protobuf_reader *reader, struct text message);

/* The next field. False: the message is over, or `failed`. Groups are refused: proto3 has none. */
bool protobuf_next(struct protobuf_reader *reader, struct protobuf_field *field);

/* Fields with their default value are not written, as proto3 has it. */
void protobuf_put_integer(struct buffer *buffer, uint32_t number, int64_t value);
void protobuf_put_double(struct buffer *buffer, uint32_t number, double value);
void protobuf_put_text(struct buffer *buffer, uint32_t number, const char *text);
void protobuf_put_message(struct buffer *buffer, uint32_t number, const struct buffer *message);

#endif
