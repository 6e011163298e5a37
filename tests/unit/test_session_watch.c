/* SPDX-License-Identifier: Apache-2.0 */
/* What connections hear of the triggers that they watch. */
#include "tests/unit/session_world.h"

TEST(a_change_is_reported_and_a_count_that_is_the_same_is_not)
{
    static struct house house;
    struct client *client;

    house_open(&house, 1u << 20);
    client = come(&house, 0);
    request(client, 1, "watch", "t");
    turn(&house);
    CHECK_INT(1, hear(client));
    page(&house.bench, LAST_PAGE(3));
    CHECK_INT(2, hear(client));
    CHECK_INT(MESSAGE_NOTIFICATION, client->heard[1].kind);
    CHECK_INT(3, client->heard[1].count);
    for (int i = 0; i < 5; i++) {
        fake_loop_advance(house.bench.loop, 10000);
        page(&house.bench, LAST_PAGE(3));
    }
    CHECK_INT(6, fake_http_count());
    CHECK_INT(2, hear(client));
    fake_loop_advance(house.bench.loop, 10000);
    page(&house.bench, LAST_PAGE(4));
    CHECK_INT(3, hear(client));
    CHECK_INT(4, client->heard[2].count);
    house_close(&house);
}

TEST(what_is_known_is_reported_behind_the_answer)
{
    static struct house house;
    struct client *client;

    house_open(&house, 1u << 20);
    client = come(&house, 0);
    request(client, 1, "count", "t");
    turn(&house);
    page(&house.bench, LAST_PAGE(3));
    request(client, 2, "watch", "t");
    turn(&house);
    CHECK_INT(3, hear(client));
    CHECK_INT(2, client->heard[1].id);
    CHECK_INT(MESSAGE_NOTIFICATION, client->heard[2].kind);
    CHECK_INT(3, client->heard[2].count);
    request(client, 3, "watch", "t"); /* one more in the same program wants to know */
    turn(&house);
    CHECK_INT(5, hear(client));
    CHECK_INT(MESSAGE_NOTIFICATION, client->heard[4].kind);
    CHECK_INT(3, client->heard[4].count);
    CHECK_INT(1, last_session(&house)->watch_count);
    house_close(&house);
}

TEST(a_new_configuration_with_the_same_query_is_no_change)
{
    static struct house house;
    struct client *client;

    house_open(&house, 1u << 20);
    client = come(&house, 0);
    request(client, 1, "watch", "t");
    turn(&house);
    page(&house.bench, LAST_PAGE(3));
    CHECK_INT(2, hear(client));
    fake_loop_advance(house.bench.loop, 500); /* the count is older now */
    CHECK_INT(0, counter_load(house.bench.counter, config_for("a", "false")));
    turn(&house);
    CHECK_INT(2, hear(client));
    house_close(&house);
}

TEST(the_same_failure_is_reported_once_whatever_its_request_id)
{
    static struct house house;
    struct client *client;

    house_open(&house, 1u << 20);
    client = come(&house, 0);
    request(client, 1, "watch", "t");
    turn(&house);
    for (int i = 0; i < 3; i++) {
        struct http_response response = {.outcome = HTTP_ANSWERED, .status = 400};
        static const char body[] = "{\"__type\":\"x#ValidationException\",\"message\":\"no\"}";

        snprintf(response.headers.request_id, sizeof(response.headers.request_id), "request-%d", i);
        response.body = (const uint8_t *)body;
        response.body_len = strlen(body);
        fake_http_answer_with(&response);
        fake_loop_advance(house.bench.loop, 10000);
    }
    CHECK(fake_http_count() >= 3);
    CHECK_INT(2, hear(client));
    house_close(&house);
}

