/* SPDX-License-Identifier: Apache-2.0 */
/* malloc whose blocks are wiped when they are freed or moved: for the libraries through whose heaps
 * tokens and keys pass (libcurl, expat, jansson), and for what is made for each call. libcurl's
 * resolver calls it from its own threads. */
#ifndef TALLY_AGENT_WIPING_HEAP_H
#define TALLY_AGENT_WIPING_HEAP_H

#include <stddef.h>

/* From now on small blocks that this thread frees are wiped and kept, up to 64 KiB, for its next
 * requests: a call makes a hundred blocks of the same sizes each time. Once a process, in the
 * thread of the loop. Without effect in a sanitizer build. */
void wiping_heap_keep(void);

void *wiping_malloc(size_t size);
void *wiping_calloc(size_t count, size_t size);
void *wiping_realloc(void *block, size_t size);
char *wiping_strdup(const char *text);
void wiping_free(void *block); /* NULL is allowed */

/* After something large was freed: glibc would keep the pages. */
void heap_give_back(void);

#endif
