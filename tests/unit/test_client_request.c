/* SPDX-License-Identifier: Apache-2.0 */
#include "client/request.h"
#include "proto/limits.h"
#include "proto/message.h"
#include "tests/unit/test.h"

static void encode(const struct tally_request *request, struct buffer *out)
{
    buffer_init(out, LIMIT_REQUEST_BYTES);
    CHECK_INT(0, request_encode(request, 1, 250, out));
}

#define CHECK_ENCODED(literal, request)                                                            \
    do {                                                                                           \
        struct buffer out_;                                                                        \
        encode((request), &out_);                                                                  \
        CHECK_MEM(literal, sizeof(literal) - 1, out_.data, out_.len);                              \
        buffer_free(&out_);                                                                        \
    } while (0)

TEST(a_request_shows_how_long_it_may_take)
{
    struct tally_request *request = NULL;

    CHECK_INT(0, tally_request_new(&request, "ping"));
    CHECK_ENCODED("\x94\x00\x01\xa4ping\x91\x81\xaatimeout_ms\xcc\xfa", request);
    CHECK_INT(0, tally_request_set_integer(request, "timeout_ms", 7));
    CHECK_ENCODED("\x94\x00\x01\xa4ping\x91\x81\xaatimeout_ms\x07", request);
    tally_request_free(request);
}

TEST(fields_are_packed_and_replaced)
{
    struct tally_request *request = NULL;

    CHECK_INT(0, tally_request_new(&request, "m"));
    CHECK_INT(0, tally_request_set_integer(request, "timeout_ms", 1));
    CHECK_INT(0, tally_request_set_string(request, "a", "first"));
    CHECK_INT(0, tally_request_set_bool(request, "b", 2));
    CHECK_INT(0, tally_request_set_string(request, "a", "x"));
    CHECK_INT(0, tally_request_set_integer(request, "b", -1));
    CHECK_INT(0, tally_request_set_packed(request, "c", "\x91\xc0", 2));
    CHECK_ENCODED("\x94\x00\x01\xa1m\x91\x84\xaatimeout_ms\x01\xa1"
                  "a\xa1x\xa1"
                  "b\xff\xa1"
                  "c\x91\xc0",
        request);
    tally_request_free(request);
}

TEST(values_stand_in_a_map_of_their_own)
{
    struct tally_request *request = NULL;

    CHECK_INT(0, tally_request_new(&request, "m"));
    CHECK_INT(0, tally_request_set_integer(request, "timeout_ms", 1));
    CHECK_INT(0, tally_request_set_value(request, ":n", "N", "5", 1));
    CHECK_INT(0, tally_request_set_value(request, ":b", "B", "\x00\xff", 2));
    CHECK_INT(0, tally_request_set_value(request, ":n", "S", "x", 1));
    CHECK_ENCODED("\x94\x00\x01\xa1m\x91\x82\xaatimeout_ms\x01\xa6values\x82"
                  "\xa2:b\x81\xa1"
                  "B\xc4\x02\x00\xff\xa2:n\x81\xa1S\xa1x",
        request);
    tally_request_free(request);
}

TEST(a_copy_is_the_same_request)
{
    struct tally_request *request = NULL, copy;
    struct buffer first, second;

    CHECK_INT(0, tally_request_new(&request, "count"));
    tally_request_set_string(request, "trigger", "orders");
    tally_request_set_value(request, ":k", "S", "v", 1);
    encode(request, &first);
    CHECK_INT(0, request_copy(&copy, request));
    tally_request_free(request);
    encode(&copy, &second);
    CHECK_MEM(first.data, first.len, second.data, second.len);
    request_free(&copy);
    buffer_free(&first);
    buffer_free(&second);
}

static void set_nothing(struct tally_request *request)
{
    tally_request_set_string(request, "a", NULL);
}

static void set_without_key(struct tally_request *request)
{
    tally_request_set_integer(request, "", 1);
}

static void set_part_of_a_value(struct tally_request *request)
{
    tally_request_set_packed(request, "a", "\x92\xc0", 2);
}

static void set_two_values(struct tally_request *request)
{
    tally_request_set_packed(request, "a", "\xc0\xc0", 2);
}

static void set_extension(struct tally_request *request)
{
    tally_request_set_packed(request, "a", "\xd4\x00\x00", 3);
}

static void set_unknown_type(struct tally_request *request)
{
    tally_request_set_value(request, ":k", "X", "1", 1);
}

static void set_long_type(struct tally_request *request)
{
    tally_request_set_value(request, ":k", "SS", "1", 1);
}

static void set_too_much(struct tally_request *request)
{
    char *text = calloc(1, 40001);

    memset(text, 'x', 40000);
    CHECK_INT(0, tally_request_set_string(request, "a", text));
    CHECK_INT(TALLY_EARGUMENT, tally_request_set_string(request, "b", text));
    free(text);
}

TEST(a_failed_setter_makes_the_request_unusable)
{
    static void (*const setters[])(struct tally_request *) = {set_nothing, set_without_key,
        set_part_of_a_value, set_two_values, set_extension, set_unknown_type, set_long_type,
        set_too_much};

    for (size_t i = 0; i < sizeof(setters) / sizeof(setters[0]); i++) {
        struct tally_request *request = NULL;
        struct buffer out;

        buffer_init(&out, LIMIT_REQUEST_BYTES);
        CHECK_INT(0, tally_request_new(&request, "m"));
        setters[i](request);
        CHECK_INT(0, tally_request_set_string(request, "good", "value"));
        CHECK_INT(TALLY_EARGUMENT, request_encode(request, 1, 1, &out));
        CHECK_INT(0, out.len);
        buffer_free(&out);
        tally_request_free(request);
    }
}

TEST(fields_and_values_share_the_limit)
{
    struct tally_request *request = NULL;
    struct buffer out;
    char *text = calloc(1, 40001);

    memset(text, 'x', 40000);
    buffer_init(&out, LIMIT_REQUEST_BYTES);
    CHECK_INT(0, tally_request_new(&request, "m"));
    CHECK_INT(0, tally_request_set_string(request, "a", text));
    CHECK_INT(0, tally_request_set_value(request, ":a", "S", text, 40000));
    CHECK_INT(TALLY_EARGUMENT, request_encode(request, 1, 1, &out));
    buffer_free(&out);
    tally_request_free(request);
    free(text);
}

TEST(a_method_needs_a_name_of_some_length)
{
    struct tally_request *request = NULL;
    char name[80];

    memset(name, 'x', sizeof(name));
    name[79] = '\0';
    CHECK_INT(TALLY_EARGUMENT, tally_request_new(&request, ""));
    CHECK_INT(TALLY_EARGUMENT, tally_request_new(&request, NULL));
    CHECK_INT(TALLY_EARGUMENT, tally_request_new(&request, name));
    CHECK(request == NULL);
    tally_request_free(NULL);
}

TEST_MAIN(RUN(a_request_shows_how_long_it_may_take), RUN(fields_are_packed_and_replaced),
    RUN(values_stand_in_a_map_of_their_own), RUN(a_copy_is_the_same_request),
    RUN(a_failed_setter_makes_the_request_unusable), RUN(fields_and_values_share_the_limit),
    RUN(a_method_needs_a_name_of_some_length))
