/* SPDX-License-Identifier: Apache-2.0 */
/* What AWS denied lately to those who ask for what no trigger describes, so that they cannot have
 * it asked again and again. Fixed memory; sees no clock. */
#ifndef TALLY_AGENT_COUNT_DENIALS_H
#define TALLY_AGENT_COUNT_DENIALS_H

#include "proto/errors.h"

#include <stdint.h>

#define DENIALS_ENTRIES 16

struct denials { /* zeroed: nothing was denied */
    struct denial {
        uint64_t key; /* of what was asked; 0: none */
        int64_t until;
        uint32_t earlier; /* in the same row */
        struct failure failure;
    } entries[DENIALS_ENTRIES];
};

/* The denial that still holds, with how long it does; or NULL. Borrowed until the next change. */
const struct failure *denials_find(struct denials *denials, uint64_t key, int64_t now_ms);

/* It was denied: for as long as backoff_refused_ms says, the same is the answer. Of two that share
 * an entry the later one stays. */
void denials_add(
    struct denials *denials, uint64_t key, const struct failure *failure, int64_t now_ms);

/* It was granted. */
void denials_forget(struct denials *denials, uint64_t key);

#endif
