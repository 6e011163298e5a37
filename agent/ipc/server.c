#include "agent/ipc/server.h"

#include "agent/ipc/methods.h"
#include "agent/ipc/session.h"
#include "agent/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_A_TURN 64
#define PAUSE_MS       100 /* in accepting, without descriptors or memory */
#define REFUSED_EXTRA  64u /* connections beside the limit that are told why they are not served */

static void on_connections(void *data, unsigned events);

/* ---- who may connect
 * ----------------------------------------------------------------------------- */

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

/* Whether this peer is served; else *refusal says why not, and what would help. */
static bool admit(struct server *server, const struct ucred *peer, struct failure *refusal)
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
    if (server->session_count - server->refused_count >= LIMIT_CONNECTIONS) {
        failure_set(refusal, ERROR_BUSY, "the agent has %u connections, its limit; close some",
            LIMIT_CONNECTIONS);
        return false;
    }
    return true;
}

/* ---- accepting
 * ----------------------------------------------------------------------------------- */

static void watch_listener(struct server *server)
{
    if (server->watch == NULL)
        server->watch = loop_watch_create(
            server->options.loop, server->options.socket_path->fd, on_connections, server);
    if (server->watch != NULL)
        loop_watch_set(server->watch, LOOP_READABLE);
}

/* Those who are only told why they are not served hold up nothing. */
static bool nobody_is_served(const struct server *server)
{
    return server->session_count == server->refused_count;
}

static void linger(struct server *server)
{
    if (server->draining && nobody_is_served(server))
        loop_timer_start(server->timer, server->options.linger_ms);
}

static void timer_fired(void *data)
{
    struct server *server = data;

    if (server->draining && nobody_is_served(server))
        server->options.drained(server->options.data);
    else
        watch_listener(server);
}

/* Out of descriptors or memory: the connections wait in the kernel's queue. Accepting again at
 * once would spin. */
static void pause_accepting(struct server *server, int error)
{
    log_often(LOG_LEVEL_ERROR, "accept-failed", LOG_TEXT("message", strerror(error)),
        LOG_NUMBER("connections", server->session_count));
    loop_watch_set(server->watch, 0);
    loop_timer_start(server->timer, PAUSE_MS);
}

static void take_connection(struct server *server, int fd)
{
    struct ucred peer = {.pid = 0, .uid = (uid_t)-1, .gid = (gid_t)-1};
    socklen_t len = sizeof(peer);
    struct failure refusal;
    bool admitted;

    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
    admitted = admit(server, &peer, &refusal);
    if (!admitted)
        server->stats.refused++;
    if (!admitted && server->refused_count >= REFUSED_EXTRA) {
        close(fd);
        return;
    }
    if (session_create(server, fd, &peer, admitted ? NULL : &refusal) == NULL)
        return;
    server->stats.accepted++;
    if (server->draining && admitted)
        loop_timer_stop(server->timer);
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

/* ---- sessions
 * ------------------------------------------------------------------------------------ */

void server_session_closed(struct server *server)
{
    linger(server);
}

static size_t kept_for(const struct session *session)
{
    return session->closing ? 0 : session->output.len + session->kept_bytes;
}

/* Not destroyed here: it may be the one whose request is being handled or whose answer is being
 * packed. Its peer sees the end at once, and the loop then tells us so. */
static void drop(struct server *server, struct session *session)
{
    log_often(LOG_LEVEL_WARN, "dropped",
        LOG_TEXT("reason",
            session->output.len > 0 ? "it does not read its answers" : "its request does not end"),
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

void server_shed(struct server *server)
{
    while (server->queued_bytes + server->kept_bytes + server->query_bytes >
           server->options.max_buffer) {
        struct session *largest = NULL;

        for (struct ring *at = server->sessions.next; at != &server->sessions; at = at->next) {
            struct session *session = RING_MEMBER(at, struct session, link);

            if (largest == NULL || kept_for(session) > kept_for(largest))
                largest = session;
        }
        if (largest == NULL || kept_for(largest) == 0)
            return;
        drop(server, largest);
    }
}

/* ---- life
 * ---------------------------------------------------------------------------------------- */

static void grace_over(void *data)
{
    struct server *server = data;

    log_event(LOG_LEVEL_WARN, "grace-over", LOG_NUMBER("connections", server->session_count));
    server->options.drained(server->options.data);
}

struct server *server_create(const struct server_options *options)
{
    struct server *server = calloc(1, sizeof(*server));

    if (server == NULL)
        return NULL;
    server->options = *options;
    server->started_at = loop_now(options->loop);
    server->started_wall = loop_wall(options->loop);
    ring_init(&server->sessions);
    buffer_init(&server->out, LIMIT_ANSWER_BYTES + LIMIT_OUTPUT_BYTES);
    server->timer = loop_timer_create(options->loop, timer_fired, server);
    server->grace = loop_timer_create(options->loop, grace_over, server);
    if (server->timer != NULL)
        watch_listener(server);
    if (server->timer == NULL || server->grace == NULL || server->watch == NULL) {
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
    loop_timer_start(server->grace, server->options.grace_ms);
    linger(server);
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
    buffer_free(&server->out);
    free(server);
}
