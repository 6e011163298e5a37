/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a Query, the reading of its pages and errors, and the checksum. Replies are as
 * DynamoDB sends them, apart from the ones that must not be sent. */
#include "agent/aws/dynamodb.h"
#include "tests/unit/test.h"

#include <errno.h>

#define NOW INT64_C(1767323045)

static struct buffer body;

static const char *build(const struct query *query, const char *values, const char *key)
{
    buffer_free(&body);
    buffer_init(&body, 64 * 1024);
    CHECK_INT(0, dynamodb_query_body(&body, query, values, NOW, key, 0));
    return buffer_string(&body);
}

/* ---- request body ---- */

TEST(a_small_query_has_only_what_it_needs)
{
    struct query query = {.table = "orders", .key_condition = "pk = :v"};

    CHECK_STR("{\"TableName\":\"orders\",\"KeyConditionExpression\":\"pk = :v\","
              "\"Select\":\"COUNT\",\"ReturnConsumedCapacity\":\"TOTAL\"}",
        build(&query, NULL, NULL));
}

TEST(a_full_query_has_everything)
{
    struct query query = {.table = "orders",
        .index = "by-status",
        .key_condition = "#s = :s",
        .filter = "ttl > :t",
        .names = "{\"#s\":\"status\"}",
        .values = "{\":s\":{\"S\":\"new\"},\":t\":{\"N\":\"1\"}}",
        .consistent_read = true};

    CHECK_STR("{\"TableName\":\"orders\",\"IndexName\":\"by-status\","
              "\"KeyConditionExpression\":\"#s = :s\",\"FilterExpression\":\"ttl > :t\","
              "\"ExpressionAttributeNames\":{\"#s\":\"status\"},"
              "\"ExpressionAttributeValues\":{\":s\":{\"S\":\"new\"},\":t\":{\"N\":\"1\"}},"
              "\"ConsistentRead\":true,\"Select\":\"COUNT\",\"ReturnConsumedCapacity\":\"TOTAL\","
              "\"ExclusiveStartKey\":{\"pk\":{\"S\":\"a\\u0000\"}}}",
        build(&query, NULL, "{\"pk\":{\"S\":\"a\\u0000\"}}"));
}

TEST(texts_are_escaped)
{
    struct query query = {.table = "a\"b\\c\n\x01\xc3\xa9/", .key_condition = "\x7f"};

    CHECK_STR("{\"TableName\":\"a\\\"b\\\\c\\u000a\\u0001\xc3\xa9/\","
              "\"KeyConditionExpression\":\"\x7f\","
              "\"Select\":\"COUNT\",\"ReturnConsumedCapacity\":\"TOTAL\"}",
        build(&query, NULL, NULL));
}

#define WITH_VALUES(values)                                                                        \
    "{\"TableName\":\"t\",\"KeyConditionExpression\":\"k\"," values                                \
    "\"Select\":\"COUNT\",\"ReturnConsumedCapacity\":\"TOTAL\"}"

TEST(empty_objects_are_not_sent)
{
    struct query query = {.table = "t", .key_condition = "k", .names = "{}", .values = "{}"};

    CHECK_STR(WITH_VALUES(""), build(&query, NULL, NULL));
    CHECK_STR(WITH_VALUES(""), build(&query, "{}", NULL));
    query.uses_now = true;
    CHECK_STR(WITH_VALUES(""), build(&query, NULL, NULL));
}

TEST(the_values_of_a_request_replace_the_query_s_own)
{
    struct query query = {.table = "t", .key_condition = "k", .values = "{\":a\":{\"S\":\"own\"}}"};

    CHECK_STR(WITH_VALUES("\"ExpressionAttributeValues\":{\":a\":{\"S\":\"theirs\"}},"),
        build(&query, "{\":a\":{\"S\":\"theirs\"}}", NULL));
}

