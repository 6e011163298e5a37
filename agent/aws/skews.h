/* By how much the clocks of those we sign for differ from this machine's. A refusal teaches it, for
 * the host that refused alone: what one odd endpoint takes for the time is not AWS's clock. Fixed
 * memory; sees no clock. */
#ifndef TALLY_AGENT_AWS_SKEWS_H
#define TALLY_AGENT_AWS_SKEWS_H

#include <stdint.h>

#define SKEWS_ENTRIES 16

struct skews { /* zeroed: nothing is known */
    struct skew {
        uint64_t host; /* a hash of it; 0: none */
        int64_t offset_ms;
    } entries[SKEWS_ENTRIES];
    unsigned next; /* to be replaced, where there is no other room */
};

/* What is to be added to this machine's clock for the host; `otherwise` where it is not known. */
int64_t skews_offset(const struct skews *skews, const char *host, int64_t otherwise);

void skews_learn(struct skews *skews, const char *host, int64_t offset_ms);

#endif