TEST(a_slow_reader_is_reported_the_newest_when_it_reads_again)
{
    static struct house house;
    struct client *client;
    int before, notifications = 0;

    house_open(&house, 1u << 20);
    client = come(&house, 0);
    request(client, 1, "watch", "t");
    turn(&house);
    page(&house.bench, LAST_PAGE(3));
    CHECK_INT(2, hear(client));
    many_requests(client, 10, 3000, "list", NULL);
    turn(&house);
    CHECK(session_is_slow(last_session(&house)));
    for (int i = 0; i < 3; i++) {
        fake_loop_advance(house.bench.loop, 10000);
        page(&house.bench, i == 0 ? LAST_PAGE(4) : i == 1 ? LAST_PAGE(5) : LAST_PAGE(6));
    }
    CHECK(last_session(&house)->behind);
    while ((before = hear(client)) < 3003) {
        turn(&house);
        CHECK(hear(client) > before);
    }
    for (int i = 2; i < 3003; i++) {
        if (client->heard[i].kind != MESSAGE_NOTIFICATION)
            continue;
        notifications++;
        CHECK_INT(6, client->heard[i].count);
    }
    CHECK_INT(1, notifications);
    CHECK(!last_session(&house)->behind);
    house_close(&house);
}

TEST(a_slow_watcher_catches_up_whoever_empties_its_queue)
{
    static struct house house;
    struct client *client;
    struct failure failure;

    failure_set(&failure, ERROR_TIMEOUT, "late");
    house_open(&house, 1u << 20);
    client = come(&house, 0);
    request(client, 1, "watch", "t");
    turn(&house);
    CHECK_INT(1, hear(client));
    while (!session_is_slow(last_session(&house)))
        session_fail(last_session(&house), 7, &failure);
    page(&house.bench, LAST_PAGE(3));
    CHECK(last_session(&house)->behind);
    hear(client);
    session_fail(last_session(&house), 8, &failure); /* of another turn: the queue is empty now */
    CHECK_INT(0, last_session(&house)->channel.output.len);
    turn(&house);
    hear(client);
    CHECK_INT(MESSAGE_NOTIFICATION, client->heard[client->count - 1].kind);
    CHECK_INT(3, client->heard[client->count - 1].count);
    house_close(&house);
}

TEST(what_changed_and_changed_back_is_not_told)
{
    static struct house house;
    struct client *client;
    int before;

    house_open(&house, 1u << 20);
    client = come(&house, 0);
    request(client, 1, "watch", "t");
    turn(&house);
    page(&house.bench, LAST_PAGE(3));
    CHECK_INT(2, hear(client));
    many_requests(client, 10, 3000, "list", NULL);
    turn(&house);
    fake_loop_advance(house.bench.loop, 10000);
    page(&house.bench, LAST_PAGE(4));
    fake_loop_advance(house.bench.loop, 10000);
    page(&house.bench, LAST_PAGE(3));
    while ((before = hear(client)) < 3002) {
        turn(&house);
        CHECK(hear(client) > before);
    }
    turn(&house);
    CHECK_INT(3002, hear(client));
    house_close(&house);
}

#define UNREAD 3000 /* answers that make a client slow */

static void become_slow(struct house *house, struct client *client)
{
    many_requests(client, 10, UNREAD, "list", NULL);
    turn(house);
    CHECK(session_is_slow(last_session(house)));
}

/* Reads until the client has heard `count` messages in all, and once more. */
static void read_until(struct house *house, struct client *client, int count)
{
    int before;

    while ((before = hear(client)) < count) {
        turn(house);
        CHECK(hear(client) > before);
    }
    turn(house);
}

TEST(a_count_that_a_slow_reader_caught_up_with_is_reported_once)
{
    static struct house house;
    struct client *client;

    house_open(&house, 1u << 20);
    client = come(&house, 0);
    request(client, 1, "watch", "t");
    turn(&house);
    page(&house.bench, LAST_PAGE(3));
    CHECK_INT(2, hear(client));
    become_slow(&house, client);
    fake_loop_advance(house.bench.loop, 10000);
    page(&house.bench, LAST_PAGE(4));
    CHECK(last_session(&house)->behind);
    fake_loop_advance(house.bench.loop, 500);
    read_until(&house, client, 3 + UNREAD);
    CHECK_INT(3 + UNREAD, hear(client));
    CHECK_INT(0, counter_load(house.bench.counter, config_for("a", "false")));
    fake_loop_advance(house.bench.loop, 10000);
    page(&house.bench, LAST_PAGE(4));
    turn(&house);
    CHECK_INT(3 + UNREAD, hear(client));
    house_close(&house);
}

