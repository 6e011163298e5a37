/* SPDX-License-Identifier: Apache-2.0 */
#include "client/answer.h"
#include "client/connection.h"
#include "client/request.h"
#include "proto/clock.h"
#include "proto/limits.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { RETRY_MS_MAX = 100, LIST_BYTES = 256 * 1024 * 1024 };

struct tally {
    struct connection connection;
    struct tally_answer answer;
    struct tally_request scratch; /* of the calls without a request of the caller */
    struct buffer list;           /* the pages of tally_list as one answer */
    int timeout_ms;
    uint32_t next_id;
    bool reached; /* the agent answered, and was not away since */
    bool wait_for_agent;
};

int tally_open(struct tally **tally, const char *path)
{
    *tally = NULL;
    struct tally *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return TALLY_ENOMEM;
    made->timeout_ms = TIMEOUT_DEFAULT_MS;
    request_init(&made->scratch, "ping");
    buffer_init(&made->list, LIST_BYTES);
    int r = connection_init(&made->connection, path);
    if (r < 0) {
        tally_close(made);
        return r == -EINVAL ? TALLY_EARGUMENT : TALLY_ENOMEM;
    }
    *tally = made;
    return 0;
}

void tally_close(struct tally *tally)
{
    if (tally == NULL)
        return;
    connection_free(&tally->connection);
    request_free(&tally->scratch);
    buffer_free(&tally->list);
    free(tally);
}

int tally_set_timeout(struct tally *tally, int milliseconds)
{
    if (milliseconds < 1 || milliseconds > TIMEOUT_MAX_MS)
        return TALLY_EARGUMENT;
    tally->timeout_ms = milliseconds;
    return 0;
}

int tally_set_wait_for_agent(struct tally *tally, int wait)
{
    tally->wait_for_agent = wait != 0;
    return 0;
}

const struct tally_answer *tally_last_answer(const struct tally *tally)
{
    return &tally->answer;
}

const char *tally_error_message(const struct tally *tally)
{
    if (tally == NULL)
        return "no handle: tally_open failed";
    return tally_answer_error_message(&tally->answer);
}

/* Waits until the socket is readable, or writable if bytes are left to send.
 * 0, or -ETIMEDOUT. */
static int wait_ready(const struct connection *connection, int64_t deadline)
{
    short events = connection_sending(connection) ? POLLIN | POLLOUT : POLLIN;

    for (;;) {
        int64_t left = deadline - clock_ms();

        if (left <= 0)
            return -ETIMEDOUT;
        struct pollfd descriptor = {connection->fd, events, 0};
        int n = poll(&descriptor, 1, (int)left);
        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return -errno;
    }
}

/* Searches the received frames for the answer with this id. Late answers to earlier calls, and
 * notifications, are skipped.
 * 1: found, `answer` is set; 0: not yet; or a negative errno. */
static int blocking_take_answer(struct tally *tally, uint32_t id)
{
    const uint8_t *frame = NULL;
    size_t len = 0;
    int r;

    while ((r = connection_next(&tally->connection, &frame, &len)) > 0) {
        struct message message;

        r = message_decode(&message, frame, len);
        if (r < 0)
            return r;
        if (message.kind != MESSAGE_ANSWER || message.id != id)
            continue;
        answer_take(&tally->answer, &message);
        return 1;
    }
    return r;
}

/* One attempt: 0 if `answer` is set, or a negative errno. */
static int blocking_exchange(
    struct tally *tally, const struct tally_request *request, int64_t deadline)
{
    struct connection *connection = &tally->connection;
    int r = connection->fd >= 0 ? 0 : connection_open(connection);

    if (r < 0)
        return r;
    uint32_t id = tally->next_id++;
    int64_t left = deadline - clock_ms();
    r = request_encode(request, id, left > 0 ? left : 1, &connection->out);
    if (r < 0) {
        buffer_clear(&connection->out);
        request_fail(request, r, &tally->answer);
        return 0;
    }
    for (;;) {
        r = connection_flush(connection);
        if (r < 0 && r != -EAGAIN)
            return r;
        r = connection_receive(connection);
        if (r == -EAGAIN)
            r = wait_ready(connection, deadline);
        if (r == 0)
            r = blocking_take_answer(tally, id);
        if (r == 0 && clock_ms() >= deadline)
            r = -ETIMEDOUT; /* bytes kept arriving, but not the answer */
        if (r != 0)
            return r > 0 ? 0 : r;
    }
}

