/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/wiping_heap.h"

#include "proto/buffer.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void *wiping_malloc(size_t size)
{
    return malloc(size);
}

void *wiping_calloc(size_t count, size_t size)
{
    return calloc(count, size);
}

char *wiping_strdup(const char *text)
{
    return strdup(text);
}

/* musl returns a page to the kernel as soon as it is empty, and requests it again with the next
 * block of that size: repeatedly while replies are read. So the first freed block of each size is
 * kept, and its page with it. glibc keeps its pages by itself. */
static bool keeps_page(void *block, size_t size)
{
#ifndef __GLIBC__
    static _Atomic(void *) kept[32]; /* four sizes from each power of two to the next, to 4095 */

    if (size >= 16 && size < 4096) {
        unsigned power = 63 - (unsigned)__builtin_clzll(size);
        void *none = NULL;

        return atomic_compare_exchange_strong(
            &kept[(power - 4) * 4 + (size >> (power - 2)) % 4], &none, block);
    }
#else
    (void)block;
    (void)size;
#endif
    return false;
}

void wiping_free(void *block)
{
    size_t size;

    if (block == NULL)
        return;
    size = malloc_usable_size(block);
    wipe(block, size);
    if (!keeps_page(block, size))
        free(block);
}

/* Not realloc, which may not wipe the old bytes. */
void *wiping_realloc(void *old, size_t size)
{
    size_t old_size = old != NULL ? malloc_usable_size(old) : 0;
    void *block = malloc(size);

    if (block == NULL || old == NULL)
        return block;
    memcpy(block, old, old_size < size ? old_size : size);
    wiping_free(old);
    return block;
}

void heap_give_back(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}
