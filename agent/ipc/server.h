/* SPDX-License-Identifier: Apache-2.0 */
/* The socket side of the agent: who may connect, the open sessions, and their shared limits. */
#ifndef TALLY_AGENT_IPC_SERVER_H
#define TALLY_AGENT_IPC_SERVER_H

#include "agent/ipc/session.h"

/* NULL: no memory. */
struct server *server_create(const struct server_options *options);

/* From now on: serve clients that ask something, also new ones, until none did for linger_ms or
 * grace_ms have passed; then `drained` is called. Clients that are idle or only watch get the
 * notification `draining`, and are disconnected. */
void server_drain(struct server *server);

/* Closes all connections; what is queued is sent as far as the kernel takes it. */
void server_destroy(struct server *server); /* NULL is allowed */

/* How many connections one user may have, but for root and the agent's own. */
unsigned server_user_limit(const struct server *server);

#endif
