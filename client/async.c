/* SPDX-License-Identifier: Apache-2.0 */
/* An event-loop handle: its connection, its pending requests, and the rule that callbacks run in
 * tally_async_process and tally_async_close only. Callbacks add and mark requests; only those two
 * functions remove and free them. */
#include "client/connection.h"
#include "client/request.h"

#include "client/answer.h"
#include "proto/clock.h"
#include "proto/limits.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

struct pending {
    struct pending *next;
    struct tally_request request;
    tally_callback *callback; /* NULL for the library's own requests */
    void *data;
    uint32_t id;      /* the caller's id for it */
    uint32_t wire_id; /* msgid of the last time it was sent */
    int64_t deadline; /* of a watch: of its subscription, once it was sent */
    bool sent;
    bool cancelled;
    bool watch;
    bool answered;      /* of a watch: subscribed on this connection */
    bool lost_notified; /* of a watch: the callback was notified that the agent is away */
    char *trigger;      /* of a watch: its name in notifications, owned */
};

struct tally_async {
    struct connection connection;
    int epoll; /* the descriptor that the caller watches */
    bool watching_output;
    bool unread; /* the last turn ended before all received data was processed */
    bool wait_for_agent;
    bool reached;
    bool processing; /* a callback may be running */
    bool closing;
    uint32_t next_id, next_wire_id;
    int pause_ms;                   /* before the next attempt to connect */
    int64_t retry_at;               /* not before */
    struct pending *pending, **end; /* in the order in which they were added; where the next goes */
};

/* ---- async ---- */

enum {
    PAUSE_MS_FIRST = 5,
    PAUSE_MS_CALL = 100,   /* longest pause while a call waits */
    PAUSE_MS_WATCH = 1000, /* and while only watches do */
};

/* Removes *link from the list, frees it, and runs its callback. `answer` is borrowed. */
static void async_finish(
    struct tally_async *async, struct pending **link, const struct tally_answer *answer)
{
    struct pending *done = *link;

    *link = done->next;
    if (done->next == NULL)
        async->end = link;
    if (done->callback != NULL)
        done->callback(answer, done->data);
    request_free(&done->request);
    free(done->trigger);
    free(done);
}

static void async_destroy(struct tally_async *async)
{
    struct tally_answer answer;

    answer_fail(&answer, TALLY_ECLOSED, "the handle was closed");
    while (async->pending != NULL)
        async_finish(async, &async->pending, &answer);
    connection_free(&async->connection);
    if (async->epoll >= 0)
        close(async->epoll);
    free(async);
}

int tally_async_open(struct tally_async **async, const char *path)
{
    *async = NULL;
    struct tally_async *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return TALLY_ENOMEM;
    made->epoll = epoll_create1(EPOLL_CLOEXEC);
    made->end = &made->pending;
    int r = connection_init(&made->connection, path);
    if (r < 0)
        r = r == -EINVAL ? TALLY_EARGUMENT : TALLY_ENOMEM;
    else if (made->epoll < 0)
        r = TALLY_ESYSTEM;
    if (r < 0)
        async_destroy(made);
    else
        *async = made;
    return r;
}

void tally_async_close(struct tally_async *async)
{
    if (async == NULL || async->closing)
        return;
    async->closing = true;
    if (!async->processing)
        async_destroy(async);
}

int tally_async_set_wait_for_agent(struct tally_async *async, int wait)
{
    async->wait_for_agent = wait != 0;
    return 0;
}

int tally_async_fd(const struct tally_async *async)
{
    return async->epoll;
}

short tally_async_events(const struct tally_async *async)
{
    (void)async;
    return POLLIN;
}

static void async_earliest(int64_t *when, int64_t candidate)
{
    if (candidate < *when)
        *when = candidate;
}

/* Whether it existed when `last` was the newest id: requests that callbacks add wait for the next
 * turn, or a callback that always adds another would keep the loop busy for ever. */
static bool pending_is_older(const struct pending *pending, uint32_t last)
{
    return (int32_t)(last - pending->id) >= 0; /* ids wrap */
}

/* How many requests the agent has not answered. */
static unsigned async_in_flight(const struct tally_async *async)
{
    unsigned count = 0;

    for (const struct pending *at = async->pending; at != NULL; at = at->next)
        count += at->sent && !at->answered;
    return count;
}

