#include "agent/ipc/socket_path.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG    1024
#define LOCK_TRIES 40 /* for the lock on the folder, this apart: */
#define LOCK_MS    25

/* The folder that the socket is to be in, and its name there. */
static int open_folder(const char *path, const char **name)
{
    char folder[sizeof(((struct sockaddr_un *)0)->sun_path)];
    const char *slash = strrchr(path, '/');

    if (slash == NULL) {
        *name = path;
        return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    *name = slash + 1;
    snprintf(folder, sizeof(folder), "%.*s", slash == path ? 1 : (int)(slash - path), path);
    return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Whether somebody listens at the path: 0 and *pid, -ECONNREFUSED (a left-over), or another. */
static int probe(const char *path, pid_t *pid)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ucred peer = {.pid = 0};
    socklen_t len = sizeof(peer);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r = 0;

    if (fd < 0)
        return -errno;
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        r = -errno;
    if (r == -EAGAIN)
        r = 0; /* its queue is full: somebody listens all the same */
    if (r == 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0)
        *pid = peer.pid;
    close(fd);
    return r;
}

/* What is at the path by now must be nothing, or a socket that nobody serves any more. */
static int check_present(const char *path, char *why, size_t why_size)
{
    struct stat stat;
    pid_t pid = 0;
    int r;

    if (lstat(path, &stat) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(stat.st_mode)) {
        snprintf(why, why_size,
            "%s exists and is not a socket; remove it, or choose another --socket", path);
        return -EINVAL;
    }
    r = probe(path, &pid);
    if (r == 0) {
        snprintf(why, why_size,
            "%s is already served by process %d; stop that agent, or choose another --socket", path,
            (int)pid);
        return -EADDRINUSE;
    }
    return r == -ECONNREFUSED || r == -ENOENT ? 0 : r;
}

/* The address of the temporary name. The kernel shows it for ever (ss, lsof), so it is the full
 * path where that fits, and else the short way through /proc. */
static void temporary_address(
    const struct socket_path *self, int folder, const char *temporary, struct sockaddr_un *address)
{
    const char *slash = strrchr(self->path, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - self->path) + 1;
    size_t name_size = strlen(temporary) + 1;

    if (len + name_size <= sizeof(address->sun_path))
        memcpy(address->sun_path, self->path, len);
    else
        len = (size_t)snprintf(
            address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/", folder);
    memcpy(address->sun_path + len, temporary, name_size);
}

/* Until the mode is set nobody but the owner may connect. */
static int bind_beside(struct socket_path *self, int folder, const char *temporary)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    mode_t mask;
    int r = 0;

    self->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (self->fd < 0)
        return -errno;
    temporary_address(self, folder, temporary, &address);
    unlinkat(folder, temporary, 0);
    mask = umask(0177);
    if (bind(self->fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        r = -errno;
    umask(mask);
    if (r == 0 && self->has_group && fchownat(folder, temporary, (uid_t)-1, self->group, 0) < 0)
        r = -errno;
    if (r == 0 && fchmodat(folder, temporary, self->mode, 0) < 0)
        r = -errno;
    if (r == 0 && listen(self->fd, BACKLOG) < 0)
        r = -errno;
    return r;
}

static int put_in_place(
    struct socket_path *self, int folder, const char *temporary, const char *name)
{
    struct stat stat;

    if (fstatat(folder, temporary, &stat, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (renameat(folder, temporary, folder, name) < 0)
        return -errno;
    self->dev = stat.st_dev;
    self->ino = stat.st_ino;
    return 0;
}

/* Two agents that start at once take turns, a moment each; the lock goes with the descriptor. A
 * folder that cannot be locked, or that somebody else keeps locked, is served all the same. */
static void take_turn(int folder)
{
    for (int i = 0; i < LOCK_TRIES && flock(folder, LOCK_EX | LOCK_NB) < 0; i++) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return;
        poll(NULL, 0, LOCK_MS); /* the loop does not run yet */
    }
}

int socket_path_listen(struct socket_path *self, char *why, size_t why_size)
{
    char temporary[80]; /* fits behind /proc/self/fd/N/ */
    const char *name = NULL;
    int folder = -1, r;

    self->fd = -1;
    why[0] = '\0';
    if (self->path[0] == '\0' ||
        strlen(self->path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
        snprintf(why, why_size,
            "the socket path has %zu bytes, and a Unix socket takes 1 to 107; choose a shorter "
            "--socket: %.120s",
            strlen(self->path), self->path);
        return -EINVAL;
    }
    folder = open_folder(self->path, &name);
    if (folder < 0) {
        r = -errno;
        goto finish;
    }
    take_turn(folder);
    snprintf(temporary, sizeof(temporary), "%.60s.%d", name, (int)getpid());
    r = check_present(self->path, why, why_size);
    if (r == 0)
        r = bind_beside(self, folder, temporary);
    if (r == 0)
        r = put_in_place(self, folder, temporary, name);
    if (r < 0)
        unlinkat(folder, temporary, 0);

finish:
    if (r < 0 && why[0] == '\0')
        snprintf(why, why_size,
            "cannot listen at %s: %s (uid %d, gid %d); the folder must exist and be writable",
            self->path, strerror(-r), (int)geteuid(), (int)getegid());
    if (r < 0 && self->fd >= 0) {
        close(self->fd);
        self->fd = -1;
    }
    if (folder >= 0)
        close(folder);
    return r;
}

void socket_path_adopt(struct socket_path *self, int fd)
{
    self->fd = fd;
    self->dev = 0;
    self->ino = 0; /* no file has this number, so none is removed */
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

void socket_path_close(struct socket_path *self)
{
    struct stat stat;

    if (self->fd < 0)
        return;
    close(self->fd);
    self->fd = -1;
    if (lstat(self->path, &stat) == 0 && stat.st_dev == self->dev && stat.st_ino == self->ino)
        unlink(self->path);
}
