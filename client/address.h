/* Where the agent listens. Socket paths may be longer than the 107 bytes of sun_path: on a
 * node, a pod's volume easily is. */
#ifndef TALLY_CLIENT_ADDRESS_H
#define TALLY_CLIENT_ADDRESS_H

#include <stddef.h>

/* `path`, or TALLY_SOCKET of the environment, or the built-in path. Borrowed. */
const char *address_default(const char *path);

/* A connected stream socket, non-blocking and close-on-exec, owned by the caller. Never
 * waits. A negative errno otherwise: -EAGAIN where the agent's backlog is full. */
int address_connect(const char *path);

/* Writes why the connection failed and what to do about it. `error` is a negative errno. */
void address_explain(const char *path, int error, char *text, size_t size);

#endif
