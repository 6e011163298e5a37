#include "agent/ipc/repeat.h"

#include "agent/ipc/ask.h"

#include <string.h>

void repeat_remember(
    const struct method_call *call, const struct ask *asked, struct question *question)
{
    struct session *session = call->session;
    struct repeat *repeat = &session->repeat;

    repeat->len = 0;
    if (call->body.len > sizeof(repeat->bytes) || asked->values != NULL)
        return;
    memcpy(repeat->bytes, call->body.data, call->body.len);
    repeat->len = call->body.len;
    repeat->method = call->method;
    repeat->generation = counter_generation(session->server->options.counter);
    repeat->question = question;
    repeat->max_age_ms = asked->max_age_ms;
    repeat->replicas = asked->replicas;
}

/* The length of the request at the front where it is the remembered one, and its msgid; or 0. */
static size_t match(const struct repeat *repeat, const uint8_t *data, size_t len, uint64_t *id)
{
    static const uint8_t start[] = {0x94, MESSAGE_REQUEST};
    struct reader reader;

    if (repeat->len == 0 || len < sizeof(start) || memcmp(data, start, sizeof(start)) != 0)
        return 0;
    reader_init(&reader, data + sizeof(start), len - sizeof(start));
    if (!reader_uint(&reader, id) || *id > MSGID_MAX ||
        (size_t)(reader.end - reader.at) < repeat->len ||
        memcmp(reader.at, repeat->bytes, repeat->len) != 0)
        return 0;
    return (size_t)(reader.at - data) + repeat->len;
}

size_t repeat_answer(struct session *session, const uint8_t *data, size_t len)
{
    const struct repeat *repeat = &session->repeat;
    struct server *server = session->server;
    struct counter *counter = server->options.counter;
    struct count_answer answer;
    uint64_t id;
    size_t taken = match(repeat, data, len, &id);

    if (taken == 0 || repeat->generation != counter_generation(counter) ||
        session->in_flight >= LIMIT_IN_FLIGHT)
        return 0;
    if (!question_answer(repeat->question, repeat->max_age_ms, &answer))
        return 0;
    server->stats.requests++;
    session->requests++;
    server->method_requests[repeat->method]++;
    method_count_answer(session, (uint32_t)id, &answer, repeat->replicas);
    return taken;
}