static const struct {
    const char *values;
    const char *sent;
} now_cases[] = {
    {"{\":a\":{\"N\":\"$now\"}}", "{\":a\":{\"N\":\"1767323045\"}}"},
    {"{\":a\":{\"N\":\"$now-3600\"}}", "{\":a\":{\"N\":\"1767319445\"}}"},
    {"{\":a\":{\"N\":\"$now+60\"},\":b\":{\"N\":\"7\"}}",
        "{\":a\":{\"N\":\"1767323105\"},\":b\":{\"N\":\"7\"}}"},
    {"{\":a\":{\"N\":\"$now-1767323046\"}}", "{\":a\":{\"N\":\"-1\"}}"},
    {"{\":a\":{\"NS\":[\"1\",\"$now\",\"$now-45\"]}}",
        "{\":a\":{\"NS\":[\"1\",\"1767323045\",\"1767323000\"]}}"},
    {"{\":a\":{\"L\":[{\"N\":\"$now\"},{\"M\":{\"x\":{\"L\":[{\"N\":\"$now-5\"}]}}}]}}",
        "{\":a\":{\"L\":[{\"N\":\"1767323045\"},{\"M\":{\"x\":{\"L\":[{\"N\":\"1767323040\"}]}}}]}"
        "}"},
    {"{\":a\":{\"M\":{\"N\":{\"N\":\"$now\"}}}}",
        "{\":a\":{\"M\":{\"N\":{\"N\":\"1767323045\"}}}}"},
    /* Not a number, or not ours: left for DynamoDB to judge. */
    {"{\":a\":{\"S\":\"$now\"}}", "{\":a\":{\"S\":\"$now\"}}"},
    {"{\":a\":{\"SS\":[\"$now\"]}}", "{\":a\":{\"SS\":[\"$now\"]}}"},
    {"{\":a\":{\"N\":\"$nowhere\"}}", "{\":a\":{\"N\":\"$nowhere\"}}"},
    {"{\":a\":{\"N\":\"$now-\"}}", "{\":a\":{\"N\":\"$now-\"}}"},
    {"{\":a\":{\"N\":\"$now--5\"}}", "{\":a\":{\"N\":\"$now--5\"}}"},
    {"{\":a\":{\"N\":\"$now- 5\"}}", "{\":a\":{\"N\":\"$now- 5\"}}"},
    {"{\":a\":{\"N\":\"$now-5s\"}}", "{\":a\":{\"N\":\"$now-5s\"}}"},
    {"{\":a\":{\"N\":\"$now*5\"}}", "{\":a\":{\"N\":\"$now*5\"}}"},
    {"{\":a\":{\"N\":\"$now+9223372036854775807\"}}",
        "{\":a\":{\"N\":\"$now+9223372036854775807\"}}"},
    {"{\":a\":{\"N\":\"$now+99999999999999999999\"}}",
        "{\":a\":{\"N\":\"$now+99999999999999999999\"}}"},
};

TEST(now_becomes_the_time_in_numbers_only)
{
    for (size_t i = 0; i < sizeof(now_cases) / sizeof(now_cases[0]); i++) {
        struct query query = {
            .table = "t", .key_condition = "k", .values = now_cases[i].values, .uses_now = true};
        char expected[512];

        snprintf(expected, sizeof(expected), WITH_VALUES("\"ExpressionAttributeValues\":%s,"),
            now_cases[i].sent);
        CHECK_STR(expected, build(&query, NULL, NULL));
    }
}

TEST(now_of_a_query_that_does_not_use_it_is_left_alone)
{
    struct query query = {
        .table = "t", .key_condition = "k", .values = "{\":a\":{\"N\":\"$now\"}}"};

    CHECK_STR(WITH_VALUES("\"ExpressionAttributeValues\":{\":a\":{\"N\":\"$now\"}},"),
        build(&query, NULL, NULL));
}

TEST(a_body_that_does_not_fit_says_so)
{
    struct query query = {.table = "orders", .key_condition = "pk = :v"};
    struct buffer small;

    buffer_init(&small, 40);
    CHECK_INT(-EMSGSIZE, dynamodb_query_body(&small, &query, NULL, NOW, NULL, 0));
    CHECK(small.failed);
    buffer_free(&small);
}

