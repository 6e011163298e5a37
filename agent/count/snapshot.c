/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/count/snapshot.h"

#include <stdlib.h>

struct snapshot *snapshot_create(struct config *config)
{
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot));

    if (snapshot == NULL)
        return NULL;
    snapshot->config = config;
    snapshot->references = 1;
    return snapshot;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
    snapshot->references++;
    return snapshot;
}

void snapshot_unref(struct snapshot *snapshot)
{
    if (snapshot == NULL || --snapshot->references > 0)
        return;
    config_destroy(snapshot->config);
    free(snapshot);
}
