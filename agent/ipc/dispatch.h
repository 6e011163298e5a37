/* SPDX-License-Identifier: Apache-2.0 */
/* From the bytes of a frame to the method of the protocol that answers it. */
#ifndef TALLY_AGENT_IPC_DISPATCH_H
#define TALLY_AGENT_IPC_DISPATCH_H

#include "agent/ipc/session.h"

/* What the sessions of a server call. */
extern const struct session_hooks dispatch_hooks;

#endif
