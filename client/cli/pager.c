#include "client/cli/pager.h"

#include "client/cli/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t pager_pid; /* 0: none */

/* NULL: none is wanted. */
static const char *pager_command(void)
{
    const char *own = getenv("TALLY_PAGER");
    const char *command = own != NULL ? own : getenv("PAGER");
    if (command == NULL)
        command = "less";
    return command[0] == '\0' || strcmp(command, "cat") == 0 ? NULL : command;
}

/* Whether a program of the command's first word is in PATH, or at its path. */
static bool pager_exists(const char *command)
{
    char path[4096];
    const char *folders = getenv("PATH");
    int word = (int)strcspn(command, " \t");
    if (memchr(command, '/', (size_t)word) != NULL)
        folders = "";
    for (const char *at = folders; at != NULL; at = strchr(at, ':') ? strchr(at, ':') + 1 : NULL) {
        int folder = (int)strcspn(at, ":");
        int n = snprintf(
            path, sizeof(path), "%.*s%s%.*s", folder, at, folder > 0 ? "/" : "", word, command);
        if (n > 0 && (size_t)n < sizeof(path) && access(path, X_OK) == 0)
            return true;
    }
    return false;
}

/* Less than a screen is printed and left at once, colours are passed on. */
static _Noreturn void pager_run(const char *command, int input)
{
    dup2(input, STDIN_FILENO);
    setenv("LESS", "FRX", 0);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

void pager_begin(void)
{
    const char *command = pager_command();
    int ends[2];
    if (!isatty(STDOUT_FILENO) || terminal_is_dumb() || command == NULL || !pager_exists(command) ||
        pipe2(ends, O_CLOEXEC) < 0)
        return;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        pager_run(command, ends[0]);
    if (pid > 0) {
        struct sigaction ignore = {.sa_handler = SIG_IGN};
        sigaction(SIGPIPE, &ignore, NULL); /* a pager that is left early has shown enough */
        terminal_is_paged();
        dup2(ends[1], STDOUT_FILENO);
        pager_pid = pid;
    }
    close(ends[0]);
    close(ends[1]);
}

void pager_end(void)
{
    if (pager_pid <= 0)
        return;
    fflush(stdout);
    clearerr(stdout);
    close(STDOUT_FILENO);
    while (waitpid(pager_pid, NULL, 0) < 0 && errno == EINTR)
        ;
    pager_pid = 0;
}
