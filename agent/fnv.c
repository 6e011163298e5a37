/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/fnv.h"

#include <string.h>

uint64_t fnv_bytes(uint64_t hash, const void *data, size_t len)
{
    const uint8_t *bytes = data;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

uint64_t fnv_text(uint64_t hash, const char *text)
{
    return fnv_bytes(hash, text, strlen(text) + 1);
}
