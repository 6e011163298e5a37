/* SPDX-License-Identifier: Apache-2.0 */
/* `tallyd --check`: what is wrong with the configuration, or a short table of it. */
#ifndef TALLY_AGENT_CONFIG_CONFIG_CHECK_H
#define TALLY_AGENT_CONFIG_CONFIG_CHECK_H

#include "agent/config/config.h"

#include <stdio.h>

/* Writes each finding to `err` as `file:line:column: error|warning|note: parameter: what is wrong;
 * what to do`, and if there is no error the triggers to `out`. The exit code: 0, or 2 on an error
 * or without a trigger. */
int config_check(const struct config *config, FILE *out, FILE *err);

/* One finding as a line. */
void finding_print(const struct finding *finding, FILE *err);

#endif
