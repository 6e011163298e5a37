/* SPDX-License-Identifier: Apache-2.0 */
#include "client/answer.h"
#include "proto/limits.h"
#include "proto/writer.h"
#include "tests/unit/test.h"

#include <errno.h>

/* {"n": 7, 5: 1, "bin": bin "x", "list": [{"a": "first"}, {"a": "second"}], "f": 1.5, "t": true} */
static const uint8_t packed[] = "\x86\xa1n\x07\x05\x01\xa3"
                                "bin\xc4\x01x\xa4list\x92\x81\xa1"
                                "a\xa5"
                                "first\x81\xa1"
                                "a\xa6second\xa1"
                                "f\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\xa1t\xc3";

static struct tally_answer answer_of(const void *data, size_t len)
{
    struct tally_answer answer;

    answer_clear(&answer);
    answer.data = data;
    answer.len = len;
    return answer;
}

TEST(texts_are_found_by_their_path)
{
    static const struct {
        const char *path, *text;
    } cases[] = {
        {"list.0.a", "first"},
        {"list.1.a", "second"},
        {"bin", "x"},
        {"list.2.a", NULL},
        {"list.-1.a", NULL},
        {"list.01.a", "second"},
        {"list.", NULL},
        {"list..a", NULL},
        {"list.x.a", NULL},
        {"list.99999999999.a", NULL},
        {"list.1.a.b", NULL},
        {"n", NULL},
        {"nothing", NULL},
        {"", NULL},
        {".", NULL},
        {"5", NULL},
    };
    struct tally_answer answer = answer_of(packed, sizeof(packed) - 1);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *text = NULL;
        size_t len = 0;
        int r = tally_answer_text(&answer, cases[i].path, &text, &len);

        CHECK_INT(cases[i].text != NULL ? 0 : TALLY_ENOFIELD, r);
        if (r == 0)
            CHECK_MEM(cases[i].text, strlen(cases[i].text), text, len);
    }
}

TEST(fields_are_read_as_what_they_are)
{
    struct tally_answer answer = answer_of(packed, sizeof(packed) - 1);
    int64_t integer = -1;
    double number = -1;
    int truth = -1;
    size_t size = 0, len = 0;
    const void *data = NULL;

    CHECK_INT(0, tally_answer_integer(&answer, "n", &integer));
    CHECK_INT(7, integer);
    CHECK_INT(TALLY_ENOFIELD, tally_answer_integer(&answer, "f", &integer));
    CHECK_INT(7, integer);
    CHECK_INT(0, tally_answer_number(&answer, "f", &number));
    CHECK(number > 1.49 && number < 1.51);
    CHECK_INT(0, tally_answer_number(&answer, "n", &number));
    CHECK_INT(0, tally_answer_bool(&answer, "t", &truth));
    CHECK_INT(1, truth);
    CHECK_INT(TALLY_ENOFIELD, tally_answer_bool(&answer, "n", &truth));
    CHECK_INT(0, tally_answer_size(&answer, NULL, &size));
    CHECK_INT(6, size);
    CHECK_INT(0, tally_answer_size(&answer, "list", &size));
    CHECK_INT(2, size);
    CHECK_INT(TALLY_ENOFIELD, tally_answer_size(&answer, "n", &size));
    CHECK_INT(0, tally_answer_packed(&answer, "n", &data, &len));
    CHECK_MEM("\x07", 1, data, len);
    CHECK_INT(0, tally_answer_packed(&answer, "", &data, &len));
    CHECK_INT(sizeof(packed) - 1, len);
}

