/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/wiping_heap.h"

#include "agent/process.h"
#include "proto/buffer.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* ---- kept blocks ---- */

/* A block that was wiped and freed, kept for the next request for its size. */
struct kept_block {
    struct kept_block *next;
};

#define BLOCK_STEP    16u
#define BLOCK_LEAST   24u           /* what glibc's smallest block holds */
#define BLOCK_LARGEST 4104u         /* libcurl's buffer for a reply */
#define KEPT_BYTES    (64u * 1024u) /* all together; what one call needs is a fifth of it */

static struct kept_block *kept_blocks[BLOCK_LARGEST / BLOCK_STEP + 1];
static size_t kept_bytes;
static _Thread_local bool keeps_blocks; /* libcurl's resolver frees blocks in threads of its own */

/* Sizes are those of glibc's blocks, 24, 40, 56, …, so that a block fits the next request for as
 * much, whichever number of bytes was requested. */
static size_t round_size(size_t size)
{
    if (size <= BLOCK_LEAST)
        return BLOCK_LEAST;
    return size <= BLOCK_LARGEST ? ((size + 7) | (BLOCK_STEP - 1)) - 7 : size;
}

/* NULL: none is kept for this size. */
static void *take_kept(size_t rounded)
{
    struct kept_block *block;

    if (!keeps_blocks || rounded > BLOCK_LARGEST)
        return NULL;
    block = kept_blocks[rounded / BLOCK_STEP];
    if (block == NULL)
        return NULL;
    kept_blocks[rounded / BLOCK_STEP] = block->next;
    block->next = NULL;
    kept_bytes -= rounded;
    return block;
}

static bool keep_block(void *memory, size_t size)
{
    size_t rounded = ((size - 8) & ~(size_t)(BLOCK_STEP - 1)) + 8; /* what it surely fits */
    struct kept_block *block = memory;

    if (!keeps_blocks || size < BLOCK_LEAST || rounded > BLOCK_LARGEST ||
        kept_bytes + rounded > KEPT_BYTES)
        return false;
    block->next = kept_blocks[rounded / BLOCK_STEP];
    kept_blocks[rounded / BLOCK_STEP] = block;
    kept_bytes += rounded;
    return true;
}

void wiping_heap_keep(void)
{
    keeps_blocks = !PROCESS_IS_SANITIZED; /* it watches freed blocks */
}

/* ---- the heap ---- */

void *wiping_malloc(size_t size)
{
    size_t rounded = round_size(size);
    void *kept = take_kept(rounded);

    return kept != NULL ? kept : malloc(rounded);
}

void *wiping_calloc(size_t count, size_t size)
{
    void *kept;
    size_t all;

    if (__builtin_mul_overflow(count, size, &all))
        return NULL;
    kept = take_kept(round_size(all)); /* wiped */
    return kept != NULL ? kept : calloc(1, round_size(all));
}

char *wiping_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = wiping_malloc(size);

    return copy != NULL ? memcpy(copy, text, size) : NULL;
}

void wiping_free(void *block)
{
    size_t size;

    if (block == NULL)
        return;
    size = malloc_usable_size(block);
    wipe(block, size);
    if (!keep_block(block, size))
        free(block);
}

/* Not realloc, which may not wipe the old bytes. */
void *wiping_realloc(void *old, size_t size)
{
    size_t old_size = old != NULL ? malloc_usable_size(old) : 0;
    void *block;

    if (old != NULL && size <= old_size && size >= old_size / 2)
        return old;
    block = wiping_malloc(size);
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
