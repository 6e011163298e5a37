#include "agent/wiping_heap.h"

#include "proto/buffer.h"

#include <malloc.h>
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

void wiping_free(void *block)
{
    if (block != NULL)
        wipe(block, malloc_usable_size(block));
    free(block);
}

/* Not realloc, which may leave the old bytes behind. */
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
