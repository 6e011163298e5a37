/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/errors.h"
#include "proto/utf8.h"
#include "tests/unit/test.h"

#include <errno.h>

static const struct {
    int number;
    const char *name;
    int retryable;
} published[] = {
    {1, "INVALID_REQUEST", 0},
    {2, "UNKNOWN_METHOD", 0},
    {3, "UNKNOWN_TRIGGER", 0},
    {4, "AMBIGUOUS_TRIGGER", 0},
    {5, "NOT_ALLOWED", 0},
    {6, "BUSY", 1},
    {7, "TIMEOUT", 1},
    {8, "CREDENTIALS", 1},
    {9, "ACCESS_DENIED", 0},
    {10, "THROTTLED", 1},
    {11, "AWS_REJECTED", 0},
    {12, "AWS_UNAVAILABLE", 1},
    {13, "SHUTTING_DOWN", 1},
    {14, "INTERNAL", 1},
};

TEST(published_numbers_and_names_never_change)
{
    for (size_t i = 0; i < sizeof(published) / sizeof(published[0]); i++) {
        enum error_code code = (enum error_code)published[i].number;

        CHECK_STR(published[i].name, error_name(code));
        CHECK_INT(published[i].retryable, error_retryable(code));
        CHECK(strlen(error_text(code)) > 0);
    }
}

TEST(a_number_from_a_later_version_has_a_name_and_is_not_retried)
{
    CHECK_STR("UNKNOWN", error_name((enum error_code)15));
    CHECK_STR("UNKNOWN", error_text((enum error_code)15));
    CHECK(!error_retryable((enum error_code)15));
    CHECK_STR("UNKNOWN", error_name(ERROR_NONE));
}

TEST(a_failure_starts_fresh)
{
    struct failure failure;

    memset(&failure, 0xff, sizeof(failure));
    failure_set(&failure, ERROR_TIMEOUT, "no answer after %d ms", 4950);
    CHECK_INT(ERROR_TIMEOUT, failure.code);
    CHECK(failure.retryable);
    CHECK_INT(0, failure.retry_after_ms);
    CHECK_STR("no answer after 4950 ms", failure.message);
    CHECK_STR("", failure.aws_code);
    CHECK_STR("", failure.aws_request_id);
    CHECK_STR("", failure.aws_reasons);
}

TEST(what_does_not_fit_a_buffer_names_the_limit)
{
    struct failure failure;
    struct buffer buffer;

    buffer_init(&buffer, 4);
    buffer_append_string(&buffer, "12345");
    failure_set_buffer(&failure, "the request", &buffer);
    CHECK_STR("the request: longer than the limit of 4 bytes", failure.message);
    buffer.error = -ENOMEM;
    failure_set_buffer(&failure, "the request", &buffer);
    CHECK_STR("the request: no memory", failure.message);
    buffer_free(&buffer);
}

TEST(a_failure_may_quote_its_own_old_message)
{
    struct failure failure;

    failure_set(&failure, ERROR_THROTTLED, "AWS throttles");
    failure_set(&failure, ERROR_TIMEOUT, "the deadline passed; last: %s", failure.message);
    CHECK_STR("the deadline passed; last: AWS throttles", failure.message);
}

TEST(aws_texts_not_said_are_empty)
{
    struct failure failure;

    failure_set(&failure, ERROR_AWS_REJECTED, "no such table");
    failure_set_aws(&failure, "ResourceNotFoundException", NULL, NULL);
    CHECK_STR("ResourceNotFoundException", failure.aws_code);
    CHECK_STR("", failure.aws_request_id);
    CHECK_STR("", failure.aws_reasons);
}