TEST(an_empty_answer_has_no_fields)
{
    struct tally_answer answer = answer_of(NULL, 0);
    int64_t integer;
    size_t size;
    char text[4] = "abc";

    CHECK_INT(TALLY_ENOFIELD, tally_answer_integer(&answer, "n", &integer));
    CHECK_INT(TALLY_ENOFIELD, tally_answer_size(&answer, "", &size));
    CHECK_INT(TALLY_ENOFIELD, tally_answer_string(&answer, "n", text, sizeof(text)));
    CHECK_STR("", text);
    CHECK_INT(TALLY_EARGUMENT, tally_answer_string(&answer, "n", text, 0));
    CHECK_INT(TALLY_QUALITY_UNKNOWN, tally_answer_quality(&answer));
    CHECK_INT(0, tally_answer_error(&answer));
    CHECK_STR("", tally_answer_error_name(&answer));
    CHECK_STR("", tally_answer_error_message(&answer));
}

TEST(a_quality_of_the_future_is_not_trusted)
{
    static const struct {
        const char *word;
        enum tally_quality quality;
    } cases[] = {{"exact", TALLY_EXACT}, {"at_least", TALLY_AT_LEAST}, {"stale", TALLY_STALE},
        {"sampled", TALLY_STALE}, {"", TALLY_STALE}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer bytes;

        buffer_init(&bytes, LIMIT_ANSWER_BYTES);
        write_map(&bytes, 1);
        write_string(&bytes, "quality");
        write_string(&bytes, cases[i].word);
        struct tally_answer answer = answer_of(bytes.data, bytes.len);
        CHECK_INT(cases[i].quality, tally_answer_quality(&answer));
        buffer_free(&bytes);
    }
}

TEST(a_cursor_visits_each_pair_of_a_map)
{
    static const struct {
        const char *key;
        enum value_type type;
    } pairs[] = {{"n", VALUE_INTEGER}, {NULL, VALUE_INTEGER}, {"bin", VALUE_BINARY},
        {"list", VALUE_ARRAY}, {"f", VALUE_FLOAT}, {"t", VALUE_BOOL}};
    struct tally_answer answer = answer_of(packed, sizeof(packed) - 1);
    struct tally_cursor *cursor = NULL;

    CHECK_INT(0, tally_cursor_new(&cursor, &answer, NULL));
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        const char *key = NULL;
        size_t len = 0;
        struct reader reader;

        CHECK_INT(1, tally_cursor_next(cursor));
        CHECK_INT(pairs[i].key != NULL ? 0 : TALLY_ENOFIELD, tally_cursor_key(cursor, &key, &len));
        if (pairs[i].key != NULL)
            CHECK_MEM(pairs[i].key, strlen(pairs[i].key), key, len);
        const struct tally_answer *value = tally_cursor_value(cursor);
        reader_init(&reader, value->data, value->len);
        CHECK_INT(pairs[i].type, reader_peek(&reader));
    }
    CHECK_INT(0, tally_cursor_next(cursor));
    CHECK_INT(0, tally_cursor_next(cursor));
    tally_cursor_free(cursor);
}

TEST(a_cursor_visits_each_element_of_an_array)
{
    struct tally_answer answer = answer_of(packed, sizeof(packed) - 1);
    struct tally_cursor *cursor = NULL;
    const char *key = NULL;
    char text[16];
    size_t len = 0;

    CHECK_INT(0, tally_cursor_new(&cursor, &answer, "list"));
    CHECK_INT(1, tally_cursor_next(cursor));
    CHECK_INT(TALLY_ENOFIELD, tally_cursor_key(cursor, &key, &len));
    CHECK_INT(0, tally_answer_string(tally_cursor_value(cursor), "a", text, sizeof(text)));
    CHECK_STR("first", text);
    CHECK_INT(1, tally_cursor_next(cursor));
    CHECK_INT(0, tally_answer_string(tally_cursor_value(cursor), "a", text, sizeof(text)));
    CHECK_STR("second", text);
    CHECK_INT(0, tally_cursor_next(cursor));
    tally_cursor_free(cursor);
}

