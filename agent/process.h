/* SPDX-License-Identifier: Apache-2.0 */
/* What the process owes its surroundings: no core file, no new privileges, and the word with
 * systemd. */
#ifndef TALLY_AGENT_PROCESS_H
#define TALLY_AGENT_PROCESS_H

#include <stdbool.h>

/* LeakSanitizer starts a process that traces this one: neither may be forbidden there. */
#if defined(__SANITIZE_ADDRESS__)
#define PROCESS_IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PROCESS_IS_SANITIZED 1
#endif
#endif
#ifndef PROCESS_IS_SANITIZED
#define PROCESS_IS_SANITIZED 0
#endif

/* No core dumps, no ptrace by the same user, no new privileges, no death by SIGPIPE, no variables
 * that make libraries write secrets, and no standard descriptor missing. Before anything is opened
 * or any secret read. */
void process_harden(void);

/* Whether a file or a connection could not be opened just now for want of a descriptor. */
bool process_is_out_of_descriptors(void);

/* How many descriptors systemd passed to this very process (LISTEN_PID, LISTEN_FDS), the first of
 * which is PROCESS_PASSED_FD. */
#define PROCESS_PASSED_FD 3
long process_passed_descriptors(void);

/* Tells systemd (NOTIFY_SOCKET), where it asked: "READY=1", "STOPPING=1", "RELOADING=1". */
void process_notify(const char *state);

#endif
