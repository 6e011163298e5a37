/* SPDX-License-Identifier: Apache-2.0 */
/* `tally-bridge --check`: whether the agent answers, and which triggers would be served. */
#ifndef TALLY_BRIDGE_BRIDGE_CHECK_H
#define TALLY_BRIDGE_BRIDGE_CHECK_H

#include <stdbool.h>
#include <stdio.h>

/* Prints the triggers, one in a line with its target, to `out`, or why there are none to
 * `errors`. */
bool bridge_check_agent(const char *socket, FILE *out, FILE *errors);

#endif