TEST(a_cursor_needs_an_array_or_a_map)
{
    struct tally_answer answer = answer_of(packed, sizeof(packed) - 1);
    struct tally_answer empty = answer_of(NULL, 0);
    struct tally_cursor *cursor = (struct tally_cursor *)&answer;

    CHECK_INT(TALLY_ENOFIELD, tally_cursor_new(&cursor, &answer, "n"));
    CHECK(cursor == NULL);
    CHECK_INT(TALLY_ENOFIELD, tally_cursor_new(&cursor, &answer, "nothing"));
    CHECK_INT(TALLY_ENOFIELD, tally_cursor_new(&cursor, &empty, NULL));
    CHECK_INT(0, tally_cursor_next(NULL));
    tally_cursor_free(NULL);
}

static int take(struct buffer *frame, struct tally_answer *answer)
{
    struct message message;

    CHECK_INT(0, message_decode(&message, frame->data, frame->len));
    return answer_take(answer, &message);
}

TEST(an_error_keeps_its_fields)
{
    struct buffer frame, extra_buffer;
    struct failure failure;
    struct tally_answer answer;
    int64_t replicas = 0;

    buffer_init(&frame, LIMIT_ANSWER_BYTES);
    buffer_init(&extra_buffer, LIMIT_ANSWER_BYTES);
    struct map extra = map_begin(&extra_buffer);
    failure_set(&failure, ERROR_ACCESS_DENIED, "no");
    map_int(&extra, "desired_replicas", 6);
    message_error(&frame, 3, &failure, &extra);
    CHECK_INT(TALLY_EACCESS_DENIED, take(&frame, &answer));
    CHECK_INT(0, tally_answer_retryable(&answer));
    CHECK_INT(0, tally_answer_integer(&answer, "desired_replicas", &replicas));
    CHECK_INT(6, replicas);
    buffer_free(&frame);
    buffer_free(&extra_buffer);
}

TEST(error_numbers_of_the_future_stay_errors)
{
    static const struct {
        int64_t code;
        int error;
    } cases[] = {{15, -15}, {99, -99}, {100, TALLY_EINTERNAL}, {104, TALLY_EINTERNAL},
        {0, TALLY_EINTERNAL}, {INT64_MAX, TALLY_EINTERNAL}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer frame;
        struct tally_answer answer;

        buffer_init(&frame, LIMIT_ANSWER_BYTES);
        write_array(&frame, 4);
        write_int(&frame, 1);
        write_int(&frame, 0);
        write_map(&frame, 2);
        write_string(&frame, "code");
        write_int(&frame, cases[i].code);
        write_string(&frame, "message");
        write_string(&frame, "of the future");
        write_nil(&frame);
        CHECK_INT(cases[i].error, take(&frame, &answer));
        CHECK_STR("of the future", tally_answer_error_message(&answer));
        buffer_free(&frame);
    }
}

TEST(each_failure_to_connect_has_its_number)
{
    static const struct {
        int error, result;
    } cases[] = {{-ENOENT, TALLY_ENOAGENT}, {-ECONNREFUSED, TALLY_ENOAGENT},
        {-EACCES, TALLY_EPERMISSION}, {-EMFILE, TALLY_ESYSTEM}, {-EPROTO, TALLY_EPROTOCOL},
        {-ENOMEM, TALLY_ENOMEM}, {-ECONNRESET, TALLY_ENOAGENT}, {-ENAMETOOLONG, TALLY_ENOAGENT}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tally_answer answer;

        CHECK_INT(cases[i].result, answer_fail_connection(&answer, "/no/socket", cases[i].error));
        CHECK(strncmp(tally_answer_error_message(&answer), "/no/socket", 10) == 0);
        CHECK_INT(cases[i].result == TALLY_ENOAGENT, tally_answer_retryable(&answer));
    }
}

TEST_MAIN(RUN(texts_are_found_by_their_path), RUN(fields_are_read_as_what_they_are),
    RUN(an_empty_answer_has_no_fields), RUN(a_quality_of_the_future_is_not_trusted),
    RUN(an_error_keeps_its_fields), RUN(error_numbers_of_the_future_stay_errors),
    RUN(a_cursor_visits_each_pair_of_a_map), RUN(a_cursor_visits_each_element_of_an_array),
    RUN(a_cursor_needs_an_array_or_a_map), RUN(each_failure_to_connect_has_its_number))
