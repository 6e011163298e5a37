/* SPDX-License-Identifier: Apache-2.0 */
/* What tally-bridge counts of itself, for /metrics. Zeroed: nothing yet. */
#ifndef TALLY_BRIDGE_BRIDGE_STATS_H
#define TALLY_BRIDGE_BRIDGE_STATS_H

#include <stdint.h>

#define STATS_METHODS 5  /* enum scaler_method */
#define STATS_CODES   17 /* enum grpc_code */

struct bridge_stats {
    uint64_t accepted, refused, evicted, timed_out, abused;
    uint64_t connections; /* now */
    uint64_t streams;     /* requests of HTTP/2 that are under way now, StreamIsActive included */
    uint64_t pages;
    uint64_t calls[STATS_METHODS][STATS_CODES];
};

#endif
