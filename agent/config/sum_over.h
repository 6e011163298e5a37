/* SPDX-License-Identifier: Apache-2.0 */
/* The parameter sumOver: the values of one placeholder, for each of which the Query is sent and
 * whose counts are added up.
 *
 *     sumOver = PLACEHOLDER "=" TEXT "{" FIRST ".." LAST "}" TEXT
 *             | PLACEHOLDER "in" VALUE { "," VALUE }
 *
 * A FIRST that begins with 0 sets the width: {00..15} is 00, 01, … 15. */
#ifndef TALLY_AGENT_CONFIG_SUM_OVER_H
#define TALLY_AGENT_CONFIG_SUM_OVER_H

#include "agent/config/expressions.h"

#define SUM_OVER_MAX 256 /* values */

/* Reads the parameter into query->shards; absent: none. Errors are findings. */
void sum_over_read(
    const struct parameters *parameters, const struct values *values, struct query *query);

#endif
