/* SPDX-License-Identifier: Apache-2.0 */
/* The listening socket in the file system: bound in a private folder beside its path and renamed
 * into place, so that the path appears only when the agent listens, with the right owner and mode
 * from the first moment, and a stale socket of a killed agent is replaced without a gap. Other
 * users may have write access to the socket's folder, as with an emptyDir volume. */
#ifndef TALLY_AGENT_IPC_SOCKET_PATH_H
#define TALLY_AGENT_IPC_SOCKET_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/un.h>

struct socket_path {
    const char *path; /* borrowed */
    mode_t mode;
    bool has_group;
    gid_t group;

    int fd;           /* listening, or -1 */
    int folder;       /* that the socket is in; -1: the file is not ours */
    const char *name; /* of the file there */
    dev_t dev;        /* which file of that name is ours */
    ino_t ino;
    char passed[sizeof(((struct sockaddr_un *)0)->sun_path) + 1]; /* `path` of an adopted one */
};

/* Binds, listens and puts the socket at its path. 0; -EINVAL if the path itself cannot be used (too
 * long, not a socket); -EADDRINUSE if another agent answers there; or another negative errno. `why`
 * then gives the reason, the place and a remedy. */
int socket_path_listen(struct socket_path *socket_path, char *why, size_t why_size);

/* Takes over a listening socket, as systemd passes one; its file stays systemd's, and `path`
 * becomes its address. any_peer: only the socket's mode restricts who may connect. 0, or -EINVAL
 * with the required change of the socket unit in `why`. */
int socket_path_adopt(
    struct socket_path *socket_path, int fd, bool any_peer, char *why, size_t why_size);

/* Closes the socket, and removes the file where it is still ours. */
void socket_path_close(struct socket_path *socket_path);

#endif
