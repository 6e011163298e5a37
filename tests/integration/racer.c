/* SPDX-License-Identifier: Apache-2.0 */
/* Another user of the folder in which tallyd makes its socket: `racer FOLDER FILE VICTIM NAME`
 * takes whatever appears there away at once, and puts a symbolic link in its place: to FILE, or,
 * for a folder, to the folder VICTIM. It leaves FOLDER/NAME alone, the socket, and ends when its
 * standard input does. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *file, *victim;
static int fd, taken;

static void take(const char *name)
{
    char aside[64];
    struct stat stat;

    if (fstatat(fd, name, &stat, AT_SYMLINK_NOFOLLOW) < 0 || S_ISLNK(stat.st_mode))
        return;
    snprintf(aside, sizeof(aside), "aside.%d", taken);
    if (renameat(fd, name, fd, aside) < 0)
        return;
    taken++;
    if (symlinkat(S_ISDIR(stat.st_mode) ? victim : file, fd, name) < 0)
        perror(name);
}

int main(int argc, char **argv)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    DIR *stream;

    if (argc != 5)
        return 2;
    file = argv[2];
    victim = argv[3];
    stream = opendir(argv[1]);
    if (stream == NULL)
        return 1;
    fd = dirfd(stream);
    while (poll(&input, 1, 0) == 0) {
        for (int turn = 0; turn < 100; turn++) {
            const struct dirent *entry;

            rewinddir(stream);
            while ((entry = readdir(stream)) != NULL)
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
                    strcmp(entry->d_name, argv[4]) != 0 && strncmp(entry->d_name, "aside.", 6) != 0)
                    take(entry->d_name);
        }
    }
    return 0;
}
