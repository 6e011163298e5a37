/* SPDX-License-Identifier: Apache-2.0 */
/* FNV-1a: a short hash of long data, where an attacker gains nothing from a collision. Starts as
 * FNV_START. */
#ifndef TALLY_AGENT_FNV_H
#define TALLY_AGENT_FNV_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define FNV_START UINT64_C(0xcbf29ce484222325)

static inline uint64_t fnv_bytes(uint64_t hash, const void *data, size_t len)
{
    const uint8_t *bytes = data;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* The end of the text is hashed, too: "ab", "c" is not "a", "bc". */
static inline uint64_t fnv_text(uint64_t hash, const char *text)
{
    return fnv_bytes(hash, text, strlen(text) + 1);
}

#endif
