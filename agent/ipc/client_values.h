/* SPDX-License-Identifier: Apache-2.0 */
/* AttributeValues from msgpack to JSON. Pure. Whether they are any is checked afterwards, by
 * agent/config/expressions.h: what cannot be one becomes JSON that is refused there. */
#ifndef TALLY_AGENT_IPC_CLIENT_VALUES_H
#define TALLY_AGENT_IPC_CLIENT_VALUES_H

#include "agent/config/trigger.h"
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

/* ExpressionAttributeValues that a client supplies (and names, for `query`), from msgpack to the
 * JSON that DynamoDB takes. Pure. They are literal: "$now" means nothing in them, and they never
 * touch an expression. */

#define CLIENT_VALUE_BYTES 1024 /* of one value, as compact JSON */

/* The trigger's values with the supplied ones (a map; NULL: none) in the places that its
 * clientValues lists. *merged: heap text, the same for the same values however they were written;
 * NULL: the trigger's own values as they are. 0, -ENOMEM, or -EINVAL with what is wrong in `why`.
 */
int client_values_merge(const struct query *query, const struct reader *supplied, char **merged,
    char *why, size_t why_size);

/* Values for any placeholders, of any size: *json is heap text, NULL where the map is empty. */
int client_values_read(const struct reader *supplied, char **json, char *why, size_t why_size);

/* ExpressionAttributeNames in the same way: texts by "#name". */
int client_names_read(const struct reader *supplied, char **json, char *why, size_t why_size);

#endif
