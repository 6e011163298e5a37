/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/json_value.h"

#include "agent/wiping_heap.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* The offset at which the text has too many values, or its length: counts the characters outside of
 * strings that begin or separate values. If the text is not JSON the number means nothing, and
 * jansson stops at the error. */
static size_t find_excess(const char *text, size_t len)
{
    unsigned values = 1;
    bool in_string = false;

    for (size_t i = 0; i < len; i++) {
        if (in_string && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            in_string = !in_string;
        else if (!in_string && strchr("[{,:", text[i]) != NULL && text[i] != '\0' &&
                 ++values > JSON_VALUES_MAX)
            return i;
    }
    return len;
}

static void set_excess(json_error_t *error, size_t position)
{
    if (error == NULL)
        return;
    *error = (json_error_t){.line = 1, .column = (int)position, .position = (int)position};
    snprintf(error->text, sizeof(error->text), "more than %d values", JSON_VALUES_MAX);
}

json_t *json_read(const void *text, size_t len, size_t flags, json_error_t *error, bool *no_memory)
{
    size_t excess = find_excess(text, len);
    json_t *json;

    if (no_memory != NULL)
        *no_memory = false;
    if (excess < len) {
        set_excess(error, excess);
        return NULL;
    }
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
