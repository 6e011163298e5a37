/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/message.h"

#include "proto/limits.h"
#include "proto/reader.h"
#include "proto/writer.h"
#include "tests/unit/test.h"

#define DECODE(message, literal)                                                                   \
    message_decode((message), (const uint8_t *)(literal), sizeof(literal) - 1)

static void check_is_frame(const struct buffer *buffer)
{
    struct frame_scan scan;

    CHECK(!buffer->failed);
    frame_scan_init(&scan, LIMIT_ANSWER_BYTES, LIMIT_DEPTH);
    CHECK_INT(FRAME_COMPLETE, frame_scan_feed(&scan, buffer->data, buffer->len));
    CHECK_INT(buffer->len, scan.offset);
}

TEST(a_request_comes_back)
{
    struct buffer buffer;
    struct message message;
    struct text trigger;
    uint32_t count;

    buffer_init(&buffer, LIMIT_REQUEST_BYTES);
    message_begin_request(&buffer, MSGID_MAX, "count");
    write_array(&buffer, 1);
    write_string(&buffer, "orders");
    check_is_frame(&buffer);
    CHECK_INT(0, message_decode(&message, buffer.data, buffer.len));
    CHECK_INT(MESSAGE_REQUEST, message.kind);
    CHECK_INT(UINT32_MAX, message.id);
    CHECK(text_equals(message.method, "count"));
    CHECK(message.flaw == NULL);
    CHECK(reader_array(&message.params, &count) && count == 1);
    CHECK(reader_text(&message.params, &trigger) && text_equals(trigger, "orders"));
    CHECK(message.params.at == message.params.end);
    buffer_free(&buffer);
}

TEST(a_notification_comes_back)
{
    struct buffer buffer;
    struct message message;

    buffer_init(&buffer, LIMIT_REQUEST_BYTES);
    message_begin_notification(&buffer, "changed");
    write_array(&buffer, 0);
    check_is_frame(&buffer);
    CHECK_INT(0, message_decode(&message, buffer.data, buffer.len));
    CHECK_INT(MESSAGE_NOTIFICATION, message.kind);
    CHECK(text_equals(message.method, "changed"));
    CHECK(message.flaw == NULL);
    CHECK_INT(VALUE_ARRAY, reader_peek(&message.params));
    buffer_free(&buffer);
}

TEST(an_answer_comes_back)
{
    struct buffer buffer;
    struct message message;
    uint64_t number;

    buffer_init(&buffer, LIMIT_ANSWER_BYTES);
    message_begin_answer(&buffer, 300);
    write_uint(&buffer, 25000);
    check_is_frame(&buffer);
    CHECK_INT(0, message_decode(&message, buffer.data, buffer.len));
    CHECK_INT(MESSAGE_ANSWER, message.kind);
    CHECK_INT(300, message.id);
    CHECK(!message.has_error);
    CHECK(reader_uint(&message.result, &number));
    CHECK_INT(25000, number);
    buffer_free(&buffer);
}

TEST(params_are_exactly_theirs)
{
    struct message message;

    CHECK_INT(0, DECODE(&message, "\x94\x00\x01\xa1m\x91\x07"));
    CHECK_INT(2, message.params.end - message.params.at);
    CHECK_INT(4, message.body.len);
}

static const struct {
    const char *what;
    const char *data;
    size_t len;
} not_messages[] = {
    {"an integer", "\x47", 1},
    {"a map", "\x80", 1},
    {"an empty array", "\x90", 1},
    {"a kind that does not exist", "\x94\x03\x01\xa1m\x90", 6},
    {"a negative kind", "\x94\xff\x01\xa1m\x90", 6},
    {"a kind that is a string", "\x94\xa1\x30\x01\xa1m\x90", 7},
    {"a request without msgid", "\x91\x00", 2},
    {"a negative msgid", "\x94\x00\xff\xa1m\x90", 6},
    {"a msgid of 2^32", "\x94\x00\xcf\x00\x00\x00\x01\x00\x00\x00\x00\xa1m\x90", 14},
    {"a msgid that is a float", "\x94\x00\xca\x3f\x80\x00\x00\xa1m\x90", 10},
    {"a msgid that is nil", "\x94\x00\xc0\xa1m\x90", 6},
    {"an answer of three", "\x93\x01\x01\xc0", 4},
    {"an answer of five", "\x95\x01\x01\xc0\xc0\xc0", 6},
    {"a request without params", "\x94\x00\x01\xa1m", 5},
    {"nothing", "", 0},
};

