/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK_BYTES  4096
#define GROUPS_SHOWN 16

static int read_all(int fd, struct buffer *out)
{
    uint8_t chunk[CHUNK_BYTES];
    ssize_t got;
    int r = 0;

    do {
        got = read(fd, chunk, sizeof(chunk));
        if (got > 0)
            r = buffer_append(out, chunk, (size_t)got);
        else if (got < 0 && errno != EINTR)
            r = -errno;
    } while (r == 0 && got != 0);
    wipe(chunk, sizeof(chunk));
    return r;
}

int file_read(const char *path, struct buffer *out)
{
    struct stat status;
    int r;
    /* Without O_NONBLOCK the open of a pipe would wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return -errno;
    if (fstat(fd, &status) < 0)
        r = -errno;
    else if (S_ISDIR(status.st_mode))
        r = -EISDIR;
    else if (!S_ISREG(status.st_mode))
        r = -EINVAL;
    else
        r = read_all(fd, out);
    close(fd);
    return r;
}

int stream_read(const char *path, struct buffer *out)
{
    bool is_input = strcmp(path, "-") == 0 || strcmp(path, "/dev/stdin") == 0;
    int fd = is_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    int r;

    if (fd < 0)
        return -errno;
    r = read_all(fd, out);
    if (!is_input)
        close(fd);
    return r;
}

bool path_is_folder(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

bool path_is_stream(const char *path)
{
    struct stat status;

    return strcmp(path, "-") == 0 ||
           (stat(path, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode));
}

_Static_assert(sizeof(struct file_stamp) == 6 * sizeof(int64_t), "it has no padding");

struct file_stamp file_stamp_of(const char *path)
{
    struct stat status;

    if (stat(path, &status) < 0)
        return (struct file_stamp){.error = -errno};
    return (struct file_stamp){.device = status.st_dev,
        .inode = status.st_ino,
        .size = (uint64_t)status.st_size,
        .changed_s = status.st_ctim.tv_sec,
        .changed_ns = status.st_ctim.tv_nsec};
}

bool file_stamp_equal(const struct file_stamp *a, const struct file_stamp *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static void list_groups(char *text, size_t size)
{
    gid_t groups[GROUPS_SHOWN];
    int count = getgroups(GROUPS_SHOWN, groups);
    size_t used = (size_t)snprintf(text, size, "%u", (unsigned)getegid());

    for (int i = 0; i < count && used + 12 < size; i++)
        if (groups[i] != getegid())
            used += (size_t)snprintf(text + used, size - used, ",%u", (unsigned)groups[i]);
}

static void explain_rights(const char *path, char *why, size_t why_size)
{
    char groups[GROUPS_SHOWN * 12 + 12];
    struct stat status;

    list_groups(groups, sizeof(groups));
    if (stat(path, &status) < 0)
        snprintf(why, why_size,
            "%s cannot be reached by this process (uid %u, gids %s): a folder above it may not be "
            "searched",
            path, (unsigned)geteuid(), groups);
    else
        snprintf(why, why_size,
            "%s cannot be read by this process (uid %u, gids %s): the file belongs to uid %u, gid "
            "%u and has mode %04o; set fsGroup or a common runAsUser",
            path, (unsigned)geteuid(), groups, (unsigned)status.st_uid, (unsigned)status.st_gid,
            (unsigned)status.st_mode & 07777u);
}

void file_explain(const char *path, int error, char *why, size_t why_size)
{
    switch (error) {
    case -EACCES:
    case -EPERM:
        explain_rights(path, why, why_size);
        break;
    case -EMSGSIZE:
        snprintf(why, why_size, "%s is too long for what it should hold", path);
        break;
    case -EINVAL:
        snprintf(why, why_size, "%s is not a regular file", path);
        break;
    default:
        snprintf(why, why_size, "%s cannot be read: %s", path, strerror(-error));
        break;
    }
}
