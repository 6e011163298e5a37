/* SPDX-License-Identifier: Apache-2.0 */
/* The methods of the protocol: each reads its params, and answers at once, or keeps a struct
 * pending and answers later. */
#ifndef TALLY_AGENT_IPC_METHODS_H
#define TALLY_AGENT_IPC_METHODS_H

#include "agent/ipc/request.h"

method_fn method_hello, method_ping, method_count, method_list, method_status, method_whoami,
    method_diagnose, method_explain, method_watch, method_unwatch, method_query;

/* session_hooks::repeated. */
size_t method_count_repeated(struct session *session, const uint8_t *data, size_t len);

/* The session is closing: frees what the methods keep for it. */
void method_watch_forget(struct session *session);

/* A slow client has read its answers: sends it the newest state of what it watches. */
void method_watch_catch_up(struct session *session);

#endif
