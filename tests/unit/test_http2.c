/* SPDX-License-Identifier: Apache-2.0 */
/* The clock of a connection of HTTP/2: what ends when, with an agent that is not there. */
#include "client/bridge/http2.h"
#include "tests/fake/fake_loop.h"
#include "tests/unit/test.h"

#define FRAME_HEAD 9

static struct loop *loop;
static struct agent_link *link_;
static struct bridge_stats stats;
static struct page_shared pages;
static struct stream_shared shared;
static void *http2;
static uint8_t sent[65536];
static size_t sent_len;

static void on_nothing(void *data)
{
    (void)data;
}

static void take(const char *data, size_t len)
{
    CHECK(http2_protocol.take(http2, (const uint8_t *)data, len));
}

static void give(void)
{
    const uint8_t *data;
    size_t len;

    sent_len = 0;
    while ((len = http2_protocol.give(http2, &data)) > 0) {
        CHECK(sent_len + len <= sizeof(sent));
        memcpy(sent + sent_len, data, len);
        sent_len += len;
    }
}

/* How many frames of this type were given last. */
static unsigned frames(uint8_t type)
{
    unsigned count = 0;

    for (size_t at = 0; at + FRAME_HEAD <= sent_len;) {
        count += sent[at + 3] == type;
        at += FRAME_HEAD + ((size_t)sent[at] << 16 | (size_t)sent[at + 1] << 8 | sent[at + 2]);
    }
    return count;
}

static void set_up(void)
{
    stats = (struct bridge_stats){0};
    loop = loop_create();
    link_ = agent_link_create(&(struct agent_link_options){
        .loop = loop, .socket = "/nonexistent/tally.sock", .turned = on_nothing});
    pages = (struct page_shared){.loop = loop, .link = link_, .stats = &stats};
    shared = (struct stream_shared){.loop = loop, .link = link_, .pages = &pages, .stats = &stats};
    http2 = http2_create(&shared, on_nothing, NULL);
    CHECK(loop != NULL && link_ != NULL && http2 != NULL);
    take("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);
    give();
}

static void tear_down(void)
{
    http2_protocol.destroy(http2);
    CHECK_INT(0, stats.streams);
    CHECK_INT(0, shared.request_bytes);
    agent_link_destroy(link_);
    loop_destroy(loop);
}

/* HEADERS of a POST of gRPC to a path of one letter on stream 1, which goes on. */
static void begin_call(void)
{
    static const char block[] = "\x83\x86\x44\x02/x\x41\x01x\x40\x0c"
                                "content-type\x10"
                                "application/grpc";
    char frame[FRAME_HEAD + sizeof(block)] = {0, 0, sizeof(block) - 1, 1, 4, 0, 0, 0, 1};

    memcpy(frame + FRAME_HEAD, block, sizeof(block));
    take(frame, FRAME_HEAD + sizeof(block) - 1);
}

TEST(a_quiet_peer_is_asked_and_then_closed)
{
    set_up();
    CHECK(http2_protocol.is_idle(http2));
    fake_loop_advance(loop, 29999);
    CHECK(http2_protocol.tick(http2));
    give();
    CHECK_INT(0, frames(6));
    fake_loop_advance(loop, 1);
    CHECK(http2_protocol.deadline(http2) <= loop_now(loop));
    CHECK(http2_protocol.tick(http2));
    give();
    CHECK_INT(1, frames(6));
    fake_loop_advance(loop, 9999);
    CHECK(http2_protocol.tick(http2));
    fake_loop_advance(loop, 1);
    CHECK(!http2_protocol.tick(http2));
    tear_down();
}

TEST(an_answer_to_ping_keeps_the_connection)
{
    set_up();
    fake_loop_advance(loop, 30000);
    CHECK(http2_protocol.tick(http2));
    take("\0\0\x08\x06\x01\0\0\0\0\0\0\0\0\0\0\0\0", 17);
    fake_loop_advance(loop, 29999);
    CHECK(http2_protocol.tick(http2));
    tear_down();
}

TEST(half_a_call_is_answered_after_two_seconds)
{
    set_up();
    begin_call();
    CHECK_INT(1, stats.streams);
    CHECK(!http2_protocol.is_idle(http2));
    fake_loop_advance(loop, 1999);
    CHECK(http2_protocol.tick(http2));
    give();
    CHECK_INT(0, frames(1));
    fake_loop_advance(loop, 1);
    CHECK(http2_protocol.deadline(http2) <= loop_now(loop));
    CHECK(http2_protocol.tick(http2));
    give();
    CHECK_INT(1, frames(1)); /* the error */
    CHECK_INT(1, frames(3)); /* and no more of the request */
    CHECK_INT(0, stats.streams);
    CHECK_INT(1, stats.calls[0][4]);
    tear_down();
}

TEST(a_drained_connection_is_over_after_its_calls)
{
    set_up();
    begin_call();
    http2_protocol.drain(http2);
    give();
    CHECK_INT(1, frames(7));
    CHECK(!http2_protocol.is_over(http2));
    take("\0\0\0\0\1\0\0\0\1", 9); /* the end of the call: there is no such method */
    give();
    CHECK_INT(1, stats.calls[0][12]);
    CHECK(http2_protocol.is_over(http2));
    tear_down();
}

TEST(pings_without_end_are_stopped)
{
    unsigned taken = 0;

    set_up();
    while (http2_protocol.take(
        http2, (const uint8_t *)"\0\0\x08\x06\0\0\0\0\0\1\2\3\4\5\6\7\x08", 17)) {
        give();
        CHECK(++taken < 2000);
    }
    CHECK(taken > 500);
    give();
    CHECK_INT(1, frames(7));
    tear_down();
}

TEST(time_pays_for_pings)
{
    set_up();
    for (unsigned i = 0; i < 3000; i++) {
        take("\0\0\x08\x06\0\0\0\0\0\1\2\3\4\5\6\7\x08", 17);
        give();
        fake_loop_advance(loop, 10);
    }
    tear_down();
}

TEST_MAIN(RUN(a_quiet_peer_is_asked_and_then_closed), RUN(an_answer_to_ping_keeps_the_connection),
    RUN(half_a_call_is_answered_after_two_seconds),
    RUN(a_drained_connection_is_over_after_its_calls), RUN(pings_without_end_are_stopped),
    RUN(time_pays_for_pings))
