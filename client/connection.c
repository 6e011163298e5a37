/* SPDX-License-Identifier: Apache-2.0 */
#include "client/connection.h"

#include "client/tally.h"
#include "proto/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- address ---- */

/* `path`, or TALLY_SOCKET of the environment, or the built-in path. Borrowed. */
static const char *address_default(const char *path)
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

/* The kernel resolves /proc/self/fd/N to the socket of an O_PATH descriptor, so that neither a long
 * folder nor a long name matters. */
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

/* A connected stream socket, non-blocking and close-on-exec, owned by the caller. Never blocks. A
 * negative errno otherwise: -EAGAIN if the agent's backlog is full. */
static int address_connect(const char *path)
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
            "%s: no such socket: is tallyd running, and is its folder mounted here?", path);
        return;
    case ECONNREFUSED:
        if (stat(path, &info) == 0 && !S_ISSOCK(info.st_mode))
            snprintf(text, size, "%s is not a socket: check --socket and TALLY_SOCKET", path);
        else
            snprintf(text, size,
                "%s: connection refused: no process listens there: is tallyd running?", path);
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

/* ---- connection ---- */

enum {
    READ_CHUNK = 4096,
    READ_MAX = 64 * 1024,
    KEEP_BYTES = 64 * 1024, /* a larger input buffer is freed when it is empty */
};

int connection_init(struct connection *connection, const char *path)
{
    *connection = (struct connection){.fd = -1};
    buffer_init(&connection->out, LIMIT_REQUEST_BYTES);
    buffer_init(&connection->in, LIMIT_ANSWER_BYTES + READ_CHUNK);
    path = address_default(path);
    if (path[0] == '\0')
        return -EINVAL;
    connection->path = strdup(path);
    return connection->path != NULL ? 0 : -ENOMEM;
}

void connection_free(struct connection *connection)
{
    connection_close(connection);
    buffer_free(&connection->out);
    buffer_free(&connection->in);
    free(connection->path);
    connection->path = NULL;
}

static void start_frame(struct connection *connection)
{
    frame_scan_init(&connection->scan, LIMIT_ANSWER_BYTES, FRAME_DEPTH_MAX);
    frame_scan_limit_values(&connection->scan, LIMIT_ANSWER_VALUES);
}

int connection_open(struct connection *connection)
{
    int fd = address_connect(connection->path);

    if (fd < 0)
        return fd;
    connection->fd = fd;
    connection->process = getpid();
    start_frame(connection);
    return 0;
}

void connection_close(struct connection *connection)
{
    if (connection->fd >= 0)
        close(connection->fd);
    connection->fd = -1;
    connection->sent = 0;
    connection->start = 0;
    buffer_clear(&connection->out);
    buffer_clear(&connection->in);
}

bool connection_is_absence(int error)
{
    return error == -ENOENT || error == -ECONNREFUSED || error == -ECONNRESET || error == -EPIPE;
}

bool connection_inherited(const struct connection *connection)
{
    return connection->fd >= 0 && connection->process != getpid();
}

bool connection_sending(const struct connection *connection)
{
    return connection->sent < connection->out.len;
}

int connection_flush(struct connection *connection)
{
    while (connection_sending(connection)) {
        ssize_t n = send(connection->fd, connection->out.data + connection->sent,
            connection->out.len - connection->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n >= 0)
            connection->sent += (size_t)n;
        else if (errno != EINTR)
            return -errno;
    }
    buffer_clear(&connection->out);
    connection->sent = 0;
    return 0;
}

/* Reserves space to read into. Returned frames stay in front until at least as many bytes are
 * dropped as have to be moved: one move for each frame would be quadratic. */
static int connection_reserve(struct connection *connection)
{
    struct buffer *in = &connection->in;
    size_t rest = in->len - connection->start;
    bool worth = connection->start >= rest || in->len + READ_CHUNK > in->max;

    if (connection->start > 0 && worth) {
        buffer_consume(in, connection->start);
        connection->start = 0;
    }
    if (in->len == 0 && in->capacity > KEEP_BYTES)
        buffer_free(in);
    return buffer_reserve(in, READ_CHUNK);
}

int connection_receive(struct connection *connection)
{
    int r = connection_reserve(connection);

    if (r < 0)
        return r;
    struct buffer *in = &connection->in;
    size_t space = in->capacity - in->len;
    for (;;) {
        ssize_t n = recv(
            connection->fd, in->data + in->len, space < READ_MAX ? space : READ_MAX, MSG_DONTWAIT);

        if (n > 0) {
            in->len += (size_t)n;
            return 0;
        }
        if (n == 0)
            return -ECONNRESET;
        if (errno != EINTR)
            return -errno;
    }
}

int connection_next(struct connection *connection, const uint8_t **frame, size_t *len)
{
    struct buffer *in = &connection->in;

    if (connection->start == in->len)
        return 0;
    const uint8_t *first = in->data + connection->start;
    switch (frame_scan_feed(&connection->scan, first, in->len - connection->start)) {
    case FRAME_MORE:
        return 0;
    case FRAME_REFUSED:
        return -EPROTO;
    case FRAME_COMPLETE:
        break;
    }
    *frame = first;
    *len = connection->scan.offset;
    connection->start += *len;
    start_frame(connection);
    return 1;
}