/* A message of `before` times 'a' followed by "é€" and an emoji, cut at sizeof message. */
static void check_cut(size_t before, size_t expected)
{
    char text[1024];
    struct failure failure;

    memset(text, 'a', before);
    snprintf(text + before, sizeof(text) - before, "%s", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x98");
    failure_set(&failure, ERROR_INTERNAL, "%s", text);
    CHECK_INT(expected, strlen(failure.message));
    CHECK(memcmp(failure.message, text, expected) == 0);
}

TEST(a_long_message_is_cut_between_characters)
{
    const size_t room = sizeof(((struct failure *)NULL)->message) - 1;

    check_cut(room - 9, room);     /* all fits */
    check_cut(room - 8, room - 3); /* the emoji does not */
    check_cut(room - 5, room);
    check_cut(room - 4, room - 2);
    check_cut(room - 2, room);
    check_cut(room - 1, room - 1);
    check_cut(room, room);
    check_cut(room + 400, room);
}

TEST(a_long_aws_text_is_cut_between_characters)
{
    char text[200];
    struct failure failure;
    const size_t room = sizeof(failure.aws_code) - 1;

    memset(text, 'a', sizeof(text));
    memcpy(text + room - 1, "\xc3\xa9", 3);
    failure_set(&failure, ERROR_INTERNAL, "x");
    failure_set_aws(&failure, text, text, text);
    CHECK_INT(room - 1, strlen(failure.aws_code));
    CHECK_INT(room - 1, strlen(failure.aws_request_id));
    CHECK_INT(room + 1, strlen(failure.aws_reasons));
}

static const struct {
    const char *in;
    size_t len;
    const char *out;
} utf8_cases[] = {
    {"", 0, ""},
    {"plain", 5, "plain"},
    {"tab\tnew\nline", 12, "tab\tnew\nline"},
    {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x98", 9, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x98"},
    {"nul\0in", 6, "nul?in"},
    {"\xff\xfe", 2, "??"},
    {"\x80x", 2, "?x"},                  /* a tail alone */
    {"\xc3", 1, "?"},                    /* cut off */
    {"\xe2\x82", 2, "??"},               /* cut off */
    {"\xe2(\xa1", 3, "?(?"},             /* a tail replaced */
    {"\xc0\xaf", 2, "??"},               /* overlong */
    {"\xe0\x80\xaf", 3, "???"},          /* overlong */
    {"\xf0\x80\x80\xaf", 4, "????"},     /* overlong */
    {"\xed\xa0\x80", 3, "???"},          /* a surrogate */
    {"\xed\x9f\xbf", 3, "\xed\x9f\xbf"}, /* the last before them */
    {"\xf4\x90\x80\x80", 4, "????"},     /* beyond U+10FFFF */
    {"\xf4\x8f\xbf\xbf", 4, "\xf4\x8f\xbf\xbf"} /* U+10FFFF */,
};

TEST(bytes_that_are_no_utf8_are_replaced)
{
    for (size_t i = 0; i < sizeof(utf8_cases) / sizeof(utf8_cases[0]); i++) {
        char out[32];
        size_t len = utf8_copy(out, sizeof(out), utf8_cases[i].in, utf8_cases[i].len);

        CHECK_STR(utf8_cases[i].out, out);
        CHECK_INT(strlen(out), len);
    }
}

TEST(what_needs_no_replacing_is_valid)
{
    for (size_t i = 0; i < sizeof(utf8_cases) / sizeof(utf8_cases[0]); i++) {
        const char *in = utf8_cases[i].in;
        size_t len = utf8_cases[i].len;
        bool nul = memchr(in, '\0', len) != NULL; /* a character here, none in a copy */

        CHECK_INT(nul || memcmp(in, utf8_cases[i].out, len) == 0, utf8_is_valid(in, len));
    }
}

TEST(a_copy_never_passes_its_size)
{
    for (size_t size = 1; size <= 12; size++) {
        char out[16];

        memset(out, 'z', sizeof(out));
        size_t len = utf8_copy(out, size, "\xe2\x82\xac\xe2\x82\xac\xff\xff\xc3\xa9", 10);
        CHECK(len < size);
        CHECK_INT('\0', out[len]);
        CHECK_INT('z', out[size]);
    }
}

TEST(a_text_may_be_cleaned_in_its_place)
{
    char text[] = "\xc3\xa9\xff\xe2\x82\xac!";

    CHECK_INT(7, utf8_copy(text, sizeof(text), text, sizeof(text) - 1));
    CHECK_STR("\xc3\xa9?\xe2\x82\xac!", text);
}

TEST_MAIN(RUN(published_numbers_and_names_never_change),
    RUN(a_number_from_a_later_version_has_a_name_and_is_not_retried), RUN(a_failure_starts_fresh),
    RUN(what_does_not_fit_a_buffer_names_the_limit), RUN(a_failure_may_quote_its_own_old_message),
    RUN(aws_texts_not_said_are_empty), RUN(a_long_message_is_cut_between_characters),
    RUN(a_long_aws_text_is_cut_between_characters), RUN(bytes_that_are_no_utf8_are_replaced),
    RUN(what_needs_no_replacing_is_valid), RUN(a_copy_never_passes_its_size),
    RUN(a_text_may_be_cleaned_in_its_place))
