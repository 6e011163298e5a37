/* SPDX-License-Identifier: Apache-2.0 */
/* Client values: the --value options, as the protocol's map of AttributeValues. */
#ifndef TALLY_CLIENT_CLI_COUNT_H
#define TALLY_CLIENT_CLI_COUNT_H

#include "client/cli/cli.h"
#include "client/cli/json.h"

/* Adds one ":placeholder=VALUE" to the map. VALUE is an AttributeValue ({"N": "5"}), a JSON string,
 * number or boolean for S, N or BOOL, or plain text for S. False if it is not valid; `error` then
 * says what is wrong. */
bool value_add(struct json *values, const char *text, char *error, size_t size);

/* The request for a count, and the remarks on its answer, shared by several verbs. */

/* A request for the first operand, with --max-age, --value and --replicas. *request is owned by the
 * caller. EXIT_OK, or the exit code of an error that was reported. */
int count_request(const struct cli *cli, struct tally_request **request);

/* Puts a repeated option into the request as a map, each item added by `add`. EXIT_OK, or the exit
 * code of an error that was reported. */
int count_add_list(const struct cli *cli, struct tally_request *request, enum option_id option,
    const char *field, bool (*add)(struct json *map, const char *text, char *error, size_t size));

/* How fast the count changes: "-3.2/s, empty in 40 m 10 s"; "" where the answer does not contain
 * it.
 */
void count_describe_rate(const struct json *answer, char *text, size_t size);

/* Reports on stderr what the number alone does not show: stale, at least, fallback. */
void count_remark(const struct cli *cli, const struct json *answer);

#endif
