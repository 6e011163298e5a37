#include "client/cli/memory.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void memory_exhausted(void)
{
    fputs("tally: NOMEM: out of memory\n", stderr);
    exit(1);
}

void *memory_need(void *pointer)
{
    if (pointer == NULL)
        memory_exhausted();
    return pointer;
}
