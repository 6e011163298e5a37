/* SPDX-License-Identifier: Apache-2.0 */
/* ExpressionAttributeValues that a client supplies (and names, for `query`), from msgpack to the
 * JSON that DynamoDB takes. Pure. They are literal: "$now" has no meaning in them, and they never
 * change an expression. */
#ifndef TALLY_AGENT_IPC_CLIENT_VALUES_H
#define TALLY_AGENT_IPC_CLIENT_VALUES_H

#include "agent/config/trigger.h"
#include "proto/reader.h"

#include <stddef.h>

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