TEST(values_are_merged_by_placeholder)
{
    char *merged = dynamodb_merge_values("{\":a\":{\"S\":\"1\"},\":b\":{\"S\":\"2\"}}",
        "{\":b\":{\"S\":\"x\"},\":c\":{\"N\":\"3\"}}");

    CHECK_STR("{\":a\":{\"S\":\"1\"},\":b\":{\"S\":\"x\"},\":c\":{\"N\":\"3\"}}", merged);
    free(merged);
    merged = dynamodb_merge_values(NULL, "{ \":c\" : {\"N\":\"3\"} }");
    CHECK_STR("{\":c\":{\"N\":\"3\"}}", merged);
    free(merged);
    CHECK(dynamodb_merge_values("[]", "{}") == NULL);
    CHECK(dynamodb_merge_values("{}", "[]") == NULL);
    CHECK(dynamodb_merge_values("{}", "{") == NULL);
    CHECK(dynamodb_merge_values("{}", "{\":a\":1,\":a\":2}") == NULL);
}

/* ---- pages ---- */

struct page_case {
    const char *json;
    uint64_t count, scanned;
    double rcu;
    const char *key;
};

static const struct page_case pages[] = {
    {"{\"ConsumedCapacity\":{\"CapacityUnits\":128.5,\"TableName\":\"t\"},\"Count\":12,"
     "\"LastEvaluatedKey\":{\"pk\":{\"S\":\"a\"},\"n\":{\"N\":\"1.50\"}},\"ScannedCount\":30}",
        12, 30, 128.5, "{\"pk\":{\"S\":\"a\"},\"n\":{\"N\":\"1.50\"}}"},
    {"{\"Count\":0,\"ScannedCount\":0}", 0, 0, 0, NULL},
    /* A page without a hit is not the last one. */
    {"{\"Count\":0,\"ScannedCount\":5,\"LastEvaluatedKey\":{\"p\":{\"S\":\"\"}}}", 0, 5, 0,
        "{\"p\":{\"S\":\"\"}}"},
    {"{\"Count\":1,\"ScannedCount\":1,\"LastEvaluatedKey\":{}}", 1, 1, 0, NULL},
    {"{\"Count\":1,\"ScannedCount\":1,\"LastEvaluatedKey\":null}", 1, 1, 0, NULL},
    {"{\"Count\":1}", 1, 1, 0, NULL},
    {"{\"Count\":1,\"ConsumedCapacity\":null}", 1, 1, 0, NULL},
    {"{\"Count\":1,\"ConsumedCapacity\":{}}", 1, 1, 0, NULL},
    {"{\"Count\":1,\"ConsumedCapacity\":{\"CapacityUnits\":3}}", 1, 1, 3, NULL},
    {"{\"Count\":1,\"Items\":[{\"a\":{\"BOOL\":true}}]}", 1, 1, 0, NULL},
    {"{\"Count\":4294967295}", UINT64_C(4294967295), UINT64_C(4294967295), 0, NULL},
    /* What the key holds is none of our business: NUL, escapes, other scripts, big numbers. */
    {"{\"Count\":1,\"LastEvaluatedKey\":{\"k\":{\"S\":\"a\\u0000b\\\"\\n\\u00e9\\ud83d\\ude00\"},"
     "\"b\":{\"B\":\"AAE=\"},\"n\":{\"N\":\"99999999999999999999999999999999999999\"}}}",
        1, 1, 0,
        "{\"k\":{\"S\":\"a\\u0000b\\\"\\n\xc3\xa9\xf0\x9f\x98\x80\"},\"b\":{\"B\":\"AAE=\"},"
        "\"n\":{\"N\":\"99999999999999999999999999999999999999\"}}"},
};

