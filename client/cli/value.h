/* Client values: what --value says, as the protocol's map of AttributeValues. */
#ifndef TALLY_CLI_VALUE_H
#define TALLY_CLI_VALUE_H

#include "client/cli/json.h"

/* Adds one ":placeholder=VALUE" to the map. VALUE is an AttributeValue ({"N": "5"}), a JSON
 * string, number or boolean for S, N or BOOL, or plain text for S. False where it is none;
 * `error` then says what is wrong. */
bool value_add(struct json *values, const char *text, char *error, size_t size);

/* Adds one "#placeholder=NAME" to a map of expression attribute names. */
bool value_add_name(struct json *names, const char *text, char *error, size_t size);

#endif
