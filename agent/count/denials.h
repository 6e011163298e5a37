/* SPDX-License-Identifier: Apache-2.0 */
/* Recent AWS denials of ad-hoc requests, which no trigger describes, so that clients cannot repeat
 * them to AWS without limit. Fixed memory; reads no clock. */
#ifndef TALLY_AGENT_COUNT_DENIALS_H
#define TALLY_AGENT_COUNT_DENIALS_H

#include "proto/errors.h"

#include <stdint.h>

#define DENIALS_ENTRIES 16

struct denials { /* zeroed: nothing was denied */
    struct denial {
        uint64_t key; /* of the request; 0: none */
        int64_t until;
        uint32_t earlier; /* earlier denials in the same row */
        struct failure failure;
    } entries[DENIALS_ENTRIES];
};

/* The denial that still applies, and for how long; or NULL. Borrowed until the next change. */
const struct failure *denials_find(struct denials *denials, uint64_t key, int64_t now_ms);

/* Records a denial: it is the answer for backoff_refused_ms. Of two that share an entry the later
 * one stays. */
void denials_add(
    struct denials *denials, uint64_t key, const struct failure *failure, int64_t now_ms);

/* Records that AWS allowed the request. */
void denials_forget(struct denials *denials, uint64_t key);

#endif
