/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's address. Socket paths may be longer than the 107 bytes of sun_path: on a node, a
 * pod's volume easily is. */
#ifndef TALLY_CLIENT_CONNECTION_H
#define TALLY_CLIENT_CONNECTION_H

#include "proto/buffer.h"
#include "proto/reader.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Writes why the connection failed and what to do about it. `error` is a negative errno. */
void address_explain(const char *path, int error, char *text, size_t size);

/* One connection to the agent: bytes out, whole frames in. Nothing here blocks, so blocking calls
 * and event loops share it. Results are 0 or a negative errno. */

struct connection {
    char *path;        /* owned */
    int fd;            /* -1: closed */
    pid_t process;     /* the one that opened fd */
    struct buffer out; /* the frame that is being sent */
    size_t sent;       /* bytes of `out` already sent */
    struct buffer in;
    struct frame_scan scan;
    size_t start; /* offset in `in` of what connection_next has not returned yet */
};

/* -EINVAL for an empty path, -ENOMEM. */
int connection_init(struct connection *connection, const char *path);
void connection_free(struct connection *connection);

/* One attempt. -EAGAIN: the agent's backlog is full, try later. */
int connection_open(struct connection *connection);

/* Whether the agent may soon be back after this error, a negative errno. */
bool connection_is_absence(int error);

/* Closes the connection and drops partly sent and received data. The child of a fork only closes
 * its descriptor: the parent's connection is not affected. */
void connection_close(struct connection *connection);

/* Whether the descriptor was opened by another process, before a fork. */
bool connection_inherited(const struct connection *connection);

/* Sends what `out` holds. 0: all of it; -EAGAIN: the socket is full. */
int connection_flush(struct connection *connection);
bool connection_sending(const struct connection *connection);

/* Reads a part of the available bytes, so that the caller can check the clock between two reads. 0:
 * some bytes; -EAGAIN: none now; -ECONNRESET: the agent closed it. */
int connection_receive(struct connection *connection);

/* 1: *frame is the next whole frame, borrowed until the next connection_next, _receive or _close;
 * 0: more bytes are needed; -EPROTO: the input is not msgpack, or larger than an answer may be. */
int connection_next(struct connection *connection, const uint8_t **frame, size_t *len);

#endif
