/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/deadlines.h"

#include "proto/buffer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

int deadlines_reserve(struct deadlines *deadlines, size_t count)
{
    struct deadline **heap = array_grow(
        deadlines->heap, count, &deadlines->capacity, sizeof(struct deadline *));

    if (heap == NULL)
        return -ENOMEM;
    deadlines->heap = heap;
    return 0;
}

void deadlines_free(struct deadlines *deadlines)
{
    free(deadlines->heap);
    *deadlines = (struct deadlines){.heap = NULL};
}

static bool is_before(const struct deadline *a, const struct deadline *b)
{
    return a->at < b->at || (a->at == b->at && a->turn < b->turn);
}

static void deadlines_put(struct deadlines *deadlines, struct deadline *deadline, size_t place)
{
    deadlines->heap[place] = deadline;
    deadline->place = place;
}

/* Places it here, or higher up while its parents are later. */
static void deadlines_rise(struct deadlines *deadlines, struct deadline *deadline, size_t place)
{
    while (place > 1 && is_before(deadline, deadlines->heap[place / 2])) {
        deadlines_put(deadlines, deadlines->heap[place / 2], place);
        place /= 2;
    }
    deadlines_put(deadlines, deadline, place);
}

/* Places it here, or further down while its children are earlier. */
static void deadlines_sink(struct deadlines *deadlines, struct deadline *deadline, size_t place)
{
    for (size_t child = 2 * place; child <= deadlines->count; child = 2 * place) {
        if (child < deadlines->count &&
            is_before(deadlines->heap[child + 1], deadlines->heap[child]))
            child++;
        if (!is_before(deadlines->heap[child], deadline))
            break;
        deadlines_put(deadlines, deadlines->heap[child], place);
        place = child;
    }
    deadlines_put(deadlines, deadline, place);
}

void deadlines_set(struct deadlines *deadlines, struct deadline *deadline, int64_t at)
{
    deadlines_remove(deadlines, deadline);
    deadline->at = at;
    deadline->turn = deadlines->turn++;
    deadlines_rise(deadlines, deadline, ++deadlines->count);
}

void deadlines_remove(struct deadlines *deadlines, struct deadline *deadline)
{
    size_t place = deadline->place;
    struct deadline *last;

    if (place == 0)
        return;
    deadline->place = 0;
    last = deadlines->heap[deadlines->count--];
    if (last == deadline)
        return;
    if (is_before(last, deadline))
        deadlines_rise(deadlines, last, place);
    else
        deadlines_sink(deadlines, last, place);
}

struct deadline *deadlines_first(const struct deadlines *deadlines)
{
    return deadlines->count > 0 ? deadlines->heap[1] : NULL;
}
