/* SPDX-License-Identifier: Apache-2.0 */
/* tallyd, or the command, with an allocator that fails once. Each line on stdin is a number n: a
 * child process then runs it with this program's arguments, and its n-th allocation returns NULL
 * (0: none does). Answers "started PID" and, when the child has ended, "ended STATUS ALLOCATIONS",
 * the status as waitpid has it. What the child writes goes to stderr.
 *
 * What counts as an allocation: those of tally's own code, and of the libraries that are linked
 * statically here (expat, jansson, msgpack-c, libyaml) or that were given tally's allocator
 * (libcurl). libuv and OpenSSL are left out: libuv documents that it aborts where it can report
 * nothing, and OpenSSL's failures are for its own tests to provoke. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

int tortured_main(int argc, char **argv);

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__real_reallocarray(void *block, size_t count, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t len);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_reallocarray(void *block, size_t count, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t len);

static unsigned long failing;    /* the number of the allocation that fails; 0: none */
static unsigned long *allocated; /* how many there were; shared with the parent */

static bool fails(void)
{
    if (allocated == NULL || ++*allocated != failing)
        return false;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return fails() ? NULL : __real_realloc(block, size);
}

void *__wrap_reallocarray(void *block, size_t count, size_t size)
{
    return fails() ? NULL : __real_reallocarray(block, count, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t len)
{
    return fails() ? NULL : __real_strndup(text, len);
}

static void run_once(unsigned long number, int argc, char **argv)
{
    pid_t child;
    int status = 0;

    *allocated = 0;
    child = fork();
    if (child == 0) {
        dup2(STDERR_FILENO, STDOUT_FILENO); /* stdout is for the answers */
        failing = number;
        exit(tortured_main(argc, argv));
    }
    printf("started %d\n", (int)child);
    fflush(stdout);
    if (child < 0 || waitpid(child, &status, 0) < 0)
        exit(1);
    printf("ended %d %lu\n", status, *allocated);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    char line[32];

    allocated = mmap(
        NULL, sizeof(*allocated), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (allocated == MAP_FAILED)
        return 1;
    while (fgets(line, sizeof(line), stdin) != NULL)
        run_once(strtoul(line, NULL, 10), argc, argv);
    return 0;
}
