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

struct connections {
    unsigned all; /* that are served */
    unsigned operators;
    unsigned of_user;
    unsigned lingering; /* of the user */
};

static struct connections count_sessions(const struct server *server, uid_t uid)
{
    struct connections connections = {.all = 0};

    RING_EACH(at, &server->channels.list) {
        const struct session *session = session_of(at);

        if (session->refused)
            continue;
        connections.of_user += session->channel.peer.uid == uid;
        connections.lingering += session->channel.peer.uid == uid && session->lingers;
        connections.all += !session->lingers;
        connections.operators += !session->lingers && is_operator(session->channel.peer.uid);
    }
    return connections;
}

static bool is_idle(const struct session *session)
{
    return !session->refused && !session->channel.closing && !session->deferred &&
           session->in_flight == 0 && session->watch_count == 0 && session->channel.output.len == 0;
}

/* The connections to choose from: those of one user, of all but operators, of all. */
enum evictable { EVICT_USER, EVICT_USERS, EVICT_ANY };

/* Closes the connection that was idle for longest. False: none is idle. */
static bool evict_idle(struct server *server, enum evictable from, uid_t uid)
{
    struct session *longest = NULL;

    RING_EACH(at, &server->channels.list) {
        struct session *session = session_of(at);

        if (!is_idle(session) || (from == EVICT_USER && session->channel.peer.uid != uid) ||
            (from == EVICT_USERS && is_operator(session->channel.peer.uid)))
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
        LOG_NUMBER("uid", longest->channel.peer.uid), LOG_NUMBER("pid", longest->channel.peer.pid),
        LOG_NUMBER("idle_ms", loop_now(server->options.loop) - longest->used_at),
        LOG_NUMBER("connections", server->session_count));
    session_close(longest);
    return true;
}

/* Whether this user may have one more, if needed after one of its idle ones is closed. */
static bool user_may_connect(
    struct server *server, struct connections *connections, uid_t uid, struct failure *refusal)
{
    if (is_operator(uid))
        return true;
    if (connections->lingering >= LINGER_EXTRA(server->connection_limit)) {
        failure_set(refusal, ERROR_BUSY,
            "uid %u has not read the answers of %u connections that were closed; close its side",
            (unsigned)uid, connections->lingering);
        return false;
    }
    if (connections->of_user < server_user_limit(server))
        return true;
    if (evict_idle(server, EVICT_USER, uid)) {
        connections->all--;
        return true;
    }
    failure_set(refusal, ERROR_BUSY,
        "uid %u has %u connections, the limit for one user; close some", (unsigned)uid,
        connections->of_user);
    return false;
}

/* Whether there is room for one more connection, if needed after an idle one is closed; else
 * *refusal gives the reason. */
static bool server_make_room(struct server *server, uid_t uid, struct failure *refusal)
{
    struct connections connections = count_sessions(server, uid);
    unsigned spare = operator_limit(server);
    unsigned taken = connections.operators < spare ? spare - connections.operators : 0;
    bool any = is_operator(uid) || connections.operators > spare;

    if (!user_may_connect(server, &connections, uid, refusal))
        return false;
    if (connections.all + (is_operator(uid) ? 0 : taken) < server->connection_limit ||
        evict_idle(server, any ? EVICT_ANY : EVICT_USERS, uid))
        return true;
    failure_set(refusal, ERROR_BUSY, "the agent has %u connections, its limit is %u; close some",
        connections.all, server->connection_limit);
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
    channels_bound_send_buffer(&server->channels, fd);
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

/* ---- sessions that are closed, but not read ---- */

/* Frees the closed connections whose peer has read everything, or is gone. */
static void server_sweep(void *data)
{
    struct server *server = data;
    struct channels *channels = &server->channels;

    channels->lingering = 0;
    for (struct ring *at = channels->list.next, *next; at != &channels->list; at = next) {
        struct session *session = session_of(at);

        next = at->next;
        if (!session->lingers)
            continue;
        channel_measure_unread(&session->channel);
        channels->lingering += session->channel.unread_bytes;
        if (session->channel.unread_bytes == 0)
            session_destroy(session);
    }
    channels_settle_lingering(channels);
    if (server->linger_count > 0)
        loop_timer_start(server->sweep, SWEEP_MS);
}

/* ---- the end ---- */

/* Whether the agent waits for this connection: it has a pending request, or had one a moment ago,
 * so that more may follow. A client that only watches waits for nothing but the next change. */
static bool delays_end(const struct server *server, const struct session *session)
{
    int64_t idle_ms = loop_now(server->options.loop) - session->used_at;
    char byte;

    if (session->refused || session->channel.closing)
        return false;
    if (session->in_flight > 0 || session->channel.output.len > 0 || session->deferred)
        return true;
    if (session->watch_count == 0 && idle_ms < server->options.linger_ms)
        return true;
    return recv(session->channel.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* Closes the connection after it sent the reason, so that the client knows it. */
static void server_close_draining(struct session *session)
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

    for (struct ring *at = server->channels.list.next, *next; at != &server->channels.list;
         at = next) {
        struct session *session = session_of(at);

        next = at->next;
        if (delays_end(server, session))
            busy = true;
        else if (!session->refused && !session->channel.closing)
            server_close_draining(session);
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

/* ---- life ---- */

/* Clients get the descriptors beyond DESCRIPTORS_KEPT, or three quarters if there are very few. */
static void set_limits(struct server *server)
{
    unsigned all = (unsigned)sysconf(_SC_OPEN_MAX);
    unsigned kept = all / 4 < DESCRIPTORS_KEPT ? all / 4 : DESCRIPTORS_KEPT;
    unsigned most = (all - kept) / 5 * 4; /* closed and refused connections need some, too */

    server->descriptor_limit = all - kept;
    server->connection_limit = most < LIMIT_CONNECTIONS ? most : LIMIT_CONNECTIONS;
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
    server->started_at = loop_now(options->loop);
    server->started_wall = loop_wall(options->loop);
    channels_init(&server->channels, options->max_buffer);
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
    while (!ring_is_empty(&server->channels.list))
        session_destroy(session_of(server->channels.list.next));
    identity_release(server->query_identity);
    loop_timer_destroy(server->timer);
    loop_timer_destroy(server->grace);
    loop_timer_destroy(server->drain);
    loop_timer_destroy(server->sweep);
    buffer_free(&server->out);
    free(server);
}
