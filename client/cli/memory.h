/* SPDX-License-Identifier: Apache-2.0 */
/* The command, unlike the library, exits when it is out of memory: half a table or an empty list
 * would look like an answer. */
#ifndef TALLY_CLI_MEMORY_H
#define TALLY_CLI_MEMORY_H

#include <stddef.h>

/* Reports it on stderr and exits with 1; buffered stdout is dropped. */
_Noreturn void memory_exhausted(void);

/* Returns the pointer, unless it is NULL because the command is out of memory. */
void *memory_need(void *pointer);

/* malloc, for what takes an allocator. */
void *memory_allocate(size_t size);

#endif
