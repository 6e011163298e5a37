/* SPDX-License-Identifier: Apache-2.0 */
/* The command, unlike the library, gives up when there is no memory: half a table or an empty
 * list would look like an answer. */
#ifndef TALLY_CLI_MEMORY_H
#define TALLY_CLI_MEMORY_H

#include <stddef.h>

/* Says so on stderr and exits 1; what is not on stdout yet is dropped. */
_Noreturn void memory_exhausted(void);

/* The pointer, unless it is NULL for want of memory. */
void *memory_need(void *pointer);

#endif
