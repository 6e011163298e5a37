/* SPDX-License-Identifier: Apache-2.0 */
/* Connections: frames in, answers out, and what they may cost. */
#include "tests/unit/session_world.h"

/* ---- frames ---- */

TEST(a_request_may_come_byte_by_byte)
{
    static struct house house;
    struct client *client;
    struct buffer buffer;

    house_open(&house, 1u << 20);
    client = come(&house, 0);
    buffer_init(&buffer, 1024);
    add_request(&buffer, 7, "ping", NULL);
    add_request(&buffer, 8, "list", NULL);
    for (size_t i = 0; i < buffer.len; i++) {
        CHECK_INT(i < buffer.len / 2 ? 0 : 1, hear(client));
        say(client, buffer.data + i, 1);
        turn(&house);
    }
    CHECK_INT(2, hear(client));
    CHECK_INT(7, client->heard[0].id);
    CHECK_INT(8, client->heard[1].id);
    CHECK(last_session(&house)->channel.input.data == NULL); /* idle, it costs nothing */
    buffer_free(&buffer);
    house_close(&house);
}

TEST(the_answers_of_a_batch_are_one_write)
{
    static struct house house;
    static uint8_t packet[65536];
    struct client *client;
    ssize_t len;

    house_open(&house, 1u << 20);
    client = join(&house, 0, SOCK_SEQPACKET, NULL); /* one packet for each write */
    many_requests(client, 1, 20, "ping", NULL);
    turn(&house);
    len = recv(client->fd, packet, sizeof(packet), 0);
    CHECK(len > 0);
    CHECK_INT(-1, recv(client->fd, packet + len, 1, 0));
    CHECK_INT(0, buffer_append(&client->received, packet, (size_t)len));
    CHECK_INT(20, hear(client));
    house_close(&house);
}

TEST(what_is_no_message_ends_only_its_own_connection)
{
    static const char *const garbage[] = {"\xc1", "GET / HTTP/1.1\r\n", "\x93\x01", "{}", "\x05"};
    static struct house house;
    struct client *good, *bad;

    house_open(&house, 1u << 20);
    good = come(&house, 0);
    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
        bad = come(&house, 1);
        say(bad, garbage[i], strlen(garbage[i]));
        if (garbage[i][0] == '\x93')
            say(bad, "\xc0\xc0", 2); /* an answer to no request */
        turn(&house);
        CHECK_INT(0, hear(bad));
        CHECK(bad->ended);
        close(bad->fd);
        bad->fd = -1;
        request(good, (uint32_t)i, "ping", NULL);
        turn(&house);
        CHECK_INT(i + 1, hear(good));
        CHECK(!good->ended);
    }
    CHECK_INT(sizeof(garbage) / sizeof(garbage[0]), house.server->stats.malformed);
    CHECK_INT(1, house.server->session_count);
    house_close(&house);
}

TEST(what_came_before_the_garbage_is_answered)
{
    static struct house house;
    struct client *client;

    house_open(&house, 1u << 20);
    client = come(&house, 0);
    request(client, 1, "ping", NULL);
    say(client, "\xc1", 1);
    turn(&house);
    CHECK_INT(1, hear(client));
    CHECK(client->ended);
    house_close(&house);
}

TEST(a_refused_client_gets_the_reason_once)
{
    static struct house house;
    struct failure refusal;
    struct client *client;

    failure_set(&refusal, ERROR_NOT_ALLOWED, "not you");
    house_open(&house, 1u << 20);
    client = join(&house, 0, SOCK_STREAM, &refusal);
    many_requests(client, 5, 3, "count", "t");
    turn(&house);
    CHECK_INT(1, hear(client));
    CHECK_INT(5, client->heard[0].id);
    CHECK_INT(ERROR_NOT_ALLOWED, client->heard[0].error);
    CHECK(client->ended);
    CHECK_INT(0, fake_http_count());
    house_close(&house);
}

TEST(a_client_that_goes_is_forgotten)
{
    static struct house house;
    struct client *client;

    house_open(&house, 1u << 20);
    client = come(&house, 0);
    request(client, 1, "count", "t");
    turn(&house);
    CHECK_INT(1, fake_http_open());
    close(client->fd);
    client->fd = -1;
    turn(&house);
    CHECK_INT(0, house.server->session_count);
    CHECK_INT(1, fake_http_open()); /* its flight goes on, for the next */
    page(&house.bench, LAST_PAGE(3));
    client = come(&house, 1);
    request(client, 2, "count", "t");
    turn(&house);
    CHECK_INT(1, hear(client));
    CHECK_INT(3, client->heard[0].count);
    CHECK_INT(1, fake_http_count());
    house_close(&house);
}

