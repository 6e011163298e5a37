/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config/arena.h"

#include "proto/buffer.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct block {
    struct block *next;
    size_t size;
    size_t used;
    alignas(max_align_t) uint8_t data[];
};

struct arena {
    struct block *blocks; /* the block that is being filled comes first */
    size_t block_size;
    size_t max;
    size_t used;
    bool full;
};

struct arena *arena_create(size_t block, size_t max)
{
    struct arena *arena = calloc(1, sizeof(*arena));

    if (arena == NULL)
        return NULL;
    arena->block_size = block;
    arena->max = max;
    return arena;
}

void arena_destroy(struct arena *arena)
{
    if (arena == NULL)
        return;
    while (arena->blocks != NULL) {
        struct block *block = arena->blocks;

        arena->blocks = block->next;
        wipe(block->data, block->used);
        free(block);
    }
    free(arena);
}

/* An allocation larger than a block gets its own block, after the one that is being filled. */
static struct block *block_add(struct arena *arena, size_t size)
{
    bool oversize = size > arena->block_size;
    size_t capacity = oversize ? size : arena->block_size;
    struct block *block = malloc(sizeof(*block) + capacity);

    if (block == NULL)
        return NULL;
    block->size = capacity;
    block->used = 0;
    if (oversize && arena->blocks != NULL) {
        block->next = arena->blocks->next;
        arena->blocks->next = block;
    } else {
        block->next = arena->blocks;
        arena->blocks = block;
    }
    return block;
}

static void *arena_take(struct arena *arena, size_t size, size_t align)
{
    struct block *block = arena->blocks;
    size_t start = 0;

    if (size > arena->max - arena->used) {
        arena->full = true;
        return NULL;
    }
    if (block != NULL)
        start = (block->used + align - 1) & ~(align - 1);
    if (block == NULL || start > block->size || block->size - start < size) {
        block = block_add(arena, size);
        if (block == NULL)
            return NULL;
        start = 0;
    }
    block->used = start + size;
    arena->used += size;
    return block->data + start;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    void *data = arena_take(arena, size, alignof(max_align_t));

    if (data != NULL)
        memset(data, 0, size);
    return data;
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t size)
{
    size_t total = 0;

    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    return arena_alloc(arena, total);
}

char *arena_copy(struct arena *arena, const char *text, size_t len)
{
    char *copy = len < SIZE_MAX ? arena_take(arena, len + 1, 1) : NULL;

    if (copy == NULL)
        return NULL;
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

char *arena_copy_string(struct arena *arena, const char *text)
{
    return arena_copy(arena, text, strlen(text));
}

char *arena_vprintf(struct arena *arena, const char *format, va_list args)
{
    va_list again;

    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    char *text = len >= 0 ? arena_take(arena, (size_t)len + 1, 1) : NULL;
    if (text != NULL)
        vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *text = arena_vprintf(arena, format, args);
    va_end(args);
    return text;
}

bool arena_is_full(const struct arena *arena)
{
    return arena->full;
}
