/* SPDX-License-Identifier: Apache-2.0 */
/* Requests for a count with what the options say, and the remarks on its answer, shared by several
 * verbs. */
#ifndef TALLY_CLIENT_CLI_COUNT_H
#define TALLY_CLIENT_CLI_COUNT_H

#include "client/cli/cli.h"
#include "client/cli/json.h"

/* Adds one ":placeholder=VALUE" to the map. VALUE is an AttributeValue ({"N": "5"}), a JSON string,
 * number or boolean for S, N or BOOL, or plain text for S. False if it is not valid; `error` then
 * says what is wrong. */
bool value_add(struct json *values, const char *text, char *error, size_t size);

/* As cli_request, with the fields for all options that were given. NULL: a --value or a --name is
 * invalid, which was reported. */
struct tally_request *count_request(const struct cli *cli, const char *method, const char *operand);

/* How fast the count changes: "-3.2/s, empty in 40 m 10 s"; "" where the answer does not contain
 * it. */
void count_describe_rate(const struct json *answer, char *text, size_t size);

/* Reports on stderr what the number alone does not show: stale, at least, fallback. */
void count_remark(const struct cli *cli, const struct json *answer);

#endif
