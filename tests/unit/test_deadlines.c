/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/deadlines.h"
#include "tests/unit/test.h"

#include <stdbool.h>

#define MANY 300

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

TEST(the_earliest_comes_first)
{
    static const int64_t times[] = {50, 10, 40, 10, 30, 20};
    static const size_t order[] = {1, 3, 5, 4, 2, 0}; /* the first set of two equal ones first */
    struct deadline members[6] = {{.place = 0}};
    struct deadlines deadlines = {.heap = NULL};

    CHECK_INT(0, deadlines_reserve(&deadlines, 6));
    CHECK(deadlines_first(&deadlines) == NULL);
    for (size_t i = 0; i < 6; i++)
        deadlines_set(&deadlines, &members[i], times[i]);
    for (size_t i = 0; i < 6; i++) {
        struct deadline *first = deadlines_first(&deadlines);

        CHECK_INT(order[i], first - members);
        deadlines_remove(&deadlines, first);
        CHECK_INT(0, first->place);
    }
    CHECK(deadlines_first(&deadlines) == NULL);
    deadlines_free(&deadlines);
}

TEST(one_that_is_set_again_moves)
{
    struct deadline a = {.place = 0}, b = {.place = 0};
    struct deadlines deadlines = {.heap = NULL};

    CHECK_INT(0, deadlines_reserve(&deadlines, 2));
    deadlines_set(&deadlines, &a, 10);
    deadlines_set(&deadlines, &b, 20);
    deadlines_set(&deadlines, &a, 30);
    CHECK(deadlines_first(&deadlines) == &b);
    deadlines_set(&deadlines, &a, 20); /* the same time, but later */
    CHECK(deadlines_first(&deadlines) == &b);
    CHECK_INT(2, deadlines.count);
    deadlines_free(&deadlines);
}

TEST(removing_what_is_in_none_changes_nothing)
{
    struct deadline a = {.place = 0}, b = {.place = 0};
    struct deadlines deadlines = {.heap = NULL};

    CHECK_INT(0, deadlines_reserve(&deadlines, 1));
    deadlines_set(&deadlines, &a, 10);
    deadlines_remove(&deadlines, &b);
    CHECK(deadlines_first(&deadlines) == &a);
    deadlines_free(&deadlines);
}

/* Held against a search of all members. */
static const struct deadline *search_first(const struct deadline *members, size_t count)
{
    const struct deadline *first = NULL;

    for (size_t i = 0; i < count; i++) {
        const struct deadline *at = &members[i];

        if (at->place != 0 && (first == NULL || at->at < first->at ||
                                  (at->at == first->at && at->turn < first->turn)))
            first = at;
    }
    return first;
}

TEST(any_order_of_setting_and_removing_keeps_the_first)
{
    struct deadline members[MANY] = {{.place = 0}};
    struct deadlines deadlines = {.heap = NULL};
    uint32_t state = 7;

    for (size_t step = 0; step < 20000; step++) {
        struct deadline *member = &members[next_random(&state) % MANY];

        CHECK_INT(0, deadlines_reserve(&deadlines, MANY));
        if (next_random(&state) % 3 == 0)
            deadlines_remove(&deadlines, member);
        else
            deadlines_set(&deadlines, member, (int64_t)(next_random(&state) % 1000));
        CHECK(deadlines_first(&deadlines) == search_first(members, MANY));
    }
    deadlines_free(&deadlines);
}

TEST_MAIN(RUN(the_earliest_comes_first), RUN(one_that_is_set_again_moves),
    RUN(removing_what_is_in_none_changes_nothing),
    RUN(any_order_of_setting_and_removing_keeps_the_first))
