/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/count/denials.h"

#include "agent/backoff.h"

#include <stddef.h>

static struct denial *entry_of(struct denials *denials, uint64_t key)
{
    return &denials->entries[key % DENIALS_ENTRIES];
}

const struct failure *denials_find(struct denials *denials, uint64_t key, int64_t now_ms)
{
    struct denial *denial = entry_of(denials, key);

    if (denial->key != key || now_ms >= denial->until)
        return NULL;
    denial->failure.retry_after_ms = denial->until - now_ms;
    return &denial->failure;
}

void denials_add(
    struct denials *denials, uint64_t key, const struct failure *failure, int64_t now_ms)
{
    struct denial *denial = entry_of(denials, key);

    if (denial->key == key && now_ms < denial->until)
        return; /* a concurrent request, denied too */
    denial->earlier = denial->key == key ? denial->earlier + 1 : 0;
    denial->key = key;
    denial->until = now_ms + backoff_refused_ms(denial->earlier);
    denial->failure = *failure;
}

void denials_forget(struct denials *denials, uint64_t key)
{
    struct denial *denial = entry_of(denials, key);

    if (denial->key == key)
        denial->key = 0;
}
