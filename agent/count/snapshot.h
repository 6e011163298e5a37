/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration in force, reference-counted: a reload replaces it, and a flight that began under
 * it holds it until the flight ends. */
#ifndef TALLY_AGENT_COUNT_SNAPSHOT_H
#define TALLY_AGENT_COUNT_SNAPSHOT_H

#include "agent/config/config.h"

struct snapshot {
    struct config *config;
    unsigned references;
};

/* Takes the config over. One reference; NULL: out of memory, the caller keeps the config. */
struct snapshot *snapshot_create(struct config *config);
struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot *snapshot); /* NULL is allowed */

#endif
