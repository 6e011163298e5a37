/* SPDX-License-Identifier: Apache-2.0 */
/* The metrics of tally-bridge itself, for Prometheus. */
#ifndef TALLY_BRIDGE_METRICS_H
#define TALLY_BRIDGE_METRICS_H

#include "client/bridge/agent_link.h"
#include "client/bridge/bridge_stats.h"
#include "proto/buffer.h"

void metrics_write(
    struct buffer *buffer, const struct bridge_stats *stats, const struct agent_link_stats *link);

#endif
