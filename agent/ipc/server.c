/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ipc/server.h"

#include "agent/ipc/session.h"
#include "agent/log.h"
#include "proto/saturating.h"
#include "proto/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_A_TURN 64
#define PAUSE_MS       100 /* in accepting, when out of descriptors or memory */
#define REFUSED_EXTRA  64u /* connections beyond the limit that get the reason, then are closed */

/* Descriptors that are reserved: for AWS, the configuration, tokens and the log. */
#define DESCRIPTORS_KEPT    128u
#define LINGER_EXTRA(limit) ((limit) / 4) /* closed connections with unread answers */
#define DRAIN_STEP_MS       100

#define OUTPUT_SHARE 8 /* of --max-buffer: the queued answers of one session */

static void on_connections(void *data, unsigned events);

/* ---- who may connect ---- */

static bool is_allowed(const struct server_options *options, const struct ucred *peer)
{
    if (options->uid_count == 0 && options->gid_count == 0)
        return true;
    for (size_t i = 0; i < options->uid_count; i++)
        if (options->uids[i] == peer->uid)
            return true;
    for (size_t i = 0; i < options->gid_count; i++)
        if (options->gids[i] == peer->gid)
            return true;
    return false;
}

/* Root and the agent's own user operate the agent: others cannot lock them out. */
static bool is_operator(uid_t uid)
{
    return uid == 0 || uid == geteuid();
}

unsigned server_user_limit(const struct server *server)
{
    return server->connection_limit - server->connection_limit / 4;
}

/* What remains for operators while the others use all that they can get. */
static unsigned operator_limit(const struct server *server)
{
    return server->connection_limit / 16;
}

struct crowd {
    unsigned all; /* that are served */
    unsigned operators;
    unsigned of_user;
    unsigned lingering; /* of the user */
};

static struct crowd count_sessions(const struct server *server, uid_t uid)
{
    struct crowd crowd = {.all = 0};

    for (struct ring *at = server->sessions.next; at != &server->sessions; at = at->next) {
        const struct session *session = RING_MEMBER(at, struct session, link);

        if (session->refused)
            continue;
        crowd.of_user += session->uid == uid;
        crowd.lingering += session->uid == uid && session->lingers;
        crowd.all += !session->lingers;
        crowd.operators += !session->lingers && is_operator(session->uid);
    }
    return crowd;
}

static bool is_idle(const struct session *session)
{
    return !session->refused && !session->closing && !session->held && session->in_flight == 0 &&
           session->watch_count == 0 && session->output.len == 0;
}

/* The connections to choose from: those of one user, of all but operators, of all. */
enum evictable { EVICT_USER, EVICT_USERS, EVICT_ANY };

/* Closes the connection that was idle for longest. False: none is idle. */
static bool evict_idle(struct server *server, enum evictable from, uid_t uid)
{
    struct session *longest = NULL;

    for (struct ring *at = server->sessions.next; at != &server->sessions; at = at->next) {
        struct session *session = RING_MEMBER(at, struct session, link);

        if (!is_idle(session) || (from == EVICT_USER && session->uid != uid) ||
            (from == EVICT_USERS && is_operator(session->uid)))
            continue;
        if (longest == NULL || session->used_at < longest->used_at)
            longest = session;
    }
    if (longest == NULL)
        return false;
    server->stats.evicted++;
    log_often(LOG_LEVEL_WARN, "evicted",
        LOG_TEXT("reason", from == EVICT_USER ? "its user has too many connections"
                                              : "there are too many connections"),
        LOG_NUMBER("uid", longest->uid), LOG_NUMBER("pid", longest->pid),
        LOG_NUMBER("idle_ms", loop_now(server->options.loop) - longest->used_at),
        LOG_NUMBER("connections", server->session_count));
    session_close(longest);
    return true;
}

/* Whether this user may have one more, if needed after one of its idle ones is closed. */
static bool user_has_room(
    struct server *server, struct crowd *crowd, uid_t uid, struct failure *refusal)
{
    if (is_operator(uid))
        return true;
    if (crowd->lingering >= LINGER_EXTRA(server->connection_limit)) {
        failure_set(refusal, ERROR_BUSY,
            "uid %u has not read the answers of %u connections that were closed; close its side",
            (unsigned)uid, crowd->lingering);
        return false;
    }
    if (crowd->of_user < server_user_limit(server))
        return true;
    if (evict_idle(server, EVICT_USER, uid)) {
        crowd->all--;
        return true;
    }
    failure_set(refusal, ERROR_BUSY,
        "uid %u has %u connections, the limit for one user; close some", (unsigned)uid,
        crowd->of_user);
    return false;
}

