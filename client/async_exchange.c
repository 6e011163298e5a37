#include "client/async.h"

#include "client/answer.h"
#include "client/clock.h"
#include "proto/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What one turn may take, so that a stream of frames delays neither the caller's loop nor the
 * deadlines of the calls. */
enum { READS_MAX = 16, TURN_MS = 10 };

/* Packs one request into the connection's output. */
static void encode(struct tally_async *async, struct pending **link)
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
    async_finish(link, &answer);
}

/* Sends one request after the other, as long as the socket and the agent's limit allow. */
static int send_pending(struct tally_async *async)
{
    unsigned in_flight = async_in_flight(async);
    uint32_t last = async->next_id;
    int r = connection_flush(&async->connection);
    for (struct pending **link = &async->pending; r == 0 && *link != NULL;) {
        struct pending *at = *link;
        if (in_flight >= LIMIT_IN_FLIGHT || async->closing)
            return 0;
        if (!at->sent && !at->cancelled && async_is_older(at, last)) {
            encode(async, link);
            in_flight++;
            r = connection_flush(&async->connection);
        }
        if (*link == at)
            link = &at->next;
    }
    return r == -EAGAIN ? 0 : r;
}

/* Takes over the full name, which notifications use. */
static void take_subscription(struct pending *watch, const struct tally_answer *answer)
{
    const char *name = NULL;
    size_t len = 0;
    watch->answered = true;
    watch->told_lost = false;
    if (tally_answer_text(answer, "trigger", &name, &len) < 0)
        return;
    char *copy = strndup(name, len);
    if (copy == NULL)
        return; /* the name that was asked for may well be the full one */
    free(watch->trigger);
    watch->trigger = copy;
}

static int take_answer(struct tally_async *async, const struct message *message)
{
    struct tally_answer answer;
    struct pending **link = &async->pending;
    while (*link != NULL && !((*link)->sent && (*link)->wire_id == message->id))
        link = &(*link)->next;
    struct pending *at = *link;
    if (at == NULL || at->cancelled)
        return 0; /* late: what it answers has ended */
    async->reached = true;
    async->pause_ms = 0;
    answer_take(&answer, message);
    if (answer.error == TALLY_ESHUTTING_DOWN)
        return -ECONNRESET; /* asked again when the agent is back */
    if (at->watch && answer.error == 0)
        take_subscription(at, &answer);
    else
        async_finish(link, &answer);
    return 0;
}

static bool is_watching(const struct pending *pending, const char *name, size_t len)
{
    return pending->watch && pending->answered && !pending->cancelled &&
           strlen(pending->trigger) == len && memcmp(pending->trigger, name, len) == 0;
}

static void take_notification(struct tally_async *async, const struct message *message)
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
        bool watching = is_watching(at, name, len);
        if (watching && error == TALLY_EUNKNOWN_TRIGGER) {
            async_finish(link, &answer); /* a new configuration no longer has it */
            continue;
        }
        if (watching)
            at->callback(&answer, at->data);
        link = &at->next;
    }
}

static int take_frames(struct tally_async *async, int64_t end)
{
    const uint8_t *frame = NULL;
    size_t len = 0;
    int r = 0;
    async->unread = false;
    while (!async->closing && (r = connection_next(&async->connection, &frame, &len)) > 0) {
        struct message message;
        r = message_decode(&message, frame, len);
        if (r == 0 && message.kind == MESSAGE_ANSWER)
            r = take_answer(async, &message);
        else if (r == 0 && message.kind == MESSAGE_NOTIFICATION)
            take_notification(async, &message);
        if (r < 0)
            return r;
        async->unread = clock_ms() >= end;
        if (async->unread)
            return 0;
    }
    return r;
}

int async_exchange(struct tally_async *async)
{
    int r = send_pending(async);
    int64_t end = clock_ms() + TURN_MS;
    if (r == 0 && async->unread)
        r = take_frames(async, end);
    for (int i = 0; r == 0 && i < READS_MAX && !async->unread && !async->closing; i++) {
        r = connection_receive(&async->connection);
        if (r == 0)
            r = take_frames(async, end);
    }
    if (r == 0 || r == -EAGAIN)
        r = async->closing ? 0 : send_pending(async); /* what the callbacks asked */
    return r;
}
