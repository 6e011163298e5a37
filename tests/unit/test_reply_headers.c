/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/aws/aws_error.h"
#include "tests/unit/test.h"

#include <string.h>

static struct reply_headers after(const char *const *lines, size_t count)
{
    struct reply_headers headers = {.date = ""};

    for (size_t i = 0; i < count; i++)
        reply_headers_take(&headers, lines[i], strlen(lines[i]));
    return headers;
}

#define AFTER(...)                                                                                 \
    after((const char *const[]){__VA_ARGS__},                                                      \
        sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

TEST(what_matters_is_taken_whatever_the_case_and_the_spaces)
{
    struct reply_headers headers = AFTER("HTTP/1.1 200 OK\r\n",
        "DATE:Sun, 22 Nov 2026 20:00:00 GMT\r\n", "x-amzn-RequestId: \t ABC-1  \r\n",
        "X-Amz-Crc32: 123\r\n", "x-amz-retry-after: 250\n", "Server: x\r\n", "\r\n");

    CHECK_STR("Sun, 22 Nov 2026 20:00:00 GMT", headers.date);
    CHECK_STR("ABC-1", headers.request_id);
    CHECK_STR("123", headers.crc32);
    CHECK_STR("250", headers.retry_after);
}

TEST(either_name_shows_the_request_id)
{
    CHECK_STR("S3-1", AFTER("x-amz-request-id: S3-1\r\n").request_id);
}

TEST(a_new_status_line_begins_anew)
{
    struct reply_headers headers = AFTER("HTTP/1.1 100 Continue\r\n", "x-amz-crc32: 1\r\n",
        "x-amzn-requestid: proxy\r\n", "date: x\r\n", "x-amz-retry-after: 9\r\n", "\r\n",
        "HTTP/1.1 200 OK\r\n");

    CHECK_STR("", headers.crc32);
    CHECK_STR("", headers.request_id);
    CHECK_STR("", headers.date);
    CHECK_STR("", headers.retry_after);
}

TEST(what_is_no_such_header_is_passed_over)
{
    struct reply_headers headers = AFTER("x-amz-crc32\r\n", "x-amz-crc32x: 1\r\n",
        "x-amz-crc3: 2\r\n", " x-amz-crc32: 3\r\n", "x-amz-crc32 : 4\r\n", ":\r\n", "", "HTTP");

    CHECK_STR("", headers.crc32);
}

/* None that AWS sends is so long. */
TEST(a_value_that_does_not_fit_is_left_out)
{
    CHECK_STR("123456789012345", AFTER("x-amz-crc32: 123456789012345\r\n").crc32);
    CHECK_STR("", AFTER("x-amz-crc32: 1234567890123456\r\n").crc32);
    CHECK_STR("7", AFTER("x-amz-crc32: 7\r\n", "x-amz-crc32: 1234567890123456\r\n").crc32);
}

TEST(an_empty_value_is_empty)
{
    CHECK_STR("", AFTER("x-amz-crc32:\r\n").crc32);
    CHECK_STR("", AFTER("x-amz-crc32:").crc32);
}

TEST_MAIN(RUN(what_matters_is_taken_whatever_the_case_and_the_spaces),
    RUN(either_name_shows_the_request_id), RUN(a_new_status_line_begins_anew),
    RUN(what_is_no_such_header_is_passed_over), RUN(a_value_that_does_not_fit_is_left_out),
    RUN(an_empty_value_is_empty))