TEST(pages_are_read)
{
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        const struct page_case *want = &pages[i];
        struct dynamodb_page page;
        char why[160] = "";

        if (dynamodb_parse_page(want->json, strlen(want->json), &page, why, sizeof(why)) != 0)
            TEST_FAIL("%s: %s", want->json, why);
        CHECK_INT(want->count, page.count);
        CHECK_INT(want->scanned, page.scanned);
        CHECK_INT(want->rcu * 10, page.consumed_rcu * 10);
        if (want->key == NULL)
            CHECK(page.last_key == NULL);
        else
            CHECK_STR(want->key, page.last_key);
        dynamodb_page_clear(&page);
        dynamodb_page_clear(&page);
    }
}

static const char *const no_pages[] = {"", "{", "[]", "null", "0", "\"x\"", "{}",
    "{\"ScannedCount\":5}", "{\"Count\":null}", "{\"Count\":-1}", "{\"Count\":1.5}",
    "{\"Count\":1.0}", "{\"Count\":1e3}", "{\"Count\":\"1\"}", "{\"Count\":true}",
    "{\"Count\":[1]}", "{\"Count\":4294967296}", "{\"Count\":99999999999999999999}",
    "{\"Count\":1,\"Count\":2}", "{\"Count\":1,\"ScannedCount\":-1}",
    "{\"Count\":1,\"ScannedCount\":\"1\"}", "{\"Count\":1,\"ScannedCount\":null}",
    "{\"Count\":1,\"LastEvaluatedKey\":\"x\"}", "{\"Count\":1,\"LastEvaluatedKey\":[]}",
    "{\"Count\":1,\"LastEvaluatedKey\":0}", "{\"Count\":1,\"LastEvaluatedKey\":false}",
    "{\"Count\":1,\"ConsumedCapacity\":5}",
    "{\"Count\":1,\"ConsumedCapacity\":{\"CapacityUnits\":-1}}",
    "{\"Count\":1,\"ConsumedCapacity\":{\"CapacityUnits\":1e300}}",
    "{\"Count\":1,\"ConsumedCapacity\":{\"CapacityUnits\":\"1\"}}", "{\"Count\":1}x",
    "{\"Count\":1}{\"Count\":1}", "{\"Count\":1,}", "{'Count':1}", "{\"Count\":1,\"a\":\"\xff\"}",
    "{\"__type\":\"com.amazon.coral.service#InternalServerError\"}", "<html></html>"};

TEST(anything_else_is_no_page)
{
    for (size_t i = 0; i < sizeof(no_pages) / sizeof(no_pages[0]); i++) {
        struct dynamodb_page page;
        char why[160] = "";

        if (dynamodb_parse_page(no_pages[i], strlen(no_pages[i]), &page, why, sizeof(why)) !=
            -EPROTO)
            TEST_FAIL("accepted: %s", no_pages[i]);
        CHECK(why[0] != '\0');
        CHECK(page.last_key == NULL);
    }
}

TEST(a_reply_that_breaks_off_is_no_page)
{
    const char *json = pages[0].json;

    for (size_t len = 0; len < strlen(json); len++) {
        struct dynamodb_page page;
        char why[160];
        char *copy = malloc(len > 0 ? len : 1); /* of that size, so that a sanitizer sees its end */

        memcpy(copy, json, len);
        CHECK_INT(-EPROTO, dynamodb_parse_page(copy, len, &page, why, sizeof(why)));
        free(copy);
    }
}

TEST(the_reason_shows_the_field)
{
    struct dynamodb_page page;
    char why[160];

    CHECK_INT(-EPROTO, dynamodb_parse_page("{}", 2, &page, why, sizeof(why)));
    CHECK_STR("Count is missing", why);
    CHECK_INT(-EPROTO, dynamodb_parse_page("{\"Count\":-1}", 12, &page, why, sizeof(why)));
    CHECK_STR("Count is no possible number of items", why);
}

