/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's counters in the Prometheus text format. */
#ifndef TALLY_CLI_PROMETHEUS_H
#define TALLY_CLI_PROMETHEUS_H

#include "client/cli/json.h"

/* What `status`, `list`, `whoami` and `count` answer. Absent fields give no metric. */
void prometheus_status(FILE *file, const struct json *status);
void prometheus_list(FILE *file, const struct json *list);
void prometheus_identities(FILE *file, const struct json *whoami);
void prometheus_count(FILE *file, const struct json *count);

#endif
