#include "agent/json.h"

#include "agent/wiping_heap.h"

#include <jansson.h>
#include <stdlib.h>

static bool memory_failed;

static void *noted_malloc(size_t size)
{
    void *memory = wiping_malloc(size);

    memory_failed = memory_failed || memory == NULL;
    return memory;
}

static void watch_memory(void)
{
    json_set_alloc_funcs(noted_malloc, wiping_free);
    memory_failed = false;
}

json_t *json_read(const void *text, size_t len, size_t flags, json_error_t *error, bool *no_memory)
{
    json_t *json;

    watch_memory();
    json = json_loadb(text, len, flags, error);
    if (no_memory != NULL)
        *no_memory = memory_failed;
    if (!memory_failed)
        return json;
    json_decref(json);
    return NULL;
}

char *json_write(const json_t *json, size_t flags)
{
    char *text;

    watch_memory();
    text = json_dumps(json, JSON_COMPACT | flags);
    if (!memory_failed)
        return text;
    wiping_free(text);
    return NULL;
}
