/* SPDX-License-Identifier: Apache-2.0 */
#include "client/bridge/scaler.h"
#include "tests/unit/test.h"

static char why[512];
static char trigger[SCALER_TRIGGER_BYTES];

static enum grpc_code ask(enum scaler_method method, const char *data, size_t len, const char *only)
{
    why[0] = trigger[0] = '\0';
    return scaler_read(method, (struct text){data, len}, only, trigger, why, sizeof(why));
}

#define ASK(method, literal, only) ask((method), (literal), sizeof(literal) - 1, (only))

TEST(paths_are_methods)
{
    static const struct {
        const char *path;
        enum scaler_method method;
    } cases[] = {{"/externalscaler.ExternalScaler/IsActive", SCALER_IS_ACTIVE},
        {"/externalscaler.ExternalScaler/StreamIsActive", SCALER_STREAM_IS_ACTIVE},
        {"/externalscaler.ExternalScaler/GetMetricSpec", SCALER_GET_METRIC_SPEC},
        {"/externalscaler.ExternalScaler/GetMetrics", SCALER_GET_METRICS},
        {"/externalscaler.ExternalScaler/StreamMetricSpec", SCALER_UNKNOWN},
        {"/externalscaler.ExternalScaler/IsActive/", SCALER_UNKNOWN}, {"", SCALER_UNKNOWN}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        CHECK_INT(
            cases[i].method, scaler_method_of((struct text){cases[i].path, strlen(cases[i].path)}));
}

TEST(the_object_names_the_trigger)
{
    CHECK_INT(GRPC_OK, ASK(SCALER_IS_ACTIVE,
                           "\x0a\x06"
                           "orders\x12\x04shop",
                           NULL));
    CHECK_STR("shop/orders", trigger);
}

TEST(metadata_names_the_trigger)
{
    CHECK_INT(
        GRPC_OK, ASK(SCALER_IS_ACTIVE,
                     "\x0a\x01x\x12\x01y\x1a\x09\x0a\x07trigger\x1a\x10\x0a\x07trigger\x12\x05"
                     "a/b/c",
                     NULL));
    CHECK_STR("a/b/c", trigger);
}

TEST(get_metrics_has_the_reference_inside)
{
    CHECK_INT(GRPC_OK, ASK(SCALER_GET_METRICS,
                           "\x0a\x06\x0a\x01"
                           "b\x12\x01"
                           "a\x12\x01m",
                           NULL));
    CHECK_STR("a/b", trigger);
    CHECK_INT(GRPC_INVALID_ARGUMENT, ASK(SCALER_GET_METRICS, "\x12\x01m", NULL));
}

TEST(other_namespaces_are_refused)
{
    CHECK_INT(GRPC_OK, ASK(SCALER_IS_ACTIVE, "\x0a\x01x\x12\x04shop", "shop"));
    CHECK_INT(GRPC_PERMISSION_DENIED, ASK(SCALER_IS_ACTIVE, "\x0a\x01x\x12\x04shoq", "shop"));
    CHECK(strstr(why, "\"shoq\"") != NULL);
    CHECK_INT(GRPC_PERMISSION_DENIED, ASK(SCALER_IS_ACTIVE, "\x0a\x01x", "shop"));
}

TEST(names_with_a_nul_or_broken_text_are_refused)
{
    CHECK_INT(GRPC_INVALID_ARGUMENT, ASK(SCALER_IS_ACTIVE, "\x0a\x02x\0", NULL));
    CHECK_INT(GRPC_INVALID_ARGUMENT, ASK(SCALER_IS_ACTIVE, "\x0a\x01\xff", NULL));
    CHECK_INT(GRPC_INVALID_ARGUMENT, ASK(SCALER_IS_ACTIVE, "", NULL));
}

TEST(only_the_prefix_of_an_index_is_stripped)
{
    CHECK_STR("aws-dynamodb-orders", scaler_metric_name("s0-aws-dynamodb-orders"));
    CHECK_STR("x", scaler_metric_name("s12-x"));
    CHECK_STR("s-x", scaler_metric_name("s-x"));
    CHECK_STR("s0-", scaler_metric_name("s0-"));
    CHECK_STR("s0x", scaler_metric_name("s0x"));
    CHECK_STR("sales", scaler_metric_name("sales"));
}

static void check_spec(double target, const char *bytes, size_t len)
{
    struct buffer buffer;

    buffer_init(&buffer, 200);
    scaler_write_spec(&buffer, "s0-m", target);
    CHECK_MEM(bytes, len, buffer.data, buffer.len);
    buffer_free(&buffer);
}

TEST(a_target_below_one_has_the_integer_one)
{
    check_spec(0.5, "\x0a\x0e\x0a\x01m\x10\x01\x19\0\0\0\0\0\0\xe0\x3f", 16);
    check_spec(0, "\x0a\x05\x0a\x01m\x10\x01", 7);
    check_spec(5, "\x0a\x0e\x0a\x01m\x10\x05\x19\0\0\0\0\0\0\x14\x40", 16);
    check_spec(1e19,
        "\x0a\x16\x0a\x01m\x10\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x19\0\x3d\x91\x60\xe4\x58\xe1"
        "\x43",
        24);
}

TEST(errors_have_codes)
{
    char text[64];

    CHECK_INT(GRPC_NOT_FOUND, status_grpc(TALLY_EUNKNOWN_TRIGGER));
    CHECK_INT(GRPC_INVALID_ARGUMENT, status_grpc(TALLY_EAMBIGUOUS_TRIGGER));
    CHECK_INT(GRPC_UNAVAILABLE, status_grpc(TALLY_ENOAGENT));
    CHECK_INT(GRPC_DEADLINE_EXCEEDED, status_grpc(TALLY_EDEADLINE));
    CHECK_INT(GRPC_UNAVAILABLE, status_grpc(-77));
    CHECK_INT(404, status_http(TALLY_EUNKNOWN_TRIGGER));
    CHECK_INT(503, status_http(-77));
    CHECK_INT(13, status_message(text, sizeof(text), "a%\n\xc3\xa4"));
    CHECK_STR("a%25%0A%C3%A4", text);
    CHECK_INT(7, status_message(text, 8, "abcdefgh") + 2); /* cut before the end */
}

TEST_MAIN(RUN(paths_are_methods), RUN(the_object_names_the_trigger),
    RUN(metadata_names_the_trigger), RUN(get_metrics_has_the_reference_inside),
    RUN(other_namespaces_are_refused), RUN(names_with_a_nul_or_broken_text_are_refused),
    RUN(only_the_prefix_of_an_index_is_stripped), RUN(a_target_below_one_has_the_integer_one),
    RUN(errors_have_codes))
