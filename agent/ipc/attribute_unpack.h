/* AttributeValues from msgpack to JSON. Pure. Whether they are any is checked afterwards, by
 * agent/config/expressions.h: what cannot be one becomes JSON that is refused there. */
#ifndef TALLY_AGENT_IPC_ATTRIBUTE_UNPACK_H
#define TALLY_AGENT_IPC_ATTRIBUTE_UNPACK_H

#include "proto/reader.h"

#include <stddef.h>

struct json_t;

/* What went wrong first, if anything. */
struct trouble {
    int r;     /* 0, -EINVAL or -ENOMEM */
    char *why; /* for -EINVAL; borrowed */
    size_t why_size;
};

void trouble_refuse(struct trouble *trouble, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void trouble_memory(struct trouble *trouble);

/* Reads one value of whatever shape: a bin is base64 inside B and BS, a text elsewhere. The caller
 * holds the reference. NULL, or a part of it, where there is trouble. */
struct json_t *attribute_unpack(struct reader *reader, struct trouble *trouble);

/* A string. NULL where there is trouble: it is no UTF-8. */
struct json_t *text_unpack(struct text text, struct trouble *trouble);

#endif
