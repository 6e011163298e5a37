/* ExpressionAttributeValues that a client supplies (and names, for `query`), from msgpack to the
 * JSON that DynamoDB takes. Pure. They are literal: "$now" means nothing in them, and they never
 * touch an expression. */
#ifndef TALLY_AGENT_IPC_CLIENT_VALUES_H
#define TALLY_AGENT_IPC_CLIENT_VALUES_H

#include "agent/config/trigger.h"
#include "proto/reader.h"

#include <stddef.h>

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
