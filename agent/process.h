/* SPDX-License-Identifier: Apache-2.0 */
/* Process-wide: no core file, no new privileges, notifications to systemd, random bits. */
#ifndef TALLY_AGENT_PROCESS_H
#define TALLY_AGENT_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/* LeakSanitizer starts a process that traces this one: neither may be forbidden in that build. */
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

/* No core dumps, no ptrace by the same user, no new privileges, SIGPIPE ignored, no variables that
 * make libraries write secrets, and all standard descriptors open. Call it before anything is
 * opened or any secret is read. */
void process_harden(void);

/* Whether a file or a connection could not just now be opened because descriptors ran out. */
bool process_is_out_of_descriptors(void);

/* getenv, with the type that the readers of an environment take. */
const char *process_getenv(const char *name);

/* How many descriptors systemd passed to this process (LISTEN_PID, LISTEN_FDS), the first of which
 * is PROCESS_PASSED_FD. */
#define PROCESS_PASSED_FD 3
long process_passed_descriptors(void);

/* Notifies systemd, where NOTIFY_SOCKET is set: "READY=1", "STOPPING=1", "RELOADING=1". */
void process_notify(const char *state);

/* ---- random ---- */

/* Random bits for jitter. Not for keys. */

/* 32 uniform bits from the kernel; 0 where the kernel has none yet, which makes delays short. */
uint32_t random_bits(void);

#endif
