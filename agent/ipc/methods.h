/* SPDX-License-Identifier: Apache-2.0 */
/* The methods of the protocol. dispatch finds the method of a request and calls it; a method
 * answers at once, or keeps a struct pending and answers later. */
#ifndef TALLY_AGENT_IPC_METHODS_H
#define TALLY_AGENT_IPC_METHODS_H

#include "agent/ipc/session.h"

/* One decoded request. `params` is positioned at the map of parameters; without one (no params, or
 * an empty array), has_params is false. */
struct method_call {
    struct session *session;
    uint32_t id;
    struct text body; /* the bytes behind the msgid */
    size_t method;    /* its index in server::method_requests */
    bool has_params;
    struct reader params;
};

typedef void method_fn(struct method_call *call);

method_fn method_hello, method_ping, method_count, method_list, method_status, method_whoami,
    method_diagnose, method_explain, method_watch, method_unwatch, method_query;

/* Packs the names of all methods that the agent allows, as an array. */
void dispatch_pack_names(struct buffer *buffer, bool allow_query);

/* Packs how often each method was called, as one map. */
void dispatch_pack_requests(struct buffer *buffer, const struct server *server);

/* Remembers what the call asks for, and the state that it resolved to, for a repeated request. */
struct ask;
void method_count_remember(
    const struct method_call *call, const struct ask *asked, struct trigger_state *state);

/* session_hooks::repeated. */
size_t method_count_repeated(struct session *session, const uint8_t *data, size_t len);

/* What the sessions of a server call. */
extern const struct session_hooks dispatch_hooks;

/* The session is closing: frees what the methods keep for it. */
void method_watch_forget(struct session *session);

/* A slow client has read its answers: sends it the newest state of what it watches. */
void method_watch_catch_up(struct session *session);

/* ---- for the methods ---- */

/* Answers an error. */
void method_fail(struct method_call *call, enum error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Answers a count that has a value. */
void method_count_answer(
    struct session *session, uint32_t id, const struct count_answer *answer, int32_t replicas);

/* Finds the trigger of this name, or answers why there is none (NULL). */
const struct trigger *method_trigger(struct method_call *call, struct text name);

#endif
