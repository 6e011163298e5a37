/* SPDX-License-Identifier: Apache-2.0 */
#include "client/bridge/http1.h"
#include "tests/unit/test.h"

static struct http1_request request;

static enum http1_result read_text(const char *text)
{
    return http1_read(&request, (const uint8_t *)text, strlen(text));
}

TEST(a_request_is_read)
{
    const char *text =
        "GET /v1/count/a?b=c HTTP/1.1\r\nhOST: x\r\nAuthorization:\t Bearer t \r\n\r\n"
        "GET";

    CHECK_INT(HTTP1_REQUEST, read_text(text));
    CHECK(request.is_get && !request.is_head && !request.close);
    CHECK(text_equals(request.path, "/v1/count/a"));
    CHECK(text_equals(request.authorization, "Bearer t"));
    CHECK_INT(strlen(text) - 3, request.used);
}

TEST(each_beginning_waits_for_more)
{
    const char *text = "HEAD / HTTP/1.0\r\nConnection: close\r\n\r\n";

    for (size_t len = 0; len < strlen(text); len++)
        CHECK_INT(HTTP1_MORE, http1_read(&request, (const uint8_t *)text, len));
    CHECK_INT(HTTP1_REQUEST, read_text(text));
    CHECK(request.is_head && request.close);
}

TEST(requests_that_are_refused_have_a_status)
{
    static const struct {
        const char *text;
        int status;
    } cases[] = {{"\x16\x03", 400}, {" GET", 400}, {"\r\n", 400}, {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/3.0\r\n\r\n", 505}, {"GET / HTTP/1.10\r\n\r\n", 400},
        {"GET x HTTP/1.1\r\nHost: x\r\n\r\n", 400}, {"GET /\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\n\tb\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nA\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 00\r\n\r\n", 413},
        {"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n", 400}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (read_text(cases[i].text) != HTTP1_REFUSED || request.status != cases[i].status)
            TEST_FAIL("case %zu has %d", i, request.status);
        CHECK(request.close);
    }
}

TEST(heads_are_bounded)
{
    static uint8_t head[HTTP1_HEAD_BYTES + 100];

    memset(head, 'a', sizeof(head));
    CHECK_INT(HTTP1_MORE, http1_read(&request, head, HTTP1_HEAD_BYTES - 1));
    CHECK_INT(HTTP1_REFUSED, http1_read(&request, head, sizeof(head)));
    CHECK_INT(414, request.status);
    memcpy(head, "GET ", 4);
    head[100] = '\n';
    CHECK_INT(HTTP1_REFUSED, http1_read(&request, head, sizeof(head)));
    CHECK_INT(431, request.status);
}

TEST(a_head_is_written)
{
    struct buffer buffer;

    buffer_init(&buffer, 512);
    http1_write_head(&buffer,
        &(struct http1_head){
            .status = 503, .type = "text/plain", .len = 5, .retry_after = 7, .close = true});
    CHECK_STR(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nRetry-After: 7\r\n"
        "Connection: close\r\n\r\n",
        buffer_string(&buffer));
    buffer_free(&buffer);
}

TEST_MAIN(RUN(a_request_is_read), RUN(each_beginning_waits_for_more),
    RUN(requests_that_are_refused_have_a_status), RUN(heads_are_bounded), RUN(a_head_is_written))