static int blocking_fail_deadline(struct tally *tally)
{
    return answer_fail(&tally->answer, TALLY_EDEADLINE, "%s: no answer within %d ms",
        tally->connection.path, tally->timeout_ms);
}

/* Sleeps before the next attempt: not at all at first, then longer and longer.
 * False if the deadline comes first. */
static bool pause_until_next(int *pause_ms, int64_t deadline)
{
    if (clock_ms() + *pause_ms >= deadline)
        return false;
    if (*pause_ms > 0)
        poll(NULL, 0, *pause_ms);
    int longer = *pause_ms == 0 ? 5 : *pause_ms * 2;
    *pause_ms = longer < RETRY_MS_MAX ? longer : RETRY_MS_MAX;
    return true;
}

static int blocking_call(struct tally *tally, const struct tally_request *request)
{
    int64_t deadline = clock_ms() + tally->timeout_ms;
    bool patient = tally->reached || tally->wait_for_agent;
    int pause_ms = 0;

    if (connection_inherited(&tally->connection))
        connection_close(&tally->connection);
    for (;;) {
        answer_clear(&tally->answer);
        int r = blocking_exchange(tally, request, deadline);
        if (r == 0) {
            tally->reached = true;
            if (tally->answer.error != TALLY_ESHUTTING_DOWN)
                return tally->answer.error;
            connection_close(&tally->connection);
            if (patient && pause_until_next(&pause_ms, deadline))
                continue;
            tally->answer.data = NULL; /* pointed into the freed buffer */
            tally->answer.len = 0;
            return tally->answer.error;
        }
        /* After a partly sent request, no other can be sent on this connection. */
        if (r != -ETIMEDOUT || connection_sending(&tally->connection))
            connection_close(&tally->connection);
        if (r == -ETIMEDOUT)
            return blocking_fail_deadline(tally);
        bool again = (connection_is_absence(r) && patient) || r == -EAGAIN;
        if (again && pause_until_next(&pause_ms, deadline))
            continue;
        tally->reached = false;
        return answer_fail_connection(&tally->answer, tally->connection.path, r);
    }
}

int tally_call(struct tally *tally, const struct tally_request *request)
{
    return blocking_call(tally, request);
}

static struct tally_request *blocking_scratch(struct tally *tally, const char *method)
{
    request_reset(&tally->scratch, method); /* the request keeps a failure */
    return &tally->scratch;
}

int tally_call_packed(struct tally *tally, const char *method, const void *params,
    size_t params_len, const void **result, size_t *result_len)
{
    struct tally_request *request = blocking_scratch(tally, method);

    request_set_raw(request, params, params_len);
    int r = blocking_call(tally, request);
    if (r == 0 && result != NULL)
        *result = tally->answer.data;
    if (r == 0 && result_len != NULL)
        *result_len = tally->answer.len;
    return r;
}

static int call_trigger(struct tally *tally, const char *method, const char *trigger)
{
    struct tally_request *request = blocking_scratch(tally, method);

    tally_request_set_string(request, "trigger", trigger);
    return blocking_call(tally, request);
}

int tally_count_quality(struct tally *tally, const char *trigger, int64_t *count,
    enum tally_quality *quality, int64_t *age_ms)
{
    int r = call_trigger(tally, "count", trigger);

    if (r < 0)
        return r;
    int64_t value = 0;
    int64_t age = 0;
    if (tally_answer_integer(&tally->answer, "count", &value) < 0 ||
        (age_ms != NULL && tally_answer_integer(&tally->answer, "age_ms", &age) < 0))
        return answer_fail(&tally->answer, TALLY_EPROTOCOL,
            "%s: the agent's answer has no count, or no age", tally->connection.path);
    if (count != NULL)
        *count = value;
    if (quality != NULL)
        *quality = tally_answer_quality(&tally->answer);
    if (age_ms != NULL)
        *age_ms = age;
    return 0;
}

