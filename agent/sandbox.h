/* SPDX-License-Identifier: Apache-2.0 */
/* A filter on system calls (seccomp): after start-up, the process may make only the calls needed to
 * serve clients and to query AWS. It starts no program or process, traces no process, opens no file
 * for writing, executes no memory that it wrote, and has only local sockets, TCP, UDP and the
 * kernel's routing table. This includes the resolver's threads.
 *
 * Any other call fails with EPERM and is logged (event syscall_denied), rather than ending the
 * process: if a new C library needs a call that is not listed, tally keeps serving, and the log
 * says what to add. Calls that libraries are known to try and can do without are logged at
 * debug. */
#ifndef TALLY_AGENT_SANDBOX_H
#define TALLY_AGENT_SANDBOX_H

#include "agent/loop.h"

#include <stddef.h>

struct sandbox;

/* Why this build has no filter; NULL: it has one. */
const char *sandbox_missing(void);

/* Call it after everything that needs more rights, such as listening and watching files. NULL:
 * there is no filter, and `why` says what to do. */
struct sandbox *sandbox_enter(struct loop *loop, char *why, size_t why_size);

/* Stops the logging. The filter stays. NULL is allowed. */
void sandbox_destroy(struct sandbox *sandbox);

#endif
