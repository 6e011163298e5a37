/* SPDX-License-Identifier: Apache-2.0 */
/* The system call filter as agent/sandbox_compile.c printed it when the program was built: each
 * program is linked with its own. */
#ifndef TALLY_AGENT_SANDBOX_FILTER_H
#define TALLY_AGENT_SANDBOX_FILTER_H

#include <linux/filter.h>
#include <stddef.h>

/* Whether a denied call raises SIGSYS, whose handler then reports it, or just fails: the handler
 * must know how this architecture returns EPERM. */
#if defined(__x86_64__) || defined(__aarch64__)
#define SANDBOX_TRAPS 1
#else
#define SANDBOX_TRAPS 0
#endif

/* Placeholder for the program's process id, which replaces it when the filter is loaded; no process
 * has this id. */
#define SANDBOX_OWN_PID 0x7ffffff1

extern struct sock_filter sandbox_filter[];
extern const size_t sandbox_filter_len;

/* The names of the calls 0, 1, 2 and so on, each with its terminator. */
#define SANDBOX_NAMED_CALLS 512
extern const char sandbox_call_names[];

#endif
