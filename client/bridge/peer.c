/* SPDX-License-Identifier: Apache-2.0 */
#include "client/bridge/peer.h"

#include "agent/log.h"
#include "client/bridge/exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_MS     5000  /* from the connection to its first bytes, TLS handshake included */
#define STALL_MS     15000 /* in which a peer must take some of what waits for it */
#define LINGER_MS    1000  /* in which a peer may read the last answer */
#define READ_BYTES   16384 /* as much as one TLS record holds */
#define READS_MAX    4     /* of one peer in one turn of the loop */
#define GATHER_BYTES 16384 /* what is sent at once */

/* An HTTP/2 connection begins with this, and no HTTP/1.1 request does. */
static const char preface[] = "PRI * HTTP/2.0\r\n";
#define PREFACE_BYTES (sizeof(preface) - 1)

enum peer_stage {
    PEER_FIRST, /* which protocol is it? */
    PEER_SPEAKING,
    PEER_LINGERING, /* all was sent: until the peer has read it */
};

struct peer {
    struct ring ring;  /* of all peers */
    struct ring awake; /* of those with bytes to be sent */
    struct peer_shared *shared;
    int fd;
    struct loop_watch *watch;
    struct loop_timer *timer;
    int64_t timer_at;
    struct peer_tls *tls; /* NULL: plain TCP */
    enum peer_stage stage;
    uint8_t first[PREFACE_BYTES]; /* of plain TCP, while they may be the preface */
    size_t first_len;
    const struct protocol *protocol;
    void *speaker;       /* of the protocol */
    struct buffer out;   /* gathered, and not sent yet */
    const uint8_t *rest; /* behind that: the speaker's */
    size_t rest_len;
    int64_t moved_at; /* bytes came or went */
    bool ended;       /* the peer sends no more */
};

static uint8_t peer_input[READ_BYTES], peer_gathered[GATHER_BYTES];

/* ---- life ---- */

static void peer_destroy(struct peer *peer)
{
    struct peer_shared *shared = peer->shared;

    if (peer->protocol != NULL)
        peer->protocol->destroy(peer->speaker);
    ring_remove(&peer->ring);
    ring_remove(&peer->awake);
    loop_watch_destroy(peer->watch);
    loop_timer_destroy(peer->timer);
    peer_tls_destroy(peer->tls);
    close(peer->fd);
    buffer_free(&peer->out);
    free(peer);
    shared->stats->connections--;
    if (shared->draining && shared->stats->connections == 0)
        shared->emptied(shared->data);
}

static void peer_touch(struct peer *peer)
{
    peer->moved_at = loop_now(peer->shared->loop);
}

static bool peer_is_blocked(const struct peer *peer)
{
    return peer->out.len > 0 || peer->rest_len > 0;
}

static int64_t peer_deadline(const struct peer *peer)
{
    if (peer->stage == PEER_FIRST)
        return peer->moved_at + FIRST_MS;
    if (peer->stage == PEER_LINGERING)
        return peer->moved_at + LINGER_MS;
    int64_t deadline = peer->protocol->deadline(peer->speaker);
    int64_t stall = peer->moved_at + STALL_MS;
    return peer_is_blocked(peer) && stall < deadline ? stall : deadline;
}

/* A timer that fires too early is set again then: moving it with each byte would cost more. */
static void peer_arm(struct peer *peer)
{
    int64_t deadline = peer_deadline(peer), now = loop_now(peer->shared->loop);

    if (peer->timer_at <= deadline)
        return;
    peer->timer_at = deadline;
    loop_timer_start(peer->timer, deadline > now ? deadline - now : 0);
}

/* A peer that does not read is not read either. */
static void peer_watch(struct peer *peer)
{
    unsigned events = peer->ended ? 0 : LOOP_READABLE;

    if (peer->stage != PEER_LINGERING && peer_is_blocked(peer))
        events = LOOP_WRITABLE;
    if (peer->tls != NULL && peer->stage != PEER_LINGERING)
        events |= peer_tls_events(peer->tls) & LOOP_WRITABLE;
    loop_watch_set(peer->watch, events);
}

