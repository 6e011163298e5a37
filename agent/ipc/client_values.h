/* SPDX-License-Identifier: Apache-2.0 */
/* AttributeValues from msgpack to JSON. Pure. agent/config/expressions.h checks afterwards whether
 * they are valid: what cannot be an AttributeValue becomes JSON that is refused there. */
#ifndef TALLY_AGENT_IPC_CLIENT_VALUES_H
#define TALLY_AGENT_IPC_CLIENT_VALUES_H

#include "agent/config/trigger.h"
#include "proto/reader.h"

#include <stddef.h>

struct json_t;

/* The first error, if any. */
struct trouble {
    int r;     /* 0, -EINVAL or -ENOMEM */
    char *why; /* for -EINVAL; borrowed */
    size_t why_size;
};

void trouble_refuse(struct trouble *trouble, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void trouble_memory(struct trouble *trouble);

/* Reads one value of any shape: a bin is base64 inside B and BS, a text elsewhere. The caller owns
 * the reference. NULL, or a part of the value, on error. */
struct json_t *attribute_unpack(struct reader *reader, struct trouble *trouble);

/* A string. NULL on error, such as invalid UTF-8. */
struct json_t *text_unpack(struct text text, struct trouble *trouble);

/* ExpressionAttributeValues that a client supplies (and names, for `query`), from msgpack to the
 * JSON that DynamoDB takes. Pure. They are literal: "$now" has no meaning in them, and they never
 * change an expression. */

#define CLIENT_VALUE_BYTES 1024 /* of one value, as compact JSON */

/* Merges the supplied values (a map; NULL: none) into the trigger's, for the placeholders in its
 * clientValues. *merged: heap text, identical for equal values however they were written; NULL: the
 * trigger's own values unchanged. 0, -ENOMEM, or -EINVAL with the reason in `why`. */
int client_values_merge(const struct query *query, const struct reader *supplied, char **merged,
    char *why, size_t why_size);

/* Values for any placeholders, of any size: *json is heap text, NULL where the map is empty. */
int client_values_read(const struct reader *supplied, char **json, char *why, size_t why_size);

/* ExpressionAttributeNames in the same way: strings by "#name". */
int client_names_read(const struct reader *supplied, char **json, char *why, size_t why_size);

#endif
