/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept for all sessions together, in the agent and in the kernel, and which sessions are
 * closed when it exceeds the limit. */
#include "agent/ipc/session.h"

#include "agent/log.h"

#include <sys/socket.h>

#define SWEEP_MS     1000
#define ANSWER_SHARE 4    /* of what is left of it: one long answer */
#define SEND_SHARE   16   /* and about what the kernel may hold of them */
#define SEND_LEAST   2304 /* the kernel's own minimum */
#define SHED_LEAST   8192 /* a session below this is not closed because of others */

/* Unread answers are in the kernel's memory, which is charged to the agent, even after the end of
 * the connection. */
void server_bound_send_buffer(const struct server *server, int fd)
{
    size_t share = server->options.max_buffer / SEND_SHARE;
    int bytes = (int)(share < SESSION_SEND_BYTES ? share : SESSION_SEND_BYTES);

    if (server->tight)
        bytes = SEND_LEAST;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

/* While closed connections use much of the limit, the others get little. */
static void set_tight(struct server *server, bool tight)
{
    if (server->tight == tight)
        return;
    server->tight = tight;
    for (struct ring *at = server->sessions.next; at != &server->sessions; at = at->next) {
        struct session *session = RING_MEMBER(at, struct session, link);

        if (!session->closing)
            server_bound_send_buffer(server, session->fd);
    }
}

void server_session_lingers(struct server *server, struct session *session)
{
    server->linger_count++;
    server->linger_bytes += session->unread_bytes;
    if (server->linger_count == 1)
        loop_timer_start(server->sweep, SWEEP_MS);
}

/* Frees the closed connections whose peer has read everything, or is gone. */
void server_sweep(void *data)
{
    struct server *server = data;

    server->linger_bytes = 0;
    for (struct ring *at = server->sessions.next, *next; at != &server->sessions; at = next) {
        struct session *session = RING_MEMBER(at, struct session, link);

        next = at->next;
        if (!session->lingers)
            continue;
        session_measure_unread(session);
        server->linger_bytes += session->unread_bytes;
        if (session->unread_bytes == 0)
            session_destroy(session);
    }
    server->shed_above = server->options.max_buffer;
    set_tight(server, server->linger_bytes > server->options.max_buffer / 4);
    if (server->linger_count > 0)
        loop_timer_start(server->sweep, SWEEP_MS);
}

/* What closing the session frees, or what its peer could free by reading. */
static size_t kept_for(const struct session *session)
{
    return session->closing ? 0 : session->output.len + session->kept_bytes + session->unread_bytes;
}

/* Not destroyed here: its request may be being handled, or its answer being packed. Its peer sees
 * the end at once, and the loop then reports it. */
static void memory_drop(struct server *server, struct session *session)
{
    log_often(LOG_LEVEL_WARN, "dropped",
        LOG_TEXT("reason", session->output.len + session->unread_bytes > session->kept_bytes
                               ? "it does not read its answers"
                               : "its request does not end"),
        LOG_NUMBER("uid", session->uid), LOG_NUMBER("pid", session->pid),
        LOG_NUMBER("kept_bytes", (int64_t)kept_for(session)));
    server->stats.dropped++;
    session->closing = true;
    server->queued_bytes -= session->output.len;
    buffer_free(&session->output);
    if (session != server->batch)
        session_forget_input(session);
    shutdown(session->fd, SHUT_RDWR);
}

static size_t kept_bytes(const struct server *server)
{
    return server->queued_bytes + server->kept_bytes + server->query_bytes + server->unread_bytes;
}

bool server_is_filling(const struct server *server)
{
    return kept_bytes(server) > server->options.max_buffer / 2;
}

size_t server_answer_room(const struct server *server)
{
    size_t kept = server->queued_bytes + server->kept_bytes + server->query_bytes;
    size_t max = server->options.max_buffer;

    return kept < max ? (max - kept) / ANSWER_SHARE : 0;
}

/* What can be freed, with the kernel's present memory. */
static size_t measure_kept(const struct server *server)
{
    size_t sum = server->query_bytes;

    for (struct ring *at = server->sessions.next; at != &server->sessions; at = at->next) {
        struct session *session = RING_MEMBER(at, struct session, link);

        session_measure_unread(session);
        sum += kept_for(session);
    }
    return sum;
}

static struct session *largest_session(const struct server *server)
{
    struct session *largest = NULL;

    for (struct ring *at = server->sessions.next; at != &server->sessions; at = at->next) {
        struct session *session = RING_MEMBER(at, struct session, link);

        if (largest == NULL || kept_for(session) > kept_for(largest))
            largest = session;
    }
    return largest;
}

/* The memory of closed connections cannot be reclaimed, and is bounded by their number; so that
 * they do not take all from the others, open ones may always keep a quarter. */
void server_shed(struct server *server)
{
    size_t max = server->options.max_buffer;
    size_t kept, rest, room;

    if (kept_bytes(server) <= server->shed_above)
        return;
    kept = measure_kept(server);
    rest = kept_bytes(server) - kept;
    room = rest < max - max / 4 ? max - rest : max / 4;
    while (kept > room) {
        struct session *largest = largest_session(server);

        if (largest == NULL || kept_for(largest) <= SHED_LEAST)
            break;
        kept -= kept_for(largest);
        memory_drop(server, largest);
    }
    set_tight(server, kept_bytes(server) - kept > max / 4);
    /* Avoids a measurement at each answer. */
    server->shed_above = kept_bytes(server) > max ? kept_bytes(server) : max;
    if (server->shed_above > max)
        server->shed_above += max / 8;
}