/* Whether there is room for one more connection, if needed after an idle one is closed; else
 * *refusal gives the reason. */
static bool server_make_room(struct server *server, uid_t uid, struct failure *refusal)
{
    struct crowd crowd = count_sessions(server, uid);
    unsigned spare = operator_limit(server);
    unsigned taken = crowd.operators < spare ? spare - crowd.operators : 0;
    bool any = is_operator(uid) || crowd.operators > spare;

    if (!user_has_room(server, &crowd, uid, refusal))
        return false;
    if (crowd.all + (is_operator(uid) ? 0 : taken) < server->connection_limit ||
        evict_idle(server, any ? EVICT_ANY : EVICT_USERS, uid))
        return true;
    failure_set(refusal, ERROR_BUSY, "the agent has %u connections, its limit is %u; close some",
        crowd.all, server->connection_limit);
    return false;
}

/* Whether this peer is served; else *refusal gives the reason and a remedy. */
static bool server_admit(struct server *server, const struct ucred *peer, struct failure *refusal)
{
    if (!is_allowed(&server->options, peer)) {
        failure_set(refusal, ERROR_NOT_ALLOWED,
            "uid %d, gid %d may not use this agent; run the client with an allowed one, or start "
            "tallyd with --allow-uid %d or --allow-gid %d",
            (int)peer->uid, (int)peer->gid, (int)peer->uid, (int)peer->gid);
        log_often(LOG_LEVEL_WARN, "refused",
            LOG_TEXT("reason", "not in --allow-uid or --allow-gid"), LOG_NUMBER("uid", peer->uid),
            LOG_NUMBER("gid", peer->gid), LOG_NUMBER("pid", peer->pid));
        return false;
    }
    return server_make_room(server, peer->uid, refusal);
}

/* ---- accepting ---- */

static void watch_listener(struct server *server)
{
    if (server->watch == NULL)
        server->watch = loop_watch_create(
            server->options.loop, server->options.socket_path->fd, on_connections, server);
    if (server->watch != NULL)
        loop_watch_set(server->watch, LOOP_READABLE);
}

/* The pause is over. */
static void server_timer_fired(void *data)
{
    watch_listener(data);
}

/* Out of descriptors or memory: the connections wait in the kernel's queue. Accepting again at once
 * would be a busy loop. */
static void pause_accepting(struct server *server, int error)
{
    log_often(LOG_LEVEL_ERROR, "accept_failed", LOG_TEXT("message", strerror(error)),
        LOG_NUMBER("connections", server->session_count));
    loop_watch_set(server->watch, 0);
    loop_timer_start(server->timer, PAUSE_MS);
}

/* Whether a refused connection gets the reason; with too many of them it is closed without. */
static bool server_gives_reason(const struct server *server)
{
    return server->refused_count < REFUSED_EXTRA &&
           server->linger_count < LINGER_EXTRA(server->connection_limit);
}

static void take_connection(struct server *server, int fd)
{
    struct ucred peer = {.pid = 0, .uid = (uid_t)-1, .gid = (gid_t)-1};
    socklen_t len = sizeof(peer);
    struct failure refusal;
    bool admitted;

    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
    admitted = server_admit(server, &peer, &refusal);
    if (!admitted)
        server->stats.refused++;
    if ((!admitted && !server_gives_reason(server)) || (unsigned)fd >= server->descriptor_limit) {
        close(fd);
        return;
    }
    server_bound_send_buffer(server, fd);
    if (session_create(server, fd, &peer, admitted ? NULL : &refusal) == NULL)
        return;
    server->stats.accepted++;
}

