#include "agent/log_rate.h"

/* Its own entry, or the one that it may take: a free one, or the one that was logged longest ago.
 */
static struct log_rate_entry *log_rate_find(struct log_rate *rate, uint64_t key)
{
    struct log_rate_entry *oldest = &rate->entries[0];

    for (size_t i = 0; i < LOG_RATE_ENTRIES; i++) {
        struct log_rate_entry *entry = &rate->entries[i];

        if (entry->quiet_until_ms != 0 && entry->key == key)
            return entry;
        if (entry->quiet_until_ms < oldest->quiet_until_ms)
            oldest = entry;
    }
    return oldest;
}

bool log_rate_admit(struct log_rate *rate, uint64_t key, int64_t now_ms, int64_t *count)
{
    struct log_rate_entry *entry = log_rate_find(rate, key);
    bool known = entry->quiet_until_ms != 0 && entry->key == key;

    if (known && now_ms < entry->quiet_until_ms) {
        entry->count++;
        return false;
    }
    *count = known ? entry->count : 0;
    *entry = (struct log_rate_entry){.key = key, .quiet_until_ms = now_ms + LOG_RATE_QUIET_MS};
    return true;
}

bool outage_failed(struct outage *outage, int64_t now_ms)
{
    if (outage->failures < UINT32_MAX)
        outage->failures++;
    if (outage->failures == 1)
        outage->since_ms = now_ms;
    else if (now_ms - outage->logged_ms < LOG_RATE_QUIET_MS)
        return false;
    outage->logged_ms = now_ms;
    return true;
}

bool outage_over(struct outage *outage, struct outage *ended)
{
    bool failed = outage->failures > 0;

    if (failed && ended != NULL)
        *ended = *outage;
    *outage = (struct outage){0};
    return failed;
}