int tally_count(struct tally *tally, const char *trigger, int64_t *count)
{
    return tally_count_quality(tally, trigger, count, NULL, NULL);
}

int tally_has_work(struct tally *tally, const char *trigger)
{
    struct tally_request *request = blocking_scratch(tally, "count");
    int64_t count = 0;

    tally_request_set_string(request, "trigger", trigger);
    tally_request_set_integer(request, "enough", 1);
    int r = blocking_call(tally, request);
    if (r < 0)
        return r;
    if (tally_answer_integer(&tally->answer, "count", &count) < 0)
        return answer_fail(&tally->answer, TALLY_EPROTOCOL, "%s: the agent's answer has no count",
            tally->connection.path);
    return count > 0;
}

/* {"triggers": [ and the type of a 32-bit count; count and elements follow. */
static const uint8_t list_head[] = "\x81\xa8triggers\xdd";

/* Appends the triggers of the latest answer; *count grows by their number. */
static int list_append(struct tally *tally, uint32_t *count)
{
    struct reader reader;
    struct text element;
    uint32_t elements = 0;

    reader_init(&reader, tally->answer.data, tally->answer.len);
    if (!reader_find(&reader, "triggers") || !reader_array(&reader, &elements))
        return answer_fail(&tally->answer, TALLY_EPROTOCOL, "%s: the agent's list has no triggers",
            tally->connection.path);
    for (uint32_t i = 0; i < elements && reader_skip(&reader, &element); i++)
        buffer_append(&tally->list, element.data, element.len);
    *count += elements;
    if (tally->list.failed || reader.failed)
        return answer_fail(&tally->answer, TALLY_ENOMEM, "no memory for the list of triggers");
    return 0;
}

static int list_page(struct tally *tally, const char *after, int64_t deadline)
{
    struct tally_request *request = blocking_scratch(tally, "list");
    int timeout_ms = tally->timeout_ms;
    int64_t left = deadline - clock_ms();

    if (after[0] != '\0')
        tally_request_set_string(request, "after", after);
    tally->timeout_ms = left > 0 ? (int)left : 1;
    int r = blocking_call(tally, request);
    tally->timeout_ms = timeout_ms;
    return r;
}

/* The agent answers a long list in pages: all are fetched within one deadline, as one answer. */
int tally_list(struct tally *tally)
{
    int64_t deadline = clock_ms() + tally->timeout_ms;
    char after[1024] = "", next[sizeof(after)];
    uint32_t count = 0;

    buffer_clear(&tally->list);
    buffer_append(&tally->list, list_head, sizeof(list_head) - 1);
    buffer_append(&tally->list, "\0\0\0", 4); /* the count, filled in later */
    for (;;) {
        int r = list_page(tally, after, deadline);

        if (r < 0)
            return r;
        bool last = tally_answer_string(&tally->answer, "next", next, sizeof(next)) < 0;
        if (last && count == 0)
            return 0; /* a single page is the answer as it came */
        r = list_append(tally, &count);
        if (r < 0)
            return r;
        if (last)
            break;
        if (strcmp(next, after) <= 0) /* it would loop for ever */
            return answer_fail(&tally->answer, TALLY_EPROTOCOL,
                "%s: the agent's list does not go on", tally->connection.path);
        memcpy(after, next, sizeof(after));
    }
    const uint8_t number[] = {
        (uint8_t)(count >> 24), (uint8_t)(count >> 16), (uint8_t)(count >> 8), (uint8_t)count};
    memcpy(tally->list.data + sizeof(list_head) - 1, number, sizeof(number));
    tally->answer.data = tally->list.data;
    tally->answer.len = tally->list.len;
    return 0;
}

int tally_status(struct tally *tally)
{
    return blocking_call(tally, blocking_scratch(tally, "status"));
}

int tally_whoami(struct tally *tally, const char *trigger)
{
    return trigger != NULL ? call_trigger(tally, "whoami", trigger)
                           : blocking_call(tally, blocking_scratch(tally, "whoami"));
}

int tally_explain(struct tally *tally, const char *trigger)
{
    return call_trigger(tally, "explain", trigger);
}

int tally_ping(struct tally *tally)
{
    return blocking_call(tally, blocking_scratch(tally, "ping"));
}
