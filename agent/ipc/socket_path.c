/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ipc/socket_path.h"

#include "agent/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG    1024
#define LOCK_TRIES 40 /* for the lock on the folder, at this interval: */
#define LOCK_MS    25
#define NAME_TRIES 100 /* for a free name of the private folder */

/* The folder of the socket, and its name there. */
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

/* Whether other users can replace files in the folder, such as one that was just created. This is
 * the case for an emptyDir volume, which is 0777. */
static bool folder_is_shared(int folder)
{
    struct stat stat;

    if (fstat(folder, &stat) < 0 || (stat.st_uid != 0 && stat.st_uid != geteuid()))
        return true;
    return (stat.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (stat.st_mode & S_ISVTX) == 0;
}

/* Whether an agent listens at the socket: 0 and *pid, -ECONNREFUSED (stale), or another errno.
 * Through /proc the opened file is probed, whatever is at the path by now. */
static int socket_path_probe(const struct socket_path *self, int file, pid_t *pid)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ucred peer = {.pid = 0};
    socklen_t len = sizeof(peer);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r = 0;

    if (fd < 0)
        return -errno;
    if (folder_is_shared(self->folder))
        snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", file);
    else
        memcpy(address.sun_path, self->path, strlen(self->path) + 1);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        r = -errno;
    if (r == -EAGAIN)
        r = 0; /* its queue is full, but an agent listens */
    if (r == 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0)
        *pid = peer.pid;
    close(fd);
    return r;
}

