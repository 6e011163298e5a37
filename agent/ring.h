/* SPDX-License-Identifier: Apache-2.0 */
/* An intrusive ring: members carry the link, so insertion and removal allocate nothing and removal
 * needs no search. An empty head, and a link that is in no ring, points to itself. */
#ifndef TALLY_AGENT_RING_H
#define TALLY_AGENT_RING_H

#include <stdbool.h>
#include <stddef.h>

struct ring {
    struct ring *next, *previous;
};

#define RING_MEMBER(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* Declares `at`, and visits each link in turn; the ring must not change meanwhile. */
/* NOLINTNEXTLINE(bugprone-macro-parentheses): `at` is the name that is declared. */
#define RING_EACH(at, head) for (struct ring *at = (head)->next; at != (head); at = at->next)

static inline void ring_init(struct ring *ring)
{
    ring->next = ring->previous = ring;
}

static inline bool ring_is_empty(const struct ring *head)
{
    return head->next == head;
}

/* At the end of the ring. */
static inline void ring_add(struct ring *head, struct ring *link)
{
    link->next = head;
    link->previous = head->previous;
    head->previous->next = link;
    head->previous = link;
}

/* Allowed when it is in no ring. */
static inline void ring_remove(struct ring *link)
{
    link->next->previous = link->previous;
    link->previous->next = link->next;
    ring_init(link);
}

/* Takes the first member out; the ring must not be empty. */
static inline struct ring *ring_pop(struct ring *head)
{
    struct ring *first = head->next;

    head->next = first->next;
    head->next->previous = head;
    ring_init(first);
    return first;
}

/* Moves all members to `to`, which is initialised: for calling callbacks over a list that they may
 * change. */
static inline void ring_take_all(struct ring *from, struct ring *to)
{
    if (ring_is_empty(from)) {
        ring_init(to);
        return;
    }
    *to = *from;
    to->next->previous = to;
    to->previous->next = to;
    ring_init(from);
}

#endif