static void on_wake(void *data)
{
    struct peer *peer = data;

    if (ring_is_empty(&peer->awake))
        ring_add(&peer->shared->awake, &peer->awake);
}

/* ---- bytes out ---- */

/* The number of bytes that went, -EAGAIN, or another negative errno. */
static ssize_t peer_write(struct peer *peer, const uint8_t *data, size_t len)
{
    ssize_t n = peer->tls != NULL ? peer_tls_write(peer->tls, data, len)
                                  : send(peer->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n > 0)
        peer_touch(peer);
    if (peer->tls != NULL)
        return n == 0 ? -EPIPE : n;
    return n < 0 ? (errno == EINTR ? -EAGAIN : -errno) : n;
}

/* Many small pieces become one; a long one is sent from where it is. */
static size_t peer_gather(struct peer *peer)
{
    size_t len = 0, piece;
    const uint8_t *data = NULL;

    while (len < GATHER_BYTES && (piece = peer->protocol->give(peer->speaker, &data)) > 0) {
        size_t fits = piece < GATHER_BYTES - len ? piece : GATHER_BYTES - len;

        memcpy(peer_gathered + len, data, fits);
        len += fits;
        peer->rest = data + fits;
        peer->rest_len = piece - fits;
        if (peer->rest_len > 0)
            break;
    }
    return len;
}

/* Sends until nothing is left, or the kernel takes no more: both are 0. */
static int peer_send(struct peer *peer)
{
    for (;;) {
        bool from_out = peer->out.len > 0, from_rest = !from_out && peer->rest_len > 0;
        const uint8_t *data = from_out ? peer->out.data : from_rest ? peer->rest : peer_gathered;
        size_t len = from_out ? peer->out.len : from_rest ? peer->rest_len : peer_gather(peer);

        if (len == 0)
            return 0;
        ssize_t n = peer_write(peer, data, len);
        if (n < 0 && n != -EAGAIN)
            return (int)n;
        size_t gone = n > 0 ? (size_t)n : 0;
        if (from_out) {
            buffer_consume(&peer->out, gone);
        } else if (from_rest) {
            peer->rest += gone;
            peer->rest_len -= gone;
        } else if (gone < len && buffer_append(&peer->out, data + gone, len - gone) < 0) {
            return -ENOMEM;
        }
        if (n < 0)
            return 0;
    }
}

static void peer_linger(struct peer *peer)
{
    if (peer->tls != NULL)
        peer_tls_shutdown(peer->tls);
    if (peer->ended || shutdown(peer->fd, SHUT_WR) < 0) {
        peer_destroy(peer);
        return;
    }
    peer->stage = PEER_LINGERING;
    peer->protocol->destroy(peer->speaker);
    peer->protocol = NULL;
    peer_touch(peer);
    peer->timer_at = PROTOCOL_NEVER;
    peer_arm(peer);
    peer_watch(peer);
}

/* After whatever happened: sends, closes what is over, waits for what comes next. */
static void peer_settle(struct peer *peer)
{
    ring_remove(&peer->awake);
    if (peer->stage == PEER_SPEAKING) {
        if (peer_send(peer) < 0) {
            peer_destroy(peer);
            return;
        }
        if (!peer_is_blocked(peer) && peer->protocol->is_over(peer->speaker)) {
            peer_linger(peer);
            return;
        }
        if (!peer_is_blocked(peer))
            buffer_free(&peer->out);
    }
    peer_arm(peer);
    peer_watch(peer);
}

/* ---- bytes in ---- */

static bool peer_speak(struct peer *peer, bool http2)
{
    struct peer_shared *shared = peer->shared;

    peer->speaker = http2 ? http2_create(shared->http2, on_wake, peer)
                          : exchange_create(shared->pages, on_wake, peer);
    if (peer->speaker == NULL)
        return false;
    peer->protocol = http2 ? &http2_protocol : &exchange_protocol;
    peer->stage = PEER_SPEAKING;
    if (shared->draining)
        peer->protocol->drain(peer->speaker);
    return true;
}