/* The count that the reader has missed has become too old while it did not read, so that the state
 * is once more the failure that it knows. */
TEST(a_slow_reader_is_not_reported_the_state_that_it_has)
{
    static struct house house;
    struct client *client;

    house_open(&house, 1u << 20);
    client = come(&house, 0);
    request(client, 1, "watch", "t");
    turn(&house);
    refuse(&house.bench, 400, "ValidationException");
    CHECK_INT(2, hear(client));
    become_slow(&house, client);
    fake_loop_advance(house.bench.loop, 10000);
    page(&house.bench, LAST_PAGE(4));
    CHECK(last_session(&house)->behind);
    fake_loop_advance(house.bench.loop, 10000);
    refuse(&house.bench, 400, "ValidationException");
    CHECK(last_session(&house)->behind);
    for (int ms = 10000; ms < 900000; ms += 5000) {
        fake_loop_advance(house.bench.loop, 5000);
        if (ms < 890000 && fake_http_open() > 0)
            refuse(&house.bench, 400, "ValidationException");
    }
    fake_loop_advance(house.bench.loop, 100);
    CHECK(last_session(&house)->behind);
    read_until(&house, client, 2 + UNREAD);
    CHECK_INT(2 + UNREAD, hear(client));
    CHECK(!last_session(&house)->behind);
    house_close(&house);
}

TEST(another_query_goes_on_being_watched_and_none_does_not)
{
    static const char *const gone[] = {"u.yaml", "triggers: []", NULL};
    static struct house house;
    struct client *client;

    house_open(&house, 1u << 20);
    client = come(&house, 0);
    request(client, 1, "watch", "t");
    turn(&house);
    page(&house.bench, LAST_PAGE(3));
    CHECK_INT(0, counter_load(house.bench.counter, config_for("b", "false")));
    turn(&house);
    CHECK_INT(2, hear(client));
    page(&house.bench, LAST_PAGE(8));
    CHECK_INT(3, hear(client));
    CHECK_INT(8, client->heard[2].count);
    CHECK_INT(0, counter_load(house.bench.counter, config_of_files(gone)));
    turn(&house);
    CHECK_INT(4, hear(client));
    CHECK_INT(MESSAGE_NOTIFICATION, client->heard[3].kind);
    CHECK_INT(0, client->heard[3].count);
    CHECK_INT(0, last_session(&house)->watch_count);
    house_close(&house);
}

TEST(those_who_wait_and_watch_at_the_end_do_not_hold_it_up)
{
    static struct house house;
    struct client *client;

    house_open(&house, 1u << 20);
    client = come(&house, 0);
    request(client, 1, "watch", "t");
    request(client, 2, "count", "t");
    request(client, 3, "explain", "t");
    turn(&house);
    CHECK_INT(1, hear(client));
    counter_destroy(house.bench.counter);
    house.bench.counter = NULL;
    CHECK_INT(3, hear(client));
    CHECK_INT(ERROR_SHUTTING_DOWN, client->heard[1].error);
    CHECK_INT(ERROR_SHUTTING_DOWN, client->heard[2].error);
    house_close(&house);
}

TEST_MAIN(RUN(a_change_is_reported_and_a_count_that_is_the_same_is_not),
    RUN(what_is_known_is_reported_behind_the_answer),
    RUN(a_new_configuration_with_the_same_query_is_no_change),
    RUN(the_same_failure_is_reported_once_whatever_its_request_id),
    RUN(a_slow_reader_is_reported_the_newest_when_it_reads_again),
    RUN(a_slow_watcher_catches_up_whoever_empties_its_queue),
    RUN(what_changed_and_changed_back_is_not_told),
    RUN(a_count_that_a_slow_reader_caught_up_with_is_reported_once),
    RUN(a_slow_reader_is_not_reported_the_state_that_it_has),
    RUN(another_query_goes_on_being_watched_and_none_does_not),
    RUN(those_who_wait_and_watch_at_the_end_do_not_hold_it_up))