TEST(what_nobody_can_be_answered_for_is_a_protocol_error)
{
    for (size_t i = 0; i < sizeof(not_messages) / sizeof(not_messages[0]); i++) {
        struct message message;

        if (message_decode(&message, (const uint8_t *)not_messages[i].data, not_messages[i].len) ==
            0)
            TEST_FAIL("%s: was decoded", not_messages[i].what);
    }
}

static const struct {
    const char *what;
    const char *data;
    size_t len;
    enum message_kind kind;
} flawed[] = {
    {"a request of two", "\x92\x00\x07", 3, MESSAGE_REQUEST},
    {"a request of three", "\x93\x00\x07\xa1m", 5, MESSAGE_REQUEST},
    {"a request of five", "\x95\x00\x07\xa1m\x90\xc0", 7, MESSAGE_REQUEST},
    {"a method that is a number", "\x94\x00\x07\x2a\x90", 5, MESSAGE_REQUEST},
    {"a method that is nil", "\x94\x00\x07\xc0\x90", 5, MESSAGE_REQUEST},
    {"a notification of one", "\x91\x02", 2, MESSAGE_NOTIFICATION},
    {"a notification of four", "\x94\x02\xa1m\x90\xc0", 6, MESSAGE_NOTIFICATION},
    {"a notification whose method is a map", "\x93\x02\x80\x90", 4, MESSAGE_NOTIFICATION},
};

TEST(a_flawed_envelope_with_a_msgid_can_be_answered)
{
    for (size_t i = 0; i < sizeof(flawed) / sizeof(flawed[0]); i++) {
        struct message message;

        CHECK_INT(0, message_decode(&message, (const uint8_t *)flawed[i].data, flawed[i].len));
        CHECK_INT(flawed[i].kind, message.kind);
        CHECK_INT(flawed[i].kind == MESSAGE_REQUEST ? 7 : 0, message.id);
        if (message.flaw == NULL)
            TEST_FAIL("%s: has no flaw", flawed[i].what);
        CHECK_INT(0, message.method.len);
        CHECK_INT(VALUE_NONE, reader_peek(&message.params));
    }
}

/* Packs, checks that it is a frame, unpacks. */
static struct failure through_the_wire(const struct failure *failure)
{
    struct buffer buffer;
    struct message message;
    struct failure read;

    buffer_init(&buffer, LIMIT_ANSWER_BYTES);
    message_error(&buffer, 9, failure, NULL);
    check_is_frame(&buffer);
    CHECK_INT(0, message_decode(&message, buffer.data, buffer.len));
    CHECK_INT(MESSAGE_ANSWER, message.kind);
    CHECK_INT(9, message.id);
    CHECK(message.has_error);
    CHECK_INT(VALUE_NIL, reader_peek(&message.result));
    CHECK(failure_unpack(&message.error, &read));
    buffer_free(&buffer);
    return read;
}

TEST(each_error_comes_back)
{
    for (int code = 1; code <= 14; code++) {
        struct failure failure;

        failure_set(&failure, (enum error_code)code, "because of %d", code);
        struct failure read = through_the_wire(&failure);
        CHECK_INT(code, read.code);
        CHECK_INT(failure.retryable, read.retryable);
        CHECK_STR(failure.message, read.message);
        CHECK_INT(0, read.retry_after_ms);
        CHECK_STR("", read.aws_code);
    }
}

TEST(what_aws_said_comes_back)
{
    struct failure failure;

    failure_set(&failure, ERROR_ACCESS_DENIED, "Query of table orders in eu-west-1: no");
    failure_set_aws(&failure, "AccessDeniedException", "REQ1", "");
    failure.retry_after_ms = 9800;
    failure.retryable = true; /* not the code's own */
    struct failure read = through_the_wire(&failure);
    CHECK_STR("AccessDeniedException", read.aws_code);
    CHECK_STR("REQ1", read.aws_request_id);
    CHECK_STR("", read.aws_reasons);
    CHECK_INT(9800, read.retry_after_ms);
    CHECK(read.retryable);

    failure_set_aws(&failure, "", "REQ2", "TableReadProvisionedThroughputExceeded arn:x");
    read = through_the_wire(&failure);
    CHECK_STR("", read.aws_code);
    CHECK_STR("REQ2", read.aws_request_id);
    CHECK_STR("TableReadProvisionedThroughputExceeded arn:x", read.aws_reasons);
}