static bool peer_take(struct peer *peer, const uint8_t *data, size_t len)
{
    if (peer->protocol->take(peer->speaker, data, len))
        return true;
    peer->shared->stats->abused++;
    peer_send(peer); /* why, as far as it can be sent at once */
    return false;
}

/* Plain TCP: collects the bytes that may be the preface. False: to be closed. */
static bool peer_take_first(struct peer *peer, const uint8_t *data, size_t len)
{
    size_t more = PREFACE_BYTES - peer->first_len;

    if (more > len)
        more = len;
    memcpy(peer->first + peer->first_len, data, more);
    peer->first_len += more;
    bool may_be = memcmp(peer->first, preface, peer->first_len) == 0;
    if (may_be && peer->first_len < PREFACE_BYTES)
        return true;
    return peer_speak(peer, may_be) && peer_take(peer, peer->first, peer->first_len) &&
           (len == more || peer_take(peer, data + more, len - more));
}

static bool peer_take_any(struct peer *peer, const uint8_t *data, size_t len)
{
    if (peer->stage == PEER_LINGERING)
        return true; /* passed over */
    if (peer->stage == PEER_SPEAKING)
        return peer_take(peer, data, len);
    if (peer->tls == NULL)
        return peer_take_first(peer, data, len);
    return peer_speak(peer, peer_tls_is_http2(peer->tls)) && peer_take(peer, data, len);
}

static ssize_t peer_receive(struct peer *peer)
{
    if (peer->tls != NULL && peer->stage != PEER_LINGERING)
        return peer_tls_read(peer->tls, peer_input, sizeof(peer_input));
    ssize_t n = recv(peer->fd, peer_input, sizeof(peer_input), MSG_DONTWAIT);
    return n < 0 ? (errno == EINTR ? -EAGAIN : -errno) : n;
}

/* HTTP/1.1 clients may end their side behind the request, and read the answer. */
static bool peer_end(struct peer *peer)
{
    peer->ended = true;
    if (peer->stage != PEER_SPEAKING || peer->protocol != &exchange_protocol ||
        peer->protocol->is_idle(peer->speaker))
        return false;
    peer->protocol->drain(peer->speaker);
    return true;
}

static void peer_note_tls(struct peer *peer)
{
    peer->shared->stats->refused++;
    log_often(LOG_LEVEL_INFO, "tls_failed", LOG_TEXT("message", peer_tls_flaw(peer->tls)));
}

/* False: to be closed. */
static bool peer_read(struct peer *peer)
{
    for (unsigned i = 0; i < READS_MAX && !peer->ended && !peer_is_blocked(peer); i++) {
        ssize_t n = peer_receive(peer);

        if (n == -EAGAIN)
            return true;
        if (n == 0)
            return peer_end(peer);
        if (n < 0) {
            if (peer->tls != NULL && peer->stage == PEER_FIRST)
                peer_note_tls(peer);
            return false;
        }
        if (peer->stage == PEER_SPEAKING)
            peer_touch(peer);
        if (!peer_take_any(peer, peer_input, (size_t)n))
            return false;
        if (n < READ_BYTES && peer->tls == NULL)
            return true;
    }
    return true;
}

static void on_peer_event(void *data, unsigned events)
{
    struct peer *peer = data;
    struct peer_shared *shared = peer->shared;

    if (((events & LOOP_READABLE) != 0 || peer->tls != NULL) && !peer_read(peer))
        peer_destroy(peer);
    else
        peer_settle(peer);
    peer_shared_settle(shared);
}

static void on_peer_time(void *data)
{
    struct peer *peer = data;
    struct peer_shared *shared = peer->shared;
    int64_t now = loop_now(shared->loop);

    peer->timer_at = PROTOCOL_NEVER;
    bool stalled = peer->stage != PEER_SPEAKING
                       ? peer_deadline(peer) <= now
                       : peer_is_blocked(peer) && peer->moved_at + STALL_MS <= now;
    if (stalled || (peer->stage == PEER_SPEAKING && !peer->protocol->tick(peer->speaker))) {
        shared->stats->timed_out += peer->stage != PEER_LINGERING;
        peer_destroy(peer);
    } else {
        peer_settle(peer);
    }
    peer_shared_settle(shared);
}

