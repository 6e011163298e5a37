#include "agent/repeats.h"

/* Its own entry, or the one that it may take: a free one, or whichever was said longest ago. */
static struct repeats_entry *find(struct repeats *repeats, uint64_t key)
{
    struct repeats_entry *oldest = &repeats->entries[0];

    for (size_t i = 0; i < REPEATS_ENTRIES; i++) {
        struct repeats_entry *entry = &repeats->entries[i];

        if (entry->quiet_until_ms != 0 && entry->key == key)
            return entry;
        if (entry->quiet_until_ms < oldest->quiet_until_ms)
            oldest = entry;
    }
    return oldest;
}

bool repeats_admit(struct repeats *repeats, uint64_t key, int64_t now_ms, int64_t *count)
{
    struct repeats_entry *entry = find(repeats, key);
    bool known = entry->quiet_until_ms != 0 && entry->key == key;

    if (known && now_ms < entry->quiet_until_ms) {
        entry->count++;
        return false;
    }
    *count = known ? entry->count : 0;
    *entry = (struct repeats_entry){.key = key, .quiet_until_ms = now_ms + REPEATS_QUIET_MS};
    return true;
}