TEST(extra_pairs_follow_the_error_map)
{
    struct buffer buffer;
    struct buffer extra_buffer;
    struct map extra;
    struct failure failure;
    struct message message;
    uint32_t pairs;
    struct text key;

    buffer_init(&buffer, LIMIT_ANSWER_BYTES);
    buffer_init(&extra_buffer, 1000);
    extra = map_begin(&extra_buffer);
    map_bool(&extra, "fallback", true);
    map_uint(&extra, "desired_replicas", 6);
    failure_set(&failure, ERROR_TIMEOUT, "late");
    message_error(&buffer, 1, &failure, &extra);
    check_is_frame(&buffer);
    CHECK_INT(0, message_decode(&message, buffer.data, buffer.len));
    struct reader error = message.error;
    CHECK(failure_unpack(&error, &failure));
    CHECK_INT(ERROR_TIMEOUT, failure.code);
    CHECK(error.at == error.end);
    CHECK(reader_map(&message.error, &pairs));
    CHECK_INT(6, pairs);
    for (int i = 0; i < 4; i++) {
        CHECK(reader_skip(&message.error, NULL));
        CHECK(reader_skip(&message.error, NULL));
    }
    CHECK(reader_text(&message.error, &key) && text_equals(key, "fallback"));
    buffer_free(&extra_buffer);
    buffer_free(&buffer);
}

#define UNPACK(failure, literal) unpack((failure), (literal), sizeof(literal) - 1)

static bool unpack(struct failure *failure, const char *data, size_t len)
{
    struct reader reader;

    reader_init(&reader, data, len);
    return failure_unpack(&reader, failure);
}

TEST(foreign_errors_are_understood_as_far_as_possible)
{
    struct failure failure;

    CHECK(UNPACK(&failure, "\xa4"
                           "boom"));
    CHECK_INT(ERROR_INTERNAL, failure.code);
    CHECK_STR("boom", failure.message);
    CHECK(failure.retryable);

    CHECK(UNPACK(&failure, "\x80"));
    CHECK_INT(ERROR_INTERNAL, failure.code);
    CHECK_STR("", failure.message);

    /* A code of a later version, with nothing but that; then one that is no number. */
    CHECK(UNPACK(&failure, "\x81\xa4"
                           "code\x63"));
    CHECK_INT(99, failure.code);
    CHECK(!failure.retryable);
    CHECK(UNPACK(&failure, "\x82\xa4"
                           "code\xa3"
                           "bad\xa7message\xc4\x02no"));
    CHECK_INT(ERROR_INTERNAL, failure.code);
    CHECK_STR("no", failure.message);
}

TEST(known_keys_of_other_types_are_passed_over)
{
    struct failure failure;

    /* Known keys of other types, numbers out of range. */
    CHECK(UNPACK(&failure, "\x83\xa7message\x07\xa9retryable\x01\xa3"
                           "aws\xc0"));
    CHECK(UNPACK(&failure, "\x82\xa4"
                           "code\x00\xaeretry_after_ms\xff"));
    CHECK_INT(ERROR_INTERNAL, failure.code);
    CHECK_INT(0, failure.retry_after_ms);
    CHECK(UNPACK(&failure, "\x81\xa3"
                           "aws\x82\xa4"
                           "code\x07\xa5"
                           "other\x90"));
    CHECK_STR("", failure.aws_code);
    CHECK(UNPACK(&failure, "\x82\x01\x01\xa7message\xa3yes")); /* a key that is no text */
    CHECK_STR("yes", failure.message);
    CHECK(UNPACK(&failure, "\xa4no\0\xff"));
    CHECK_STR("no??", failure.message);
}

TEST(what_is_no_error_is_reported_as_none)
{
    struct failure failure;

    CHECK(!UNPACK(&failure, "\x07"));
    CHECK(!UNPACK(&failure, "\xc0"));
    CHECK(!UNPACK(&failure, "\x92\x07\xa4"
                            "boom"));
}

TEST_MAIN(RUN(a_request_comes_back), RUN(a_notification_comes_back), RUN(an_answer_comes_back),
    RUN(params_are_exactly_theirs), RUN(what_nobody_can_be_answered_for_is_a_protocol_error),
    RUN(a_flawed_envelope_with_a_msgid_can_be_answered), RUN(each_error_comes_back),
    RUN(what_aws_said_comes_back), RUN(extra_pairs_follow_the_error_map),
    RUN(foreign_errors_are_understood_as_far_as_possible),
    RUN(known_keys_of_other_types_are_passed_over), RUN(what_is_no_error_is_reported_as_none))