/* ---- all peers ---- */

void peer_shared_init(struct peer_shared *shared)
{
    ring_init(&shared->peers);
    ring_init(&shared->awake);
}

void peer_shared_flush(struct peer_shared *shared)
{
    while (!ring_is_empty(&shared->awake))
        peer_settle(RING_MEMBER(ring_pop(&shared->awake), struct peer, awake));
}

void peer_shared_settle(struct peer_shared *shared)
{
    agent_link_turn(shared->link);
    peer_shared_flush(shared);
}

void peer_shared_drain(struct peer_shared *shared)
{
    struct ring peers;

    shared->draining = true;
    ring_take_all(&shared->peers, &peers);
    while (!ring_is_empty(&peers)) {
        struct peer *peer = RING_MEMBER(ring_pop(&peers), struct peer, ring);

        ring_add(&shared->peers, &peer->ring);
        if (peer->stage == PEER_SPEAKING) {
            peer->protocol->drain(peer->speaker);
            peer_settle(peer);
        } else if (peer->stage == PEER_FIRST) {
            peer_destroy(peer);
        }
    }
}

void peer_shared_close(struct peer_shared *shared)
{
    while (!ring_is_empty(&shared->peers))
        peer_destroy(RING_MEMBER(ring_pop(&shared->peers), struct peer, ring));
}

/* The peer without a request that was quiet for longest; NULL: there is none. */
static struct peer *peer_shared_find_idle(struct peer_shared *shared)
{
    struct peer *found = NULL;

    RING_EACH(at, &shared->peers) {
        struct peer *peer = RING_MEMBER(at, struct peer, ring);
        bool idle = peer->stage != PEER_SPEAKING || peer->protocol->is_idle(peer->speaker);

        if (idle && (found == NULL || peer->moved_at < found->moved_at))
            found = peer;
    }
    return found;
}

/* False: there are too many peers. */
static bool peer_shared_make(struct peer_shared *shared)
{
    if (shared->stats->connections < PEERS_MAX)
        return true;
    struct peer *idle = peer_shared_find_idle(shared);
    log_often(LOG_LEVEL_WARN, "too_many_connections", LOG_NUMBER("limit", PEERS_MAX));
    if (idle == NULL)
        return false;
    shared->stats->evicted++;
    peer_destroy(idle);
    return true;
}

/* NULL: out of memory; the descriptor is closed. */
static struct peer *peer_create(struct peer_shared *shared, int fd)
{
    struct peer *peer = calloc(1, sizeof(*peer));

    if (peer == NULL) {
        close(fd);
        return NULL;
    }
    peer->shared = shared;
    peer->fd = fd;
    peer->timer_at = PROTOCOL_NEVER;
    ring_add(&shared->peers, &peer->ring);
    ring_init(&peer->awake);
    shared->stats->connections++;
    buffer_init(&peer->out, GATHER_BYTES);
    peer_touch(peer);
    peer->timer = loop_timer_create(shared->loop, on_peer_time, peer);
    peer->watch = loop_watch_create(shared->loop, fd, on_peer_event, peer);
    if (shared->tls != NULL)
        peer->tls = peer_tls_create(shared->tls, fd);
    if (peer->timer != NULL && peer->watch != NULL && (shared->tls == NULL || peer->tls != NULL))
        return peer;
    peer_destroy(peer);
    return NULL;
}

void peer_accept(struct peer_shared *shared, int fd)
{
    bool refused = shared->draining || !peer_shared_make(shared);

    if (refused) {
        shared->stats->refused++;
        close(fd);
        return;
    }
    struct peer *peer = peer_create(shared, fd);
    if (peer == NULL) {
        log_often(LOG_LEVEL_ERROR, "no_memory", LOG_TEXT("what", "a connection"));
        return;
    }
    shared->stats->accepted++;
    peer_settle(peer);
}
