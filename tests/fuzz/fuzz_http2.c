/* SPDX-License-Identifier: Apache-2.0 */
/* A whole connection of HTTP/2, in pieces, while time passes and no agent is there: the first byte
 * of each piece says how long it is and how much time passes. Whatever comes, the sums are right
 * at the end, and nothing is left. */
#include "agent/log.h"
#include "client/bridge/http2.h"
#include "tests/fake/fake_loop.h"
#include "tests/fuzz/fuzz.h"

static void on_nothing(void *data)
{
    (void)data;
}

static void give_all(void *http2)
{
    const uint8_t *data;

    while (http2_protocol.give(http2, &data) > 0)
        ;
}

/* False: the connection is to be closed. */
static bool piece(struct loop *loop, void *http2, const uint8_t *data, size_t len, uint8_t code)
{
    bool alive = http2_protocol.take(http2, data, len);

    give_all(http2);
    if (alive && (code & 0x40) != 0) {
        fake_loop_advance(loop, (code & 0x20) != 0 ? 16000 : 50);
        alive = http2_protocol.tick(http2);
        give_all(http2);
    }
    if (alive && code == 0xff)
        http2_protocol.drain(http2);
    return alive && !http2_protocol.is_over(http2);
}

static void speak(struct loop *loop, void *http2, const uint8_t *data, size_t size)
{
    size_t at = 0;
    bool alive = true;

    while (alive && at < size) {
        uint8_t code = data[at++];
        size_t len = (size_t)(code & 0x1f) * 8 + 1;

        if (len > size - at)
            len = size - at;
        alive = len == 0 || piece(loop, http2, data + at, len, code);
        at += len;
    }
    http2_protocol.deadline(http2);
    http2_protocol.is_idle(http2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct loop *loop = loop_create();
    struct bridge_stats stats = {0};
    struct agent_link *link = agent_link_create(&(struct agent_link_options){
        .loop = loop, .socket = "/nonexistent/tally.sock", .turned = on_nothing});
    struct page_shared pages = {.loop = loop, .link = link, .stats = &stats};
    struct stream_shared shared = {.loop = loop, .link = link, .pages = &pages, .stats = &stats};
    void *http2;

    log_set_level(LOG_LEVEL_ERROR);
    MUST(loop != NULL && link != NULL);
    http2 = http2_create(&shared, on_nothing, NULL);
    MUST(http2 != NULL);
    /* Most inputs begin as a client does, so that they get further. */
    if (size > 0 && (data[0] & 1) != 0)
        MUST(http2_protocol.take(
            http2, (const uint8_t *)"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33));
    speak(loop, http2, data, size);
    http2_protocol.destroy(http2);
    MUST(stats.streams == 0 && shared.request_bytes == 0 && pages.pending == 0 && pages.bytes == 0);
    agent_link_destroy(link);
    loop_destroy(loop);
    return 0;
}
