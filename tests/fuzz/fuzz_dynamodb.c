/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of DynamoDB, or of a server in its place, and values as a client may send them:
 * a page that is read can be asked on from, and a body that is built is JSON. */
#include "agent/aws/dynamodb.h"
#include "tests/fuzz/fuzz.h"

#define BODY_BYTES ((size_t)1 << 24)

/* The query's text with `key` and `values` in it is one JSON object: the merge, which wants
 * one, takes it. */
static void check_body(const char *values, const char *key, bool uses_now)
{
    struct query query = {.table = "t", .key_condition = "k = :k", .uses_now = uses_now};
    struct buffer body;
    char *merged;

    buffer_init(&body, BODY_BYTES);
    MUST(dynamodb_query_body(&body, &query, values, 1767323045, key, 0) == 0);
    merged = dynamodb_merge_values(NULL, buffer_string(&body));
    MUST(merged != NULL);
    MUST(key == NULL || strstr(merged, "\"ExclusiveStartKey\":{") != NULL);
    free(merged);
    buffer_free(&body);
}

static void check_page(const uint8_t *data, size_t size)
{
    struct dynamodb_page page;
    struct dynamodb_page again;
    struct buffer reply;
    char why[200] = "";

    if (dynamodb_parse_page(data, size, &page, why, sizeof(why)) < 0) {
        MUST(why[0] != '\0' && page.last_key == NULL);
        return;
    }
    MUST(page.count <= UINT32_MAX && page.scanned <= UINT32_MAX && page.consumed_rcu >= 0);
    check_body(NULL, page.last_key, false);
    if (page.last_key != NULL) {
        buffer_init(&reply, BODY_BYTES);
        buffer_printf(&reply, "{\"Count\":1,\"LastEvaluatedKey\":%s}", page.last_key);
        MUST(!reply.failed);
        MUST(dynamodb_parse_page(reply.data, reply.len, &again, why, sizeof(why)) == 0);
        MUST(strcmp(page.last_key, again.last_key) == 0);
        dynamodb_page_clear(&again);
        buffer_free(&reply);
    }
    dynamodb_page_clear(&page);
}

static void check_error(const uint8_t *data, size_t size)
{
    struct aws_error error;
    struct failure failure;

    dynamodb_parse_error(400, data, size, &error);
    MUST(error.outcome != AWS_OK && error.status == 400);
    MUST(strnlen(error.code, sizeof(error.code)) < sizeof(error.code));
    MUST(strnlen(error.reasons, sizeof(error.reasons)) < sizeof(error.reasons));
    must_be_line(error.message, sizeof(error.message));
    aws_error_failure(&error, "Query of table t", &failure);
    MUST(failure.code != ERROR_NONE && failure.code != ERROR_INTERNAL);
}

/* The input as the values of a client: a text without NUL. */
static void check_values(const uint8_t *data, size_t size)
{
    char *text = input_text(data, size);
    char *merged = dynamodb_merge_values("{\":a\":{\"N\":\"$now\"}}", text);

    if (merged != NULL) {
        check_body(merged, NULL, false);
        check_body(merged, NULL, true);
    }
    free(merged);
    dynamodb_crc_matches(text, data, size);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_page(data, size);
    check_error(data, size);
    check_values(data, size);
    return 0;
}
