/* SPDX-License-Identifier: Apache-2.0 */
/* From the start of a process to its first answer.
 *
 *     start_time print COMMAND...                  until it prints something
 *     start_time ask SOCKET REQUEST_FILE COMMAND...   until it answers the request at its socket
 *
 * Prints milliseconds as JSON: of the wall clock, and of the CPU that the process took until its
 * end, which it is asked for with SIGTERM. */
#include "tests/bench/bench.h"

#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define GIVE_UP_MS 20000

static pid_t start(char **command, int out)
{
    pid_t pid = fork();

    if (pid < 0)
        die("fork");
    if (pid == 0) {
        if (out >= 0)
            dup2(out, 1);
        execvp(command[0], command);
        die(command[0]);
    }
    return pid;
}

static void wait_for_print(int in)
{
    char text[4096];

    if (read(in, text, sizeof(text)) <= 0)
        die("it printed nothing");
}

static int try_connect(const char *path)
{
    struct sockaddr_un address = unix_address(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* The socket appears when it is listened at: nothing is asked of the machine until then. */
static int wait_for_socket(int watch, const char *path)
{
    struct pollfd change = {.fd = watch, .events = POLLIN};
    char events[4096];
    int fd;

    while ((fd = try_connect(path)) < 0)
        if (poll(&change, 1, GIVE_UP_MS) <= 0 || read(watch, events, sizeof(events)) <= 0)
            die("it does not listen");
    return fd;
}

static void wait_for_answer(int watch, const char *path, const char *request_file)
{
    FILE *file = fopen(request_file, "rb");
    char request[1024], answer[4096];
    size_t len;
    int fd;

    if (file == NULL)
        die(request_file);
    len = fread(request, 1, sizeof(request), file);
    fclose(file);
    fd = wait_for_socket(watch, path);
    if (send(fd, request, len, MSG_NOSIGNAL) != (ssize_t)len ||
        recv(fd, answer, sizeof(answer), 0) <= 0)
        die("it does not answer");
    /* [1, msgid, error, result]: the count, not an error */
    if (memchr(answer, 0xc0, 16) == NULL || memmem(answer, sizeof(answer), "quality", 7) == NULL)
        die("it answers an error");
    close(fd);
}

static int watch_folder(const char *path)
{
    char copy[256];
    int fd = inotify_init1(IN_CLOEXEC);

    snprintf(copy, sizeof(copy), "%s", path);
    if (fd < 0 || inotify_add_watch(fd, dirname(copy), IN_CREATE | IN_MOVED_TO) < 0)
        die(path);
    return fd;
}

int main(int argc, char **argv)
{
    int asks = argc > 4 && strcmp(argv[1], "ask") == 0;
    struct rusage usage;
    int out[2], status, watch;
    int64_t begin, end;
    pid_t pid;

    if (argc < 3 || (!asks && strcmp(argv[1], "print") != 0)) {
        fprintf(
            stderr, "usage: start_time print COMMAND... | ask SOCKET REQUEST_FILE COMMAND...\n");
        return 2;
    }
    if (pipe(out) < 0)
        die("pipe");
    watch = asks ? watch_folder(argv[2]) : -1;
    begin = now_ns();
    pid = start(argv + (asks ? 4 : 2), asks ? -1 : out[1]);
    close(out[1]);
    if (asks)
        wait_for_answer(watch, argv[2], argv[3]);
    else
        wait_for_print(out[0]);
    end = now_ns();
    kill(pid, SIGTERM);
    if (wait4(pid, &status, 0, &usage) < 0)
        die("wait4");
    printf("{\"wall_ms\": %.3f, \"cpu_ms\": %.3f}\n", (double)(end - begin) / 1e6,
        (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
            (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3);
    return 0;
}
