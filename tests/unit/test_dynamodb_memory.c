/* SPDX-License-Identifier: Apache-2.0 */
/* Whichever allocation fails while DynamoDB's JSON is read or written: an error, or the right
 * result; nothing in between. */
#include "tests/unit/test.h"

#include <stdbool.h>
#include <stdlib.h>

static int allocations, fail_at; /* the allocation with this number fails, 0: none */

static void *failing_malloc(size_t size)
{
    return ++allocations == fail_at ? NULL : malloc(size);
}

/* Compiled into this file, so that its allocations, jansson's among them, can fail. */
#define malloc failing_malloc
#include "agent/aws/dynamodb.c"
#include "agent/json_value.c"
#include "agent/wiping_heap.c"
#undef malloc

/* Long names and values, for which jansson's buffers have to grow. */
#define LONG "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define KEY  "{\"partition-key-0123456789\":{\"S\":\"" LONG LONG "\"},\"n\":{\"N\":\"1\"}}"
#define PAGE                                                                                       \
    "{\"Count\":3,\"LastEvaluatedKey\":" KEY ",\"ScannedCount\":4,"                                \
    "\"ConsumedCapacity\":{\"CapacityUnits\":1.5}}"

/* Runs a step once for each of its allocations; true while one failed. */
static bool next_failure(bool first)
{
    bool more = first || allocations >= fail_at;

    fail_at = first ? 1 : fail_at + 1;
    allocations = 0;
    return more;
}

TEST(a_page_is_whole_or_refused)
{
    int failures = 0;

    for (bool first = true; next_failure(first); first = false) {
        struct dynamodb_page page;
        char why[100] = "";
        int r = dynamodb_parse_page(PAGE, strlen(PAGE), &page, why, sizeof(why));

        if (r == 0) {
            CHECK(allocations < fail_at);
            CHECK_INT(3, page.count);
            CHECK_INT(4, page.scanned);
            CHECK_INT(15, page.consumed_rcu * 10);
            CHECK_STR(KEY, page.last_key);
        } else {
            CHECK_INT(-ENOMEM, r);
            CHECK_STR("no memory", why);
            CHECK(page.last_key == NULL);
            failures++;
        }
        dynamodb_page_clear(&page);
    }
    CHECK(failures > 20);
}

TEST(a_body_is_whole_or_failed)
{
    struct query query = {.table = "t",
        .key_condition = "k",
        .uses_now = true,
        .values = "{\":" LONG "\":{\"S\":\"" LONG "\"},\":n\":{\"L\":[{\"N\":\"$now\"},"
                  "{\"M\":{\"m\":{\"NS\":[\"$now-1\"]}}}]}}"};
    int failures = 0;

    for (bool first = true; next_failure(first); first = false) {
        struct buffer body;

        buffer_init(&body, 4096);
        int r = dynamodb_query_body(&body, &query, NULL, 1000, NULL, 0);
        if (r == 0)
            CHECK_STR("{\"TableName\":\"t\",\"KeyConditionExpression\":\"k\","
                      "\"ExpressionAttributeValues\":{\":" LONG "\":{\"S\":\"" LONG "\"},"
                      "\":n\":{\"L\":[{\"N\":\"1000\"},{\"M\":{\"m\":{\"NS\":[\"999\"]}}}]}},"
                      "\"Select\":\"COUNT\",\"ReturnConsumedCapacity\":\"TOTAL\"}",
                buffer_string(&body));
        else
            CHECK(r == -ENOMEM && body.failed);
        failures += r != 0;
        buffer_free(&body);
    }
    CHECK(failures > 20);
}

TEST(values_are_merged_whole_or_not_at_all)
{
    int failures = 0;

    for (bool first = true; next_failure(first); first = false) {
        char *merged = dynamodb_merge_values(
            "{\":" LONG "\":{\"S\":\"a\"}}", "{\":b" LONG "\":{\"S\":\"" LONG "\"}}");

        if (merged != NULL)
            CHECK_STR("{\":" LONG "\":{\"S\":\"a\"},\":b" LONG "\":{\"S\":\"" LONG "\"}}", merged);
        failures += merged == NULL;
        free(merged);
    }
    CHECK(failures > 20);
}

TEST(an_error_is_itself_or_judged_by_its_status)
{
    static const char body[] = "{\"__type\":\"com.amazonaws.dynamodb.v20120810#Throttling\","
                               "\"message\":\"" LONG "\"}";

    for (bool first = true; next_failure(first); first = false) {
        struct aws_error error;

        dynamodb_parse_error(503, body, strlen(body), &error);
        CHECK_STR(allocations < fail_at ? "Throttling" : "", error.code);
        CHECK_INT(allocations < fail_at ? AWS_THROTTLED : AWS_TRANSIENT, error.outcome);
    }
}

TEST_MAIN(RUN(a_page_is_whole_or_refused), RUN(a_body_is_whole_or_failed),
    RUN(values_are_merged_whole_or_not_at_all), RUN(an_error_is_itself_or_judged_by_its_status))
