/* SPDX-License-Identifier: Apache-2.0 */
/* A filter on system calls (seccomp): from the start-up's end on, the process may do what serving
 * and asking AWS takes, and nothing else. It starts no program and no process, traces nobody,
 * opens no file for writing, runs no memory that it wrote, and has no sockets but local ones, TCP,
 * UDP and the kernel's routing table, for the threads of the resolver as for itself.
 *
 * Whatever else is tried fails with EPERM and is logged (event syscall_denied), rather than
 * ending the process: should a new C library want a call that is not listed, tally serves on, and
 * the log says what to add. Calls that libraries are known to try and do without are logged at
 * debug. */
#ifndef TALLY_AGENT_SANDBOX_H
#define TALLY_AGENT_SANDBOX_H

#include "agent/loop.h"

#include <stddef.h>

struct sandbox;

/* Why this build has no filter; NULL: it has. */
const char *sandbox_missing(void);

/* Everything that needs more has been done, such as listening and watching files. NULL, with what
 * to do in `why`: there is no filter. */
struct sandbox *sandbox_enter(struct loop *loop, char *why, size_t why_size);

/* Nothing is logged any more. The filter stays. NULL is allowed. */
void sandbox_destroy(struct sandbox *sandbox);

#endif
