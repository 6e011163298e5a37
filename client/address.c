#include "client/address.h"

#include "client/tally.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

const char *address_default(const char *path)
{
    if (path != NULL)
        return path;
    const char *environment = secure_getenv("TALLY_SOCKET");
    return environment != NULL && environment[0] != '\0' ? environment : TALLY_SOCKET_DEFAULT;
}

static int connect_short(int fd, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, len + 1);
    while (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    return 0;
}

/* The kernel follows /proc/self/fd/N to the socket that an O_PATH descriptor stands for, so
 * that neither a long folder nor a long name matters. */
static int connect_long(int fd, const char *path)
{
    int place = open(path, O_PATH | O_CLOEXEC);
    if (place < 0)
        return -errno;
    char link[32];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", place);
    int r = connect_short(fd, link);
    close(place);
    return r;
}

int address_connect(const char *path)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int r = connect_short(fd, path);
    if (r == -ENAMETOOLONG)
        r = connect_long(fd, path);
    if (r < 0) {
        close(fd);
        return r;
    }
    return fd;
}

static void explain_permission(const char *path, char *text, size_t size)
{
    struct stat info;
    if (stat(path, &info) < 0) {
        snprintf(text, size,
            "%s: a folder on the way does not let uid %u pass: mount the socket's folder so "
            "that this user may enter it",
            path, (unsigned)geteuid());
        return;
    }
    snprintf(text, size,
        "%s belongs to uid %u, gid %u with mode %04o and does not admit uid %u, gid %u: join "
        "group %u (in a pod: `supplementalGroups: [%u]`), or start tallyd with --socket-group or "
        "--socket-mode",
        path, (unsigned)info.st_uid, (unsigned)info.st_gid, (unsigned)(info.st_mode & 07777),
        (unsigned)geteuid(), (unsigned)getegid(), (unsigned)info.st_gid, (unsigned)info.st_gid);
}

void address_explain(const char *path, int error, char *text, size_t size)
{
    struct stat info;
    switch (-error) {
    case EACCES:
    case EPERM:
        explain_permission(path, text, size);
        return;
    case ENOENT:
        snprintf(text, size,
            "%s: there is no socket: is tallyd running, and is its folder mounted here?", path);
        return;
    case ECONNREFUSED:
        if (stat(path, &info) == 0 && !S_ISSOCK(info.st_mode))
            snprintf(text, size, "%s is no socket: check --socket and TALLY_SOCKET", path);
        else
            snprintf(text, size,
                "%s: nobody listens: tallyd has ended, or this is a left-over of another", path);
        return;
    case EAGAIN:
        snprintf(text, size, "%s: the agent does not accept connections fast enough", path);
        return;
    case ECONNRESET:
    case EPIPE:
        snprintf(text, size,
            "%s: the agent closed the connection without an answer: it restarts, is full, or "
            "refuses uid %u (its log says which)",
            path, (unsigned)geteuid());
        return;
    default:
        snprintf(text, size, "%s: %s", path, strerror(-error));
        return;
    }
}