/* ---- answers to count ---- */

#define ANSWER_BYTES 1024

/* The bytes that the client has received since the last call. */
static size_t take_bytes(struct client *client, uint8_t bytes[ANSWER_BYTES])
{
    ssize_t len = recv(client->fd, bytes, ANSWER_BYTES, 0);

    CHECK(len > 0 && len < ANSWER_BYTES);
    return (size_t)len;
}

/* A uint 32 of the answer, which is set to 0. */
static uint32_t take_uint32(uint8_t *at)
{
    uint32_t value = 0;

    CHECK_INT(0xce, at[0]);
    for (int i = 1; i <= 4; i++) {
        value = value << 8 | at[i];
        at[i] = 0;
    }
    return value;
}

/* Checks an answer, and that it differs from the first one at the msgid and the age alone. */
static void check_answer(struct client *client, uint32_t id, uint32_t age_ms,
    const uint8_t first[ANSWER_BYTES], size_t first_len)
{
    static const char key[] = "\xa6\x61ge_ms";
    uint8_t bytes[ANSWER_BYTES];
    size_t len = take_bytes(client, bytes);
    uint8_t *age = memmem(bytes, len, key, strlen(key));

    CHECK(age != NULL);
    CHECK_INT(id, take_uint32(bytes + MESSAGE_ANSWER_ID_AT));
    CHECK_INT(age_ms, take_uint32(age + strlen(key)));
    CHECK_MEM(first, first_len, bytes, len);
}

/* A request that gives `replicas` gets an answer that is not kept. */
static void request_with_replicas(struct client *client, uint32_t id)
{
    struct buffer buffer;

    buffer_init(&buffer, 65536);
    message_begin_request(&buffer, id, "count");
    write_array(&buffer, 1);
    write_map(&buffer, 2);
    write_string(&buffer, "trigger");
    write_string(&buffer, "t");
    write_string(&buffer, "replicas");
    write_uint(&buffer, 3);
    say(client, buffer.data, buffer.len);
    buffer_free(&buffer);
}

TEST(answers_with_the_same_count_differ_at_msgid_and_age_alone)
{
    static struct house house;
    struct client *client, *other;
    uint8_t first[ANSWER_BYTES]; /* its msgid and age are 0 */
    size_t first_len;

    house_open(&house, 1u << 20);
    client = come(&house, 0);
    other = come(&house, 1);
    request(client, 0, "count", "t");
    turn(&house);
    request(other, 70000, "count", "t"); /* joins the flight */
    turn(&house);
    page(&house.bench, LAST_PAGE(3));
    first_len = take_bytes(client, first);
    check_answer(other, 70000, 0, first, first_len);
    for (uint32_t i = 1; i <= 3; i++) { /* decoded, then repeated */
        fake_loop_advance(house.bench.loop, 700);
        request(client, i, "count", "t");
        turn(&house);
        check_answer(client, i, 700 * i, first, first_len);
        request_with_replicas(other, i);
        turn(&house);
        check_answer(other, i, 700 * i, first, first_len);
    }
    CHECK_INT(0, counter_load(house.bench.counter, config_for("a", "false")));
    request(client, 9, "count", "t");
    turn(&house);
    check_answer(client, 9, 2100, first, first_len);
    CHECK_INT(1, fake_http_count());
    house_close(&house);
}

/* ---- limits ---- */

TEST(the_65th_request_in_flight_is_busy)
{
    static struct house house;
    struct client *client;

    house_open(&house, 1u << 20);
    client = come(&house, 0);
    many_requests(client, 0, LIMIT_IN_FLIGHT + 2, "count", "t");
    turn(&house);
    CHECK_INT(2, hear(client));
    for (uint32_t i = 0; i < 2; i++) {
        CHECK_INT(LIMIT_IN_FLIGHT + i, client->heard[i].id);
        CHECK_INT(ERROR_BUSY, client->heard[i].error);
    }
    CHECK_INT(LIMIT_IN_FLIGHT, last_session(&house)->in_flight);
    page(&house.bench, LAST_PAGE(3));
    CHECK_INT(LIMIT_IN_FLIGHT + 2, hear(client));
    CHECK_INT(0, last_session(&house)->in_flight);
    request(client, 99, "count", "t");
    turn(&house);
    CHECK_INT(LIMIT_IN_FLIGHT + 3, hear(client));
    CHECK_INT(ERROR_NONE, client->heard[LIMIT_IN_FLIGHT + 2].error);
    house_close(&house);
}