static void on_connections(void *data, unsigned events)
{
    struct server *server = data;

    (void)events;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        int fd = accept4(server->options.socket_path->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0) {
            take_connection(server, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            pause_accepting(server, errno);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

/* ---- sessions ---- */

static void on_session_closed(struct server *server)
{
    if (!server->draining)
        return;
    server->busy_at = loop_now(server->options.loop);
    loop_timer_start(server->drain, 0);
}

/* ---- life ---- */

/* Whether the agent waits for this connection: it has a pending request, or had one a moment ago,
 * so that more may follow. A client that only watches waits for nothing but the next change. */
static bool holds_up(const struct server *server, const struct session *session)
{
    int64_t idle_ms = loop_now(server->options.loop) - session->used_at;
    char byte;

    if (session->refused || session->closing)
        return false;
    if (session->in_flight > 0 || session->output.len > 0 || session->held)
        return true;
    if (session->watch_count == 0 && idle_ms < server->options.linger_ms)
        return true;
    return recv(session->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* Closes the connection after it sent the reason, so that the client knows it. */
static void server_dismiss(struct session *session)
{
    struct session_answer out = session_begin(session);
    struct map map;

    message_begin_notification(out.buffer, "draining");
    write_array(out.buffer, 1);
    map = map_begin(out.buffer);
    map_end(&map);
    session_end_notification(session, out);
    session_close(session);
}

/* Dismisses connections that the agent need not wait for. Once there was no other for linger_ms,
 * it ends: else clients that reconnect only to watch would delay that for the whole grace. */
static void drain_step(void *data)
{
    struct server *server = data;
    int64_t now = loop_now(server->options.loop);
    bool busy = false;
    int64_t left;

    for (struct ring *at = server->sessions.next, *next; at != &server->sessions; at = next) {
        struct session *session = RING_MEMBER(at, struct session, link);

        next = at->next;
        if (holds_up(server, session))
            busy = true;
        else if (!session->refused && !session->closing)
            server_dismiss(session);
    }
    if (busy)
        server->busy_at = now;
    left = saturating_add(server->busy_at, server->options.linger_ms) - now;
    if (!busy && left <= 0)
        server->options.drained(server->options.data);
    else
        loop_timer_start(server->drain, left > 0 && left < DRAIN_STEP_MS ? left : DRAIN_STEP_MS);
}

static void grace_over(void *data)
{
    struct server *server = data;

    log_event(LOG_LEVEL_WARN, "grace_over", LOG_NUMBER("connections", server->session_count));
    server->options.drained(server->options.data);
}

/* Clients get the descriptors beyond DESCRIPTORS_KEPT, or three quarters if there are very few. */
static void set_limits(struct server *server)
{
    unsigned all = (unsigned)sysconf(_SC_OPEN_MAX);
    unsigned kept = all / 4 < DESCRIPTORS_KEPT ? all / 4 : DESCRIPTORS_KEPT;
    unsigned most = (all - kept) / 5 * 4; /* closed and refused connections need some, too */
    size_t share = server->options.max_buffer / OUTPUT_SHARE;

    server->descriptor_limit = all - kept;
    server->connection_limit = most < LIMIT_CONNECTIONS ? most : LIMIT_CONNECTIONS;
    server->output_bytes = share < LIMIT_OUTPUT_BYTES ? share : LIMIT_OUTPUT_BYTES;
    server->shed_above = server->options.max_buffer;
    if (most < LIMIT_CONNECTIONS)
        log_event(LOG_LEVEL_WARN, "few_descriptors", LOG_NUMBER("nofile", all),
            LOG_NUMBER("connections", most), LOG_NUMBER("wanted", LIMIT_CONNECTIONS));
}

struct server *server_create(const struct server_options *options)
{
    struct server *server = calloc(1, sizeof(*server));

    if (server == NULL)
        return NULL;
    server->options = *options;
    server->session_closed = on_session_closed;
    server->started_at = loop_now(options->loop);
    server->started_wall = loop_wall(options->loop);
    ring_init(&server->sessions);
    buffer_init(&server->out, LIMIT_ANSWER_BYTES + LIMIT_OUTPUT_BYTES);
    set_limits(server);
    server->sweep = loop_timer_create(options->loop, server_sweep, server);
    server->timer = loop_timer_create(options->loop, server_timer_fired, server);
    server->grace = loop_timer_create(options->loop, grace_over, server);
    server->drain = loop_timer_create(options->loop, drain_step, server);
    if (server->timer != NULL)
        watch_listener(server);
    if (server->timer == NULL || server->grace == NULL || server->drain == NULL ||
        server->sweep == NULL || server->watch == NULL) {
        server_destroy(server);
        return NULL;
    }
    return server;
}

void server_drain(struct server *server)
{
    if (server->draining)
        return;
    server->draining = true;
    server->busy_at = loop_now(server->options.loop);
    loop_timer_start(server->grace, server->options.grace_ms);
    loop_timer_start(server->drain, 0);
}

void server_destroy(struct server *server)
{
    if (server == NULL)
        return;
    loop_watch_destroy(server->watch);
    while (!ring_is_empty(&server->sessions))
        session_destroy(RING_MEMBER(server->sessions.next, struct session, link));
    identity_release(server->query_identity);
    loop_timer_destroy(server->timer);
    loop_timer_destroy(server->grace);
    loop_timer_destroy(server->drain);
    loop_timer_destroy(server->sweep);
    buffer_free(&server->out);
    free(server);
}

/* ---- memory of all sessions ---- */

/* What is kept for all sessions together, in the agent and in the kernel, and which sessions are
 * closed when it exceeds the limit. */

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
