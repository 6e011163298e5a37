#include "agent/aws/skews.h"

#include "agent/fnv.h"

#include <stddef.h>

static uint64_t hash_of(const char *host)
{
    return fnv_text(FNV_START, host) | 1; /* never 0 */
}

int64_t skews_offset(const struct skews *skews, const char *host, int64_t otherwise)
{
    uint64_t hash = hash_of(host);

    for (size_t i = 0; i < SKEWS_ENTRIES; i++)
        if (skews->entries[i].host == hash)
            return skews->entries[i].offset_ms;
    return otherwise;
}

void skews_learn(struct skews *skews, const char *host, int64_t offset_ms)
{
    uint64_t hash = hash_of(host);
    size_t at = 0;

    while (at < SKEWS_ENTRIES && skews->entries[at].host != hash)
        at++;
    if (at == SKEWS_ENTRIES)
        at = skews->next++ % SKEWS_ENTRIES;
    skews->entries[at] = (struct skew){.host = hash, .offset_ms = offset_ms};
}