TEST(requests_are_not_read_while_answers_are_not_taken)
{
    static struct house house;
    struct client *client;
    struct session *session;
    uint64_t handled;

    house_open(&house, 1u << 20);
    client = come(&house, 0);
    session = last_session(&house);
    many_requests(client, 0, 3000, "list", NULL);
    turn(&house);
    handled = session->requests;
    CHECK(handled > 0 && handled < 3000);
    CHECK(session->channel.output.len >= LIMIT_OUTPUT_BYTES);
    CHECK(session->channel.output.len < 2 * LIMIT_OUTPUT_BYTES);
    CHECK_INT(0, session->events & LOOP_READABLE);
    CHECK_INT(session->channel.output.len, house.server->channels.output_bytes);
    turn(&house);
    CHECK_INT(handled, session->requests);
    while (hear(client) < 3000) {
        int before = client->count;

        turn(&house);
        CHECK(hear(client) > before);
    }
    for (uint32_t i = 0; i < 3000; i++)
        CHECK_INT(i, client->heard[i].id);
    CHECK_INT(0, house.server->channels.output_bytes);
    CHECK(session->channel.output.data == NULL);
    house_close(&house);
}

/* An answer of another turn finds that the client has read all, and empties the queue: then the
 * socket has nothing for the session. */
static void answer_late(struct house *house, struct client *client)
{
    struct failure failure;

    hear(client);
    failure_set(&failure, ERROR_TIMEOUT, "late");
    session_fail(last_session(house), 7, &failure);
}

TEST(requests_kept_for_a_slow_reader_are_answered_whoever_empties_its_queue)
{
    static struct house house;
    struct client *client;
    int before;

    house_open(&house, 1u << 20);
    client = come(&house, 0);
    many_requests(client, 100, 3000, "list", NULL);
    turn(&house);
    CHECK(last_session(&house)->channel.input.len > 0);
    answer_late(&house, client);
    CHECK_INT(0, last_session(&house)->channel.output.len);
    while ((before = hear(client)) < 3001) {
        turn(&house);
        CHECK(hear(client) > before);
    }
    CHECK_INT(0, last_session(&house)->channel.input.len);
    house_close(&house);
}

TEST(the_slowest_reader_goes_when_all_together_wait_for_too_much)
{
    static struct house house;
    struct client *slow, *good;

    house_open(&house, 32u * 1024u);
    good = come(&house, 0);
    slow = come(&house, 1);
    many_requests(slow, 0, 3000, "list", NULL);
    turn(&house);
    CHECK_INT(1, house.server->channels.dropped);
    CHECK_INT(0, house.server->channels.output_bytes);
    CHECK_INT(2, house.server->session_count); /* the kernel keeps what it has not read */
    CHECK(house.server->channels.unread_bytes > 0);
    hear(slow);
    CHECK(slow->ended);
    fake_loop_advance(house.bench.loop, 1000);
    CHECK_INT(1, house.server->session_count);
    CHECK_INT(0, house.server->channels.unread_bytes);
    request(good, 1, "ping", NULL);
    turn(&house);
    CHECK_INT(1, hear(good));
    house_close(&house);
}

TEST(answers_for_a_peer_that_is_gone_are_not_kept)
{
    static struct house house;
    struct client *client;
    struct failure failure;

    house_open(&house, 1u << 20);
    client = come(&house, 0);
    many_requests(client, 100, 3000, "list", NULL);
    turn(&house);
    CHECK(house.server->channels.output_bytes > 0);
    shutdown(client->fd, SHUT_RD);
    failure_set(&failure, ERROR_TIMEOUT, "late");
    session_fail(last_session(&house), 7, &failure);
    CHECK(last_session(&house)->channel.closing);
    CHECK_INT(0, house.server->channels.output_bytes);
    house_close(&house);
}

TEST_MAIN(RUN(a_request_may_come_byte_by_byte), RUN(the_answers_of_a_batch_are_one_write),
    RUN(what_is_no_message_ends_only_its_own_connection),
    RUN(what_came_before_the_garbage_is_answered), RUN(a_refused_client_gets_the_reason_once),
    RUN(a_client_that_goes_is_forgotten),
    RUN(answers_with_the_same_count_differ_at_msgid_and_age_alone),
    RUN(the_65th_request_in_flight_is_busy), RUN(requests_are_not_read_while_answers_are_not_taken),
    RUN(requests_kept_for_a_slow_reader_are_answered_whoever_empties_its_queue),
    RUN(the_slowest_reader_goes_when_all_together_wait_for_too_much),
    RUN(answers_for_a_peer_that_is_gone_are_not_kept))
