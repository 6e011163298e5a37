/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

_Noreturn void memory_exhausted(void)
{
    fputs("tally: NOMEM: out of memory\n", stderr);
    _exit(1); /* not exit: the buffered stdout would be half an answer */
}

void *memory_need(void *pointer)
{
    if (pointer == NULL)
        memory_exhausted();
    return pointer;
}

void *memory_allocate(size_t size)
{
    return memory_need(malloc(size));
}
