/* SPDX-License-Identifier: Apache-2.0 */
/* tally install: puts this program into a shared volume. */
#include "client/cli/terminal.h"
#include "client/cli/verbs.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPY_BYTES = 1 << 30 }; /* of one system call */

static int install_refuse(const char *what, const char *path)
{
    return cli_error("SYSTEM", EXIT_ERROR, "%s %s: %s", what, path, strerror(errno));
}

/* Whether the program needs a dynamic linker, which another image may not have. */
static bool is_dynamic(int program)
{
    ElfW(Ehdr) head;
    ElfW(Phdr) part;
    if (pread(program, &head, sizeof(head), 0) != (ssize_t)sizeof(head))
        return false;
    for (unsigned i = 0; i < head.e_phnum; i++) {
        off_t offset = (off_t)(head.e_phoff + i * sizeof(part));

        if (pread(program, &part, sizeof(part), offset) != (ssize_t)sizeof(part))
            return false;
        if (part.p_type == PT_INTERP)
            return true;
    }
    return false;
}

static bool copy_all(int from, int to)
{
    ssize_t n;

    do
        n = sendfile(to, from, NULL, COPY_BYTES);
    while (n > 0 || (n < 0 && errno == EINTR));
    return n == 0;
}

/* The program appears under its name complete, or not at all: it may be run at once. */
static int copy_program(int program, const char *folder)
{
    char *path = NULL, *temporary = NULL;
    int to = -1, code = EXIT_OK;
    bool made = false;

    if (asprintf(&path, "%s/tally", folder) < 0 ||
        asprintf(&temporary, "%s/.tally.XXXXXX", folder) < 0)
        memory_exhausted();
    to = mkostemp(temporary, O_CLOEXEC);
    made = to >= 0;
    if (!made)
        code = install_refuse("cannot write into", folder);
    else if (!copy_all(program, to) || fchmod(to, 0755) < 0 || close(to) < 0)
        code = install_refuse("cannot write", temporary);
    else if (rename(temporary, path) < 0)
        code = install_refuse("cannot replace", path);
    else
        made = false;
    if (code == EXIT_OK)
        terminal_print(stdout, "%s\n", path);
    if (made)
        unlink(temporary);
    free(path);
    free(temporary);
    return code;
}

int run_install(struct cli *cli)
{
    int program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    if (program < 0)
        return install_refuse("cannot read", "/proc/self/exe");
    int code = copy_program(program, cli_operand(cli, 0));
    if (code == EXIT_OK && is_dynamic(program))
        cli_note("this build needs shared libraries, which other images may lack; the static "
                 "build needs none");
    close(program);
    return code;
}
