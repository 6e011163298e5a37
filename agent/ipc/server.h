/* SPDX-License-Identifier: Apache-2.0 */
/* The socket side of the agent: who may connect, the open sessions, and their shared limits. */
#ifndef TALLY_AGENT_IPC_SERVER_H
#define TALLY_AGENT_IPC_SERVER_H

#include "agent/ipc/session.h"

/* NULL: out of memory. */
struct server *server_create(const struct server_options *options);

/* From now on: serves clients that send requests, also new ones, until there was none for linger_ms
 * or grace_ms have passed; then `drained` is called. Clients that are idle or only watch get the
 * notification `draining`, and are disconnected. */
void server_drain(struct server *server);

/* Closes all connections; queued output is sent as far as the kernel accepts it. */
void server_destroy(struct server *server); /* NULL is allowed */

/* How many connections one user may have, except root and the agent's own user. */
unsigned server_user_limit(const struct server *server);

#endif
