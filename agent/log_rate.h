/* How often the same thing is logged: the first time at once, then once a minute with how often it
 * came meanwhile. Fixed memory; the time comes in. */
#ifndef TALLY_AGENT_LOG_RATE_H
#define TALLY_AGENT_LOG_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_RATE_QUIET_MS 60000
#define LOG_RATE_ENTRIES  64

struct log_rate { /* zeroed: nothing was logged */
    struct log_rate_entry {
        uint64_t key;
        int64_t quiet_until_ms;
        int64_t count;
    } entries[LOG_RATE_ENTRIES];
};

/* Whether to log it now; *count is then how often it was passed over since it was last logged. Of
 * more things than there are entries all are logged, those of longest ago again: better twice than
 * never. */
bool log_rate_admit(struct log_rate *rate, uint64_t key, int64_t now_ms, int64_t *count);

/* A failure that goes on, of one thing that is tried again and again: it is to be logged when it
 * begins, once a minute while it continues, and when it is over. Zeroed: all is well. */
struct outage {
    int64_t since_ms;
    int64_t logged_ms;
    uint32_t failures; /* in a row; 0: all is well */
};

/* It failed (once more). Whether that is to be logged now. */
bool outage_failed(struct outage *outage, int64_t now_ms);

/* It succeeded. Whether an outage ends with that: then *ended (may be NULL) tells which. */
bool outage_over(struct outage *outage, struct outage *ended);

#endif