TEST(a_key_that_is_too_long_names_the_limit)
{
    static char json[900 * 1024];
    struct dynamodb_page page;
    char why[160];
    size_t head = (size_t)snprintf(
        json, sizeof(json), "{\"Count\":1,\"LastEvaluatedKey\":{\"k\":{\"S\":\"");

    memset(json + head, 'x', sizeof(json) - head);
    memcpy(json + sizeof(json) - 5, "\"}}}", 5);
    CHECK_INT(-EPROTO, dynamodb_parse_page(json, sizeof(json) - 1, &page, why, sizeof(why)));
    CHECK(strstr(why, "LastEvaluatedKey has ") == why);
    CHECK(strstr(why, " bytes, over the limit of 65536") != NULL);
    CHECK(page.last_key == NULL);
}

/* A key is sent back as the same JSON value, and sending it back again changes nothing more. */
TEST(a_key_survives_the_way_back)
{
    const struct page_case *want = &pages[sizeof(pages) / sizeof(pages[0]) - 1];
    struct query query = {.table = "t", .key_condition = "k"};
    struct dynamodb_page page, again;
    char why[160];
    char reply[1024];

    CHECK_INT(0, dynamodb_parse_page(want->json, strlen(want->json), &page, why, sizeof(why)));
    CHECK(strstr(build(&query, NULL, page.last_key), page.last_key) != NULL);
    snprintf(reply, sizeof(reply), "{\"Count\":1,\"LastEvaluatedKey\":%s}", page.last_key);
    CHECK_INT(0, dynamodb_parse_page(reply, strlen(reply), &again, why, sizeof(why)));
    CHECK_STR(page.last_key, again.last_key);
    dynamodb_page_clear(&page);
    dynamodb_page_clear(&again);
}

/* ---- errors ---- */

static const struct {
    int status;
    const char *body;
    enum aws_outcome outcome;
    const char *code, *message, *reasons;
} errors[] = {
    {400,
        "{\"__type\":\"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException\","
        "\"message\":\"Requested resource not found\"}",
        AWS_REFUSED, "ResourceNotFoundException", "Requested resource not found", ""},
    {400, "{\"__type\":\"com.amazon.coral.validate#ValidationException\",\"Message\":\"bad\"}",
        AWS_REFUSED, "ValidationException", "bad", ""},
    {400, "{\"__type\":\"com.amazon.coral.service#ExpiredTokenException\",\"message\":\"x\"}",
        AWS_EXPIRED, "ExpiredTokenException", "x", ""},
    {400,
        "{\"__type\":\"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException\","
        "\"ThrottlingReasons\":[{\"reason\":\"IndexReadKeyRangeThroughputExceeded\","
        "\"resource\":\"arn:aws:dynamodb:eu-west-1:1:table/t/index/i\"},{\"reason\":\"Two\"}],"
        "\"message\":\"slow\"}",
        AWS_THROTTLED, "ProvisionedThroughputExceededException", "slow",
        "IndexReadKeyRangeThroughputExceeded arn:aws:dynamodb:eu-west-1:1:table/t/index/i, Two"},
    {400,
        "{\"__type\":\"com.amazon.coral.availability#ThrottlingException\","
        "\"throttlingReasons\":[{\"reason\":\"TableReadAccountLimitExceeded\","
        "\"resource\":\"arn:aws:dynamodb:eu-west-1:1:table/t\"}],\"message\":\"slow\"}",
        AWS_THROTTLED, "ThrottlingException", "slow",
        "TableReadAccountLimitExceeded arn:aws:dynamodb:eu-west-1:1:table/t"},
    {400,
        "{\"__type\":\"com.amazon.coral.service#InvalidSignatureException\","
        "\"message\":\"Signature expired: 20260102T030405Z is now earlier than x\"}",
        AWS_SKEWED, "InvalidSignatureException",
        "Signature expired: 20260102T030405Z is now earlier than x", ""},
    {500, "{\"__type\":\"InternalServerError\"}", AWS_TRANSIENT, "InternalServerError", "", ""},
    {400, "{\"__type\":\"AccessDeniedException:http://internal/x\",\"Message\":\"User: no\"}",
        AWS_DENIED, "AccessDeniedException", "User: no", ""},
    {400, "{\"code\":\"ThrottlingException\",\"message\":\"m\"}", AWS_THROTTLED,
        "ThrottlingException", "m", ""},
    /* No DynamoDB at the other end. */
    {503, "<html><body>Service Unavailable</body></html>", AWS_TRANSIENT, "", "Service Unavailable",
        ""},
    {503, "upstream connect error or disconnect/reset before headers", AWS_TRANSIENT, "",
        "upstream connect error or disconnect/reset before headers", ""},
    {503, "{\"message\":\"of another service\"}", AWS_TRANSIENT, "", "", ""},
    {400, "{\"message\":\"of another service\"}", AWS_REFUSED, "", "", ""},
    {400, "a secret of another service", AWS_REFUSED, "", "", ""},
    {403, "<html>Forbidden</html>", AWS_DENIED, "", "", ""},
    {301, "", AWS_REFUSED, "", "", ""},
    {400, "[]", AWS_REFUSED, "", "", ""},
    {400, "{\"__type\":5,\"message\":{},\"ThrottlingReasons\":\"x\"}", AWS_REFUSED, "", "", ""},
    {400, "{\"__type\":\"a#\",\"ThrottlingReasons\":[1,{\"reason\":2}]}", AWS_REFUSED, "", "", ""},
    {400, "{\"__type\":\"a b\"}", AWS_REFUSED, "", "", ""},
};

