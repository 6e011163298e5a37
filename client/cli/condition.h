/* SPDX-License-Identifier: Apache-2.0 */
/* The conditions of `tally wait`, over the fields of an answer to `count`:
 *
 *     condition   = conjunction { ("or" | "||") conjunction }
 *     conjunction = term { ("and" | "&&") term }
 *     term        = "(" condition ")" | FIELD [ ("<" | "<=" | "==" | "=" | "!=" | ">=" | ">") VALUE
 * ]
 *
 * FIELD is count, scanned, pages, age_ms, consumed_rcu, desired_replicas, active or fallback;
 * VALUE is a number, true or false. A field alone means that it is true, or not 0. */
#ifndef TALLY_CLIENT_CLI_CONDITION_H
#define TALLY_CLIENT_CLI_CONDITION_H

#include "client/cli/json.h"

enum { CONDITION_NODES_MAX = 64 };

/* What an answer implies for a condition. A stale count implies nothing, and one that is `at_least`
 * only what also holds for every larger number. */
enum verdict { VERDICT_NO, VERDICT_UNKNOWN, VERDICT_YES };

struct condition_node {
    enum { NODE_COMPARE, NODE_AND, NODE_OR } kind;
    unsigned left, right; /* of and, or: positions of the nodes */
    unsigned field;       /* of a comparison */
    unsigned comparison;
    double value;
};

struct condition {
    struct condition_node nodes[CONDITION_NODES_MAX];
    unsigned count;
    unsigned root;
};

/* False if the text is not a condition; `error` then says where and what to write. */
bool condition_parse(struct condition *condition, const char *text, char *error, size_t size);

/* The lower bound that decides the condition, whatever the count is beyond it: a count need not go
 * further. `activation`: the trigger's. 0: only the whole count decides it. */
int64_t condition_enough(const struct condition *condition, int64_t activation);

enum verdict condition_check(const struct condition *condition, const struct json *answer);

#endif
