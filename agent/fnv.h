/* SPDX-License-Identifier: Apache-2.0 */
/* FNV-1a: a short number for what is long, where nobody gains by making two alike. Begins as
 * FNV_START. */
#ifndef TALLY_AGENT_FNV_H
#define TALLY_AGENT_FNV_H

#include <stddef.h>
#include <stdint.h>

#define FNV_START UINT64_C(0xcbf29ce484222325)

uint64_t fnv_bytes(uint64_t hash, const void *data, size_t len);

/* The end of the text counts, too: "ab", "c" is not "a", "bc". */
uint64_t fnv_text(uint64_t hash, const char *text);

#endif