/* The path must be free, or hold a socket that no agent serves any more. */
static int check_present(const struct socket_path *self, char *why, size_t why_size)
{
    struct stat stat;
    pid_t pid = 0;
    int file = openat(self->folder, self->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    int r;

    if (file < 0)
        return errno == ENOENT ? 0 : -errno;
    if (fstat(file, &stat) < 0) {
        r = -errno;
    } else if (!S_ISSOCK(stat.st_mode)) {
        snprintf(why, why_size,
            "%s exists and is not a socket; remove it, or choose another --socket", self->path);
        r = -EINVAL;
    } else {
        r = socket_path_probe(self, file, &pid);
        if (r == 0) {
            snprintf(why, why_size,
                "%s is already served by process %d; stop that agent, or choose another --socket",
                self->path, (int)pid);
            r = -EADDRINUSE;
        } else if (r == -ECONNREFUSED || r == -ENOENT) {
            r = 0;
        }
    }
    close(file);
    return r;
}

/* Creates a folder in which other users can neither create nor replace files: a descriptor. Its
 * name is random, so that no other user can claim it first. */
static int make_private_folder(int folder, char *name, size_t size)
{
    struct stat stat;
    int made = -1, private;

    for (int i = 0; made < 0 && i < NAME_TRIES; i++) {
        snprintf(name, size, ".tallyd.%08x", (unsigned)random_bits());
        made = mkdirat(folder, name, 0700);
        if (made < 0 && errno != EEXIST)
            break;
    }
    if (made < 0)
        return -errno;
    private = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (private < 0)
        return -errno;
    /* It may have been replaced since. */
    if (fstat(private, &stat) < 0 || stat.st_uid != geteuid() ||
        (stat.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        close(private);
        return -EPERM;
    }
    return private;
}

/* The address within the private folder. The kernel shows it permanently (ss, lsof), so it is the
 * full path if that fits. If other users could replace a folder in it, it is the short path through
 * /proc, which leads to the private folder in any case. */
static void private_address(const struct socket_path *self, const char *private_name, int private,
    struct sockaddr_un *address)
{
    int prefix = (int)(self->name - self->path);
    size_t size = sizeof(address->sun_path);
    int len = snprintf(
        address->sun_path, size, "%.*s%s/%s", prefix, self->path, private_name, self->name);

    if ((size_t)len >= size || folder_is_shared(self->folder))
        snprintf(address->sun_path, size, "/proc/self/fd/%d/%.80s", private, self->name);
}

/* Binds in the private folder. Until the mode is set only the owner may connect. */
static int bind_privately(struct socket_path *self, const char *private_name, int private)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    mode_t mask;
    int r = 0;

    self->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (self->fd < 0)
        return -errno;
    private_address(self, private_name, private, &address);
    mask = umask(0177);
    if (bind(self->fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        r = -errno;
    umask(mask);
    if (r == 0 && self->has_group &&
        fchownat(private, self->name, (uid_t)-1, self->group, AT_SYMLINK_NOFOLLOW) < 0)
        r = -errno;
    if (r == 0 && fchmodat(private, self->name, self->mode, 0) < 0)
        r = -errno;
    if (r == 0 && listen(self->fd, BACKLOG) < 0)
        r = -errno;
    return r;
}

static int put_in_place(struct socket_path *self, int private)
{
    struct stat stat;

    if (fstatat(private, self->name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (renameat(private, self->name, self->folder, self->name) < 0)
        return -errno;
    self->dev = stat.st_dev;
    self->ino = stat.st_ino;
    return 0;
}

/* Other users may have write access to the folder of the socket: a file that is created by name,
 * and then changed by that name, could be a link to another file by then. */
static int listen_in(struct socket_path *self)
{
    char private_name[32];
    int private = make_private_folder(self->folder, private_name, sizeof(private_name));
    int r;

    if (private < 0)
        return private;
    r = bind_privately(self, private_name, private);
    if (r == 0)
        r = put_in_place(self, private);
    if (r < 0)
        unlinkat(private, self->name, 0);
    unlinkat(self->folder, private_name, AT_REMOVEDIR);
    close(private);
    return r;
}

/* Two agents that start at once take turns, for a moment each; the lock ends with the descriptor. A
 * folder that cannot be locked, or that another process keeps locked, is used anyway. */
static void take_turn(int folder)
{
    for (int i = 0; i < LOCK_TRIES && flock(folder, LOCK_EX | LOCK_NB) < 0; i++) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return;
        poll(NULL, 0, LOCK_MS); /* the loop does not run yet */
    }
}

static void close_all(struct socket_path *self)
{
    if (self->fd >= 0)
        close(self->fd);
    if (self->folder >= 0)
        close(self->folder);
    self->fd = self->folder = -1;
}

int socket_path_listen(struct socket_path *self, char *why, size_t why_size)
{
    int r;

    self->fd = self->folder = -1;
    why[0] = '\0';
    if (self->path[0] == '\0' ||
        strlen(self->path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
        snprintf(why, why_size,
            "the socket path has %zu bytes, and a Unix socket takes 1 to 107; choose a shorter "
            "--socket: %.120s",
            strlen(self->path), self->path);
        return -EINVAL;
    }
    self->folder = open_folder(self->path, &self->name);
    if (self->folder < 0) {
        r = -errno;
    } else {
        take_turn(self->folder);
        r = check_present(self, why, why_size);
        if (r == 0)
            r = listen_in(self);
        flock(self->folder, LOCK_UN);
    }
    if (r < 0 && why[0] == '\0')
        snprintf(why, why_size,
            "cannot listen at %s: %s (uid %d, gid %d); the folder must exist and be writable",
            self->path, strerror(-r), (int)geteuid(), (int)getegid());
    if (r < 0)
        close_all(self);
    return r;
}

static int get_option(int fd, int option)
{
    int value = -1;
    socklen_t len = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 ? value : -1;
}

/* The address of a socket that was passed, as text: "@name" where it is abstract. */
static void name_passed(struct socket_path *self, const struct sockaddr_un *address, socklen_t size)
{
    size_t len = size > offsetof(struct sockaddr_un, sun_path)
                     ? size - offsetof(struct sockaddr_un, sun_path)
                     : 0;

    memcpy(self->passed, address->sun_path, len);
    self->passed[len] = '\0';
    if (len > 0 && self->passed[0] == '\0')
        self->passed[0] = '@';
    self->path = self->passed;
}

int socket_path_adopt(struct socket_path *self, int fd, bool any_peer, char *why, size_t why_size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t size = sizeof(address);

    self->fd = self->folder = -1;
    if (get_option(fd, SO_DOMAIN) != AF_UNIX || get_option(fd, SO_TYPE) != SOCK_STREAM ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0) {
        snprintf(why, why_size,
            "the socket passed by systemd is not a Unix stream socket, and tallyd serves no other; "
            "give the socket unit a ListenStream= with a path");
        return -EINVAL;
    }
    if (get_option(fd, SO_ACCEPTCONN) != 1) {
        snprintf(why, why_size,
            "the socket passed by systemd does not listen: it is a connection (Accept=yes) or was "
            "never set to; one tallyd serves all clients, so the socket unit needs Accept=no");
        return -EINVAL;
    }
    name_passed(self, &address, size);
    if (any_peer && self->passed[0] == '@') {
        snprintf(why, why_size,
            "the socket passed by systemd, %s, is abstract: it has no mode, so every user could "
            "connect; give --allow-uid or --allow-gid, or the socket unit a path",
            self->passed);
        return -EINVAL;
    }
    self->fd = fd;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return 0;
}

void socket_path_close(struct socket_path *self)
{
    struct stat stat;

    if (self->fd >= 0 && self->folder >= 0 &&
        fstatat(self->folder, self->name, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
        stat.st_dev == self->dev && stat.st_ino == self->ino)
        unlinkat(self->folder, self->name, 0);
    close_all(self);
}