TEST(errors_are_read_and_classified)
{
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        struct aws_error error;

        dynamodb_parse_error(errors[i].status, errors[i].body, strlen(errors[i].body), &error);
        CHECK_STR(errors[i].code, error.code);
        CHECK_STR(errors[i].message, error.message);
        CHECK_STR(errors[i].reasons, error.reasons);
        CHECK_INT(errors[i].outcome, error.outcome);
        CHECK_INT(errors[i].status, error.status);
    }
}

/* ---- checksum ---- */

TEST(crc_is_zlib_s)
{
    CHECK(dynamodb_crc_matches("3421780262", "123456789", 9)); /* the standard's check value */
    CHECK(dynamodb_crc_matches("0", "", 0));
    CHECK(dynamodb_crc_matches("2745614147", "{}", 2));
    CHECK(dynamodb_crc_matches("", "whatever", 8));
    CHECK(!dynamodb_crc_matches("3421780263", "123456789", 9));
    CHECK(!dynamodb_crc_matches("3421780262", "123456780", 9));
    CHECK(!dynamodb_crc_matches("7716747558", "123456789", 9));           /* the same plus 2^32 */
    CHECK(!dynamodb_crc_matches("18446744077131331878", "123456789", 9)); /* plus 2^64 */
    CHECK(!dynamodb_crc_matches("-1", "123456789", 9));
    CHECK(!dynamodb_crc_matches("0x1", "", 0));
    CHECK(!dynamodb_crc_matches(" 0", "", 0));
}

TEST_MAIN(RUN(a_small_query_has_only_what_it_needs), RUN(a_full_query_has_everything),
    RUN(texts_are_escaped), RUN(empty_objects_are_not_sent),
    RUN(the_values_of_a_request_replace_the_query_s_own), RUN(now_becomes_the_time_in_numbers_only),
    RUN(now_of_a_query_that_does_not_use_it_is_left_alone), RUN(a_body_that_does_not_fit_says_so),
    RUN(values_are_merged_by_placeholder), RUN(pages_are_read), RUN(anything_else_is_no_page),
    RUN(a_reply_that_breaks_off_is_no_page), RUN(the_reason_shows_the_field),
    RUN(a_key_that_is_too_long_names_the_limit), RUN(a_key_survives_the_way_back),
    RUN(errors_are_read_and_classified), RUN(crc_is_zlib_s))
