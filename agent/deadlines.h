/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines, the earliest first: a binary heap of structs that their owners embed. Pure. */
#ifndef TALLY_AGENT_DEADLINES_H
#define TALLY_AGENT_DEADLINES_H

#include <stddef.h>
#include <stdint.h>

struct deadline {
    int64_t at;
    uint64_t turn; /* of two with the same time the one set earlier comes first */
    size_t place;  /* position in the heap, from 1; 0: in no heap */
};

/* Zeroed: empty. */
struct deadlines {
    struct deadline **heap; /* heap[1] is the earliest */
    size_t count;
    size_t capacity; /* of the heap, whose first place is not used */
    uint64_t turn;   /* of the next deadline */
};

/* Reserves space for this many in total, so that setting one cannot fail. 0 or -ENOMEM. */
int deadlines_reserve(struct deadlines *deadlines, size_t count);
void deadlines_free(struct deadlines *deadlines);

void deadlines_set(struct deadlines *deadlines, struct deadline *deadline, int64_t at);
void deadlines_remove(struct deadlines *deadlines, struct deadline *deadline); /* or in no heap */
struct deadline *deadlines_first(const struct deadlines *deadlines);           /* NULL: none */

#endif
