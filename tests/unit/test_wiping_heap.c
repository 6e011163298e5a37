/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks that were freed hold nothing, are used again for their size, and no more are kept than the
 * header says. */
#include "tests/unit/test.h"

#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

static int made, freed;

static void *watched_malloc(size_t size)
{
    made++;
    return malloc(size);
}

static void *watched_calloc(size_t count, size_t size)
{
    made++;
    return calloc(count, size);
}

static void watched_free(void *block)
{
    freed++;
    free(block);
}

/* Compiled into this file, so that its memory can be watched. */
#define malloc watched_malloc
#define calloc watched_calloc
#define free   watched_free
#include "agent/wiping_heap.c"
#undef malloc
#undef calloc
#undef free

#define LARGEST 4104

static uint8_t
    *volatile kept; /* a freed block, where no analyzer follows: kept, so still readable */

static void drain(void)
{
    for (size_t size = 8; kept_bytes > 0 && size <= LARGEST; size += 16)
        for (void *block; (block = take_kept(size)) != NULL;)
            free(block);
    made = freed = 0;
}

/* In a sanitizer build nothing is kept, and that is what is tested then. */
static bool keep(void)
{
    wiping_heap_keep();
    drain();
    return !PROCESS_IS_SANITIZED;
}

TEST(a_block_is_used_again_for_each_size_that_it_fits)
{
    bool keeps = keep();

    for (size_t size = 0; size <= LARGEST; size++) {
        void *first = wiping_malloc(size);

        made = 0;
        wiping_free(first);
        void *again = wiping_malloc(size);
        CHECK_INT(keeps ? 0 : 1, made);
        CHECK(!keeps || again == first);
        CHECK(malloc_usable_size(again) >= size);
        wiping_free(again);
        drain();
    }
}

TEST(no_block_is_given_for_more_than_it_holds)
{
    keep();
    /* Also those that another library made, of any size. */
    for (size_t size = 0; size <= LARGEST + 100; size++) {
        wiping_free(malloc(size + 1));
        for (size_t wanted = size > 40 ? size - 40 : 0; wanted < size + 40; wanted++) {
            void *block = wiping_malloc(wanted);

            CHECK(malloc_usable_size(block) >= wanted);
            memset(block, 0xff, malloc_usable_size(block));
            wiping_free(block);
        }
        drain();
    }
}

TEST(a_freed_block_holds_nothing)
{
    static const uint8_t none[LARGEST];

    if (!keep())
        return;
    for (size_t size = 24; size <= LARGEST; size += 7) {
        uint8_t *other = wiping_malloc(size), *block = wiping_malloc(size);
        size_t whole = malloc_usable_size(block);

        memset(block, 0x5a, whole);
        kept = block;
        wiping_free(other);
        wiping_free(block);
        CHECK(memmem(kept + sizeof(void *), whole - sizeof(void *), "\x5a", 1) == NULL);
        uint8_t *cleared = wiping_calloc(1, size);
        CHECK(cleared == kept);
        CHECK(memcmp(cleared, none, size) == 0);
        wiping_free(cleared);
        drain();
    }
}

TEST(a_block_that_grows_is_moved_and_wiped)
{
    static const char text[] = "THE-SECRET-OF-A-BLOCK-THAT-GROWS";

    if (!keep())
        return;
    char *block = wiping_strdup(text);
    size_t whole = malloc_usable_size(block);
    kept = (uint8_t *)block;
    char *same = wiping_realloc(block, whole);
    CHECK((uint8_t *)same == kept);
    char *moved = wiping_realloc(same, whole + 1);
    CHECK((uint8_t *)moved != kept);
    CHECK_STR(text, moved);
    CHECK(memmem(kept, whole, "SECRET", 6) == NULL);
    char *shrunk = wiping_realloc(moved, 8);
    CHECK(memcmp(shrunk, text, 8) == 0);
    wiping_free(shrunk);
    wiping_free(wiping_realloc(NULL, 10));
}

TEST(no_more_is_kept_than_64_kib)
{
    void *blocks[3000];
    bool keeps = keep();

    for (size_t i = 0; i < 3000; i++)
        blocks[i] = wiping_malloc(i % 100 == 0 ? LARGEST : 56);
    for (size_t i = 0; i < 3000; i++)
        wiping_free(blocks[i]);
    CHECK(kept_bytes <= 64 * 1024);
    CHECK(!keeps || kept_bytes > 60 * 1024);
    CHECK(freed >= 1000);
}

TEST(a_large_block_is_given_back)
{
    keep();
    wiping_free(wiping_malloc(LARGEST + 100));
    CHECK_INT(1, freed);
    CHECK(wiping_calloc(SIZE_MAX / 2, 4) == NULL);
}

static void *free_elsewhere(void *block)
{
    wiping_free(block);
    wiping_free(wiping_malloc(100));
    return NULL;
}

TEST(other_threads_keep_nothing)
{
    pthread_t thread;
    size_t before;

    keep();
    void *block = wiping_malloc(100);
    wiping_free(wiping_malloc(1000));
    before = kept_bytes;
    made = freed = 0;
    CHECK_INT(0, pthread_create(&thread, NULL, free_elsewhere, block));
    CHECK_INT(0, pthread_join(thread, NULL));
    CHECK_INT(1, made);
    CHECK_INT(2, freed);
    CHECK_INT(before, kept_bytes);
}

TEST_MAIN(RUN(a_block_is_used_again_for_each_size_that_it_fits),
    RUN(no_block_is_given_for_more_than_it_holds), RUN(a_freed_block_holds_nothing),
    RUN(a_block_that_grows_is_moved_and_wiped), RUN(no_more_is_kept_than_64_kib),
    RUN(a_large_block_is_given_back), RUN(other_threads_keep_nothing))
