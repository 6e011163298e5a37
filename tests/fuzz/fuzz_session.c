/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever clients send, in whatever pieces, while time passes, AWS answers, and others come and
 * go: each byte of the input is a step, see `step`. What the agent sends is well-formed, its sums
 * are right after each step, and at the end nothing is left. */
#include "tests/unit/session_world.h"

#include "agent/log.h"
#include "tests/fuzz/fuzz.h"

#define MAX_BUFFER (256u * 1024u)

struct input {
    const uint8_t *data;
    size_t len;
};

static uint8_t take(struct input *input)
{
    if (input->len == 0)
        return 0;
    input->len--;
    return *input->data++;
}

/* Reads what came; each whole frame must be a message. */
static void listen_to(struct client *client)
{
    static uint8_t data[65536];
    ssize_t n;

    while (client->fd >= 0 && (n = recv(client->fd, data, sizeof(data), 0)) > 0)
        CHECK_INT(0, buffer_append(&client->received, data, (size_t)n));
    for (;;) {
        struct message message;
        struct frame_scan scan;
        enum frame_status status;

        frame_scan_init(&scan, LIMIT_ANSWER_BYTES, FRAME_DEPTH_MAX);
        status = frame_scan_feed(&scan, client->received.data, client->received.len);
        CHECK(status != FRAME_REFUSED);
        if (status != FRAME_COMPLETE)
            return;
        CHECK_INT(0, message_decode(&message, client->received.data, scan.offset));
        CHECK(message.kind != MESSAGE_REQUEST);
        buffer_consume(&client->received, scan.offset);
    }
}

static void leave(struct client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    buffer_free(&client->received);
}

/* The next bytes of the input; a client that is not there comes first. */
static void send_some(struct house *house, int index, struct input *input, size_t len)
{
    struct client *client = &house->clients[index];

    if (len > input->len)
        len = input->len;
    if (client->fd < 0)
        come(house, index);
    (void)!send(client->fd, input->data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    input->data += len;
    input->len -= len;
}

static void answer_aws(struct house *house, uint8_t how)
{
    static const char *const bodies[] = {"{\"Count\":7,\"ScannedCount\":7}",
        "{\"Count\":1,\"ScannedCount\":2,\"LastEvaluatedKey\":{\"k\":{\"S\":\"x\"}}}",
        "{\"__type\":\"x#ThrottlingException\",\"message\":\"slow\"}",
        "{\"__type\":\"x#AccessDeniedException\",\"Message\":\"no\"}", "nonsense"};
    static const int statuses[] = {200, 200, 400, 400, 200};
    size_t choice = how % 5;

    if (fake_http_open() > 0 && fake_http_count() < 200)
        fake_http_answer(statuses[choice], bodies[choice]);
    fake_loop_advance(house->bench.loop, 0);
}

/* Two bits for which client, three for what. */
static void step(struct house *house, struct input *input)
{
    uint8_t code = take(input);
    int index = code >> 3 & 3;

    switch (code & 7) {
    case 0:
        send_some(house, index, input, take(input));
        break;
    case 1:
        send_some(house, index, input, (size_t)take(input) << 8);
        break;
    case 2:
        listen_to(&house->clients[index]);
        break;
    case 3:
        leave(&house->clients[index]);
        break;
    case 4:
        fake_loop_advance(house->bench.loop, (int64_t)take(input) * 100);
        break;
    case 5:
        answer_aws(house, take(input));
        break;
    default:
        turn(house);
    }
}

static void check_sums(struct server *server)
{
    const struct channels *channels = &server->channels;
    size_t queued = 0, kept = 0, unread = 0;
    unsigned count = 0, lingering = 0, share_used = 0;

    RING_EACH(at, &channels->list) {
        struct session *session = session_of(at);
        unsigned pending = 0;

        for (const struct ring *one = session->pending.next; one != &session->pending;
             one = one->next)
            pending++;
        CHECK_INT(pending, session->in_flight);
        CHECK(pending <= LIMIT_IN_FLIGHT);
        queued += session->channel.output.len;
        kept += session->channel.input_bytes;
        unread += session->channel.unread_bytes;
        lingering += session->lingers;
        share_used += session->share_used;
        count++;
    }
    CHECK_INT(queued, channels->output_bytes);
    CHECK_INT(kept, channels->input_bytes);
    CHECK_INT(unread, channels->unread_bytes);
    CHECK_INT(lingering, server->linger_count);
    CHECK_INT(share_used, server->share_used_count);
    CHECK_INT(count, server->session_count);
    CHECK(server->out.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct house house;
    struct input input = {data, size};

    log_set_level(LOG_LEVEL_ERROR);
    house_open(&house, MAX_BUFFER);
    while (input.len > 0) {
        step(&house, &input);
        check_sums(house.server);
    }
    turn(&house);
    check_sums(house.server);
    for (int i = 0; i < CLIENTS; i++)
        listen_to(&house.clients[i]);
    house_close(&house);
    return 0;
}
