/* SPDX-License-Identifier: Apache-2.0 */
/* LD_PRELOAD: counts what a program asks of the heap.
 *
 * At each SIGUSR2 the counts so far are written to the file MALLOC_COUNT_FILE, as JSON: calls of
 * malloc, calloc, realloc and free, and the bytes asked for. glibc's own functions do the work. */
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *block);

static _Atomic unsigned long allocations, frees, bytes;

void *malloc(size_t size)
{
    allocations++;
    bytes += size;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    allocations++;
    bytes += count * size;
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    allocations++;
    bytes += size;
    return __libc_realloc(old, size);
}

void free(void *block)
{
    if (block != NULL)
        frees++;
    __libc_free(block);
}

static void tell(int number)
{
    const char *path = getenv("MALLOC_COUNT_FILE");
    char text[128];
    int len = snprintf(text, sizeof(text),
        "{\"allocations\": %lu, \"frees\": %lu, \"bytes\": %lu}\n", allocations, frees, bytes);
    int fd = path != NULL ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;

    (void)number;
    if (fd < 0)
        return;
    (void)!write(fd, text, (size_t)len);
    close(fd);
}

static __attribute__((constructor)) void begin(void)
{
    struct sigaction action = {.sa_handler = tell, .sa_flags = SA_RESTART};

    sigaction(SIGUSR2, &action, NULL);
}
