/* What has been said lately, so that the same thing is not said again and again: the first time at
 * once, then once a minute with how often it came meanwhile. Fixed memory; sees no clock. */
#ifndef TALLY_AGENT_REPEATS_H
#define TALLY_AGENT_REPEATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPEATS_QUIET_MS 60000
#define REPEATS_ENTRIES  64

struct repeats { /* zeroed: nothing has been said */
    struct repeats_entry {
        uint64_t key;
        int64_t quiet_until_ms;
        int64_t count;
    } entries[REPEATS_ENTRIES];
};

/* Whether to say it now; *count is then how often it was passed over since it was last said. Of
 * more things than there are entries all are said, those of longest ago again: better twice than
 * never. */
bool repeats_admit(struct repeats *repeats, uint64_t key, int64_t now_ms, int64_t *count);

#endif