int tally_async_timeout(const struct tally_async *async)
{
    const struct connection *connection = &async->connection;
    int64_t when = async->unread ? 0 : INT64_MAX;
    bool can_send = !connection_sending(connection) && async_in_flight(async) < LIMIT_IN_FLIGHT;

    for (const struct pending *at = async->pending; at != NULL; at = at->next) {
        if (at->cancelled)
            return 0;
        if (connection->fd < 0)
            async_earliest(&when, async->retry_at);
        else if (!at->sent && can_send)
            return 0;
        if (!at->watch || (at->sent && !at->answered))
            async_earliest(&when, at->deadline);
    }
    if (when == INT64_MAX)
        return -1;
    int64_t left = when - clock_ms();
    return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

/* Adds a copy of the request. Returns 0 or a negative enum tally_error. */
static int async_add(struct tally_async *async, const struct tally_request *request,
    int64_t deadline, tally_callback *callback, void *data, struct pending **added)
{
    if (async->closing)
        return TALLY_ECLOSED;
    if (request->error < 0)
        return request->error;
    struct pending *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return TALLY_ENOMEM;
    int r = request_copy(&made->request, request);
    if (r < 0) {
        free(made);
        return r;
    }
    made->callback = callback;
    made->data = data;
    made->deadline = deadline;
    made->id = ++async->next_id;
    *async->end = *added = made;
    async->end = &made->next;
    return 0;
}

int tally_async_call(struct tally_async *async, const struct tally_request *request, int timeout,
    tally_callback *callback, void *data, uint32_t *id)
{
    struct pending *added = NULL;

    if (timeout < 1 || timeout > TIMEOUT_MAX_MS || callback == NULL)
        return TALLY_EARGUMENT;
    int r = async_add(async, request, clock_ms() + timeout, callback, data, &added);
    if (r == 0 && id != NULL)
        *id = added->id;
    return r;
}

int tally_async_count(struct tally_async *async, const char *trigger, int timeout,
    tally_callback *callback, void *data, uint32_t *id)
{
    struct tally_request request;

    request_init(&request, "count");
    tally_request_set_string(&request, "trigger", trigger); /* the request keeps a failure */
    int r = tally_async_call(async, &request, timeout, callback, data, id);
    request_free(&request);
    return r;
}

int tally_async_watch(struct tally_async *async, const char *trigger, int64_t max_age_ms,
    tally_callback *callback, void *data, uint32_t *id)
{
    struct tally_request request;
    struct pending *added = NULL;

    if (trigger == NULL || callback == NULL)
        return TALLY_EARGUMENT;
    request_init(&request, "watch");
    tally_request_set_string(&request, "trigger", trigger);
    if (max_age_ms >= 0)
        tally_request_set_integer(&request, "max_age_ms", max_age_ms);
    char *copy = strdup(trigger);
    int r = copy == NULL ? TALLY_ENOMEM
                         : async_add(async, &request, INT64_MAX, callback, data, &added);
    request_free(&request);
    if (r < 0) {
        free(copy);
        return r;
    }
    added->watch = true;
    added->trigger = copy;
    if (id != NULL)
        *id = added->id;
    return 0;
}

int tally_async_cancel(struct tally_async *async, uint32_t id)
{
    for (struct pending *at = async->pending; at != NULL; at = at->next) {
        if (at->id != id || at->cancelled || at->callback == NULL)
            continue;
        at->cancelled = true;
        return 0;
    }
    return TALLY_EARGUMENT;
}

/* ---- exchange ---- */

/* The limits of one turn, so that a stream of frames delays neither the caller's loop nor the
 * deadlines of the calls. */
enum { READS_MAX = 16, TURN_MS = 10 };

/* Packs one request into the connection's output. */
static void async_encode(struct tally_async *async, struct pending **link)
{
    struct pending *at = *link;
    struct tally_answer answer;
    int64_t now = clock_ms();

    if (at->watch)
        at->deadline = now + TIMEOUT_DEFAULT_MS;
    int64_t left = at->deadline > now ? at->deadline - now : 1;
    at->wire_id = async->next_wire_id++;
    int r = request_encode(&at->request, at->wire_id, left, &async->connection.out);
    if (r == 0) {
        at->sent = true;
        return;
    }
    buffer_clear(&async->connection.out);
    request_fail(&at->request, r, &answer);
    async_finish(async, link, &answer);
}

/* Sends one request after the other, as far as the socket and the agent's limit allow. */
static int async_send_pending(struct tally_async *async)
{
    unsigned in_flight = async_in_flight(async);
    uint32_t last = async->next_id;
    int r = connection_flush(&async->connection);

    for (struct pending **link = &async->pending; r == 0 && *link != NULL;) {
        struct pending *at = *link;

        if (in_flight >= LIMIT_IN_FLIGHT || async->closing)
            return 0;
        if (!at->sent && !at->cancelled && pending_is_older(at, last)) {
            async_encode(async, link);
            in_flight++;
            r = connection_flush(&async->connection);
        }
        if (*link == at)
            link = &at->next;
    }
    return r == -EAGAIN ? 0 : r;
}

/* Stores the full name, which notifications use. */
static void async_take_subscription(struct pending *watch, const struct tally_answer *answer)
{
    const char *name = NULL;
    size_t len = 0;

    watch->answered = true;
    watch->lost_notified = false;
    if (tally_answer_text(answer, "trigger", &name, &len) < 0)
        return;
    char *copy = strndup(name, len);
    if (copy == NULL)
        return; /* the requested name may already be the full one */
    free(watch->trigger);
    watch->trigger = copy;
}

static int async_take_answer(struct tally_async *async, const struct message *message)
{
    struct tally_answer answer;
    struct pending **link = &async->pending;

    while (*link != NULL && !((*link)->sent && (*link)->wire_id == message->id))
        link = &(*link)->next;
    struct pending *at = *link;
    if (at == NULL || at->cancelled)
        return 0; /* late: its request has ended */
    async->reached = true;
    async->pause_ms = 0;
    answer_take(&answer, message);
    if (answer.error == TALLY_ESHUTTING_DOWN)
        return -ECONNRESET; /* sent again when the agent is back */
    if (at->watch && answer.error == 0)
        async_take_subscription(at, &answer);
    else
        async_finish(async, link, &answer);
    return 0;
}

static bool pending_is_watching(const struct pending *pending, const char *name, size_t len)
{
    return pending->watch && pending->answered && !pending->cancelled &&
           strlen(pending->trigger) == len && memcmp(pending->trigger, name, len) == 0;
}

static void async_take_notification(struct tally_async *async, const struct message *message)
{
    struct tally_answer answer;
    const char *name = NULL;
    size_t len = 0;

    if (!text_equals(message->method, "changed"))
        return;
    int error = answer_take_notification(&answer, message);
    if (tally_answer_text(&answer, "trigger", &name, &len) < 0)
        return;
    for (struct pending **link = &async->pending; *link != NULL && !async->closing;) {
        struct pending *at = *link;
        bool watching = pending_is_watching(at, name, len);

        if (watching && error == TALLY_EUNKNOWN_TRIGGER) {
            async_finish(async, link, &answer); /* a new configuration no longer has it */
            continue;
        }
        if (watching)
            at->callback(&answer, at->data);
        link = &at->next;
    }
}

static int async_take_frames(struct tally_async *async, int64_t end)
{
    const uint8_t *frame = NULL;
    size_t len = 0;
    int r = 0;

    async->unread = false;
    while (!async->closing && (r = connection_next(&async->connection, &frame, &len)) > 0) {
        struct message message;

        r = message_decode(&message, frame, len);
        if (r == 0 && message.kind == MESSAGE_ANSWER)
            r = async_take_answer(async, &message);
        else if (r == 0 && message.kind == MESSAGE_NOTIFICATION)
            async_take_notification(async, &message);
        if (r < 0)
            return r;
        async->unread = clock_ms() >= end;
        if (async->unread)
            return 0;
    }
    return r;
}

/* Sends and receives what is possible now. 0, or a negative errno: the connection is unusable. */
static int async_exchange(struct tally_async *async)
{
    int r = async_send_pending(async);
    int64_t end = clock_ms() + TURN_MS;

    if (r == 0 && async->unread)
        r = async_take_frames(async, end);
    for (int i = 0; r == 0 && i < READS_MAX && !async->unread && !async->closing; i++) {
        r = connection_receive(&async->connection);
        if (r == 0)
            r = async_take_frames(async, end);
    }
    if (r == 0 || r == -EAGAIN)
        r = async->closing ? 0
                           : async_send_pending(async); /* the requests that the callbacks added */
    return r;
}

/* ---- process ---- */

/* Closes the connection; everything is sent again on the next connection. */
static void async_disconnect(struct tally_async *async)
{
    if (async->connection.fd >= 0)
        epoll_ctl(async->epoll, EPOLL_CTL_DEL, async->connection.fd, NULL);
    connection_close(&async->connection);
    async->watching_output = false;
    async->unread = false;
    for (struct pending *at = async->pending; at != NULL; at = at->next)
        at->sent = at->answered = false;
}

/* Notifies a watch once that the agent is away; the watch stays. */
static void pending_notify_lost(struct pending *watch, const struct tally_answer *answer)
{
    if (watch->lost_notified)
        return;
    watch->lost_notified = true;
    watch->callback(answer, watch->data);
}

/* The agent cannot be reached. Calls fail, unless there is a reason to wait for it. */
static void async_lose(struct tally_async *async, int error)
{
    struct tally_answer answer;
    bool patient = error == -EAGAIN ||
                   (connection_is_absence(error) && (async->reached || async->wait_for_agent));
    bool calls = false;
    uint32_t last = async->next_id;

    answer_fail_connection(&answer, async->connection.path, error);
    async_disconnect(async);
    for (struct pending **link = &async->pending; *link != NULL && !async->closing;) {
        struct pending *at = *link;

        if (!at->watch && !patient && pending_is_older(at, last)) {
            async_finish(async, link, &answer);
            continue;
        }
        if (at->watch && !at->cancelled && error != -EAGAIN)
            pending_notify_lost(at, &answer);
        calls = calls || !at->watch;
        link = &at->next;
    }
    int longest = calls ? PAUSE_MS_CALL : PAUSE_MS_WATCH;
    async->retry_at = clock_ms() + async->pause_ms;
    async->pause_ms = async->pause_ms == 0 ? PAUSE_MS_FIRST : async->pause_ms * 2;
    if (async->pause_ms > longest)
        async->pause_ms = longest;
}

static int async_connect(struct tally_async *async)
{
    int r = connection_open(&async->connection);

    if (r < 0)
        return r;
    struct epoll_event event = {.events = EPOLLIN};
    return epoll_ctl(async->epoll, EPOLL_CTL_ADD, async->connection.fd, &event) < 0 ? -errno : 0;
}

/* Unsubscribes at the agent, unless another watch has the same trigger. */
static int async_unsubscribe(struct tally_async *async, const struct pending *watch)
{
    struct tally_request request;
    struct pending *added = NULL;

    for (const struct pending *at = async->pending; at != NULL; at = at->next) {
        if (at != watch && at->watch && !at->cancelled && strcmp(at->trigger, watch->trigger) == 0)
            return 0;
    }
    request_init(&request, "unwatch");
    tally_request_set_string(&request, "trigger", watch->trigger);
    int r = async_add(async, &request, clock_ms() + TIMEOUT_DEFAULT_MS, NULL, NULL, &added);
    request_free(&request);
    return r;
}

static void async_fail_deadline(
    struct tally_async *async, struct pending **link, struct tally_answer *answer)
{
    if (async->connection.fd < 0)
        answer_fail_connection(answer, async->connection.path, -ECONNREFUSED);
    else
        answer_fail(
            answer, TALLY_EDEADLINE, "%s: no answer before the deadline", async->connection.path);
    async_finish(async, link, answer);
}

/* Ends what is cancelled or past its deadline. Returns whether a subscription was not answered in
 * time: such a connection is closed. */
static bool async_expire(struct tally_async *async)
{
    int64_t now = clock_ms();
    bool stuck = false;
    struct tally_answer answer;

    for (struct pending **link = &async->pending; *link != NULL && !async->closing;) {
        struct pending *at = *link;

        if (at->cancelled) {
            if (at->watch && at->answered)
                async_unsubscribe(async, at);
            answer_fail(&answer, TALLY_ECANCELLED, "the call was cancelled");
            async_finish(async, link, &answer);
        } else if (!at->watch && at->deadline <= now) {
            async->reached = async->reached && async->connection.fd >= 0;
            async_fail_deadline(async, link, &answer);
        } else {
            stuck = stuck || (at->sent && !at->answered && at->deadline <= now);
            link = &at->next;
        }
    }
    return stuck;
}

static void async_watch_output(struct tally_async *async)
{
    bool wanted = connection_sending(&async->connection);

    if (async->connection.fd < 0 || wanted == async->watching_output)
        return;
    struct epoll_event event = {.events = wanted ? EPOLLIN | EPOLLOUT : EPOLLIN};
    if (epoll_ctl(async->epoll, EPOLL_CTL_MOD, async->connection.fd, &event) == 0)
        async->watching_output = wanted;
}

int tally_async_process(struct tally_async *async)
{
    if (async->processing || async->closing)
        return 0;
    async->processing = true;
    int r = 0;
    bool stuck = async_expire(async);
    bool wanted = async->pending != NULL && clock_ms() >= async->retry_at;
    if (async->connection.fd < 0 && wanted && !async->closing)
        r = async_connect(async);
    if (r == 0 && async->connection.fd >= 0 && !async->closing)
        r = stuck ? -ECONNRESET : async_exchange(async);
    if (r < 0 && !async->closing)
        async_lose(async, r);
    async_watch_output(async);
    async->processing = false;
    if (async->closing)
        async_destroy(async);
    return r == -ENOMEM ? TALLY_ENOMEM : 0;
}
