/* SPDX-License-Identifier: Apache-2.0 */
/* DynamoDB's Query as a counter. Pure: JSON (by jansson) out and in.
 * https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html */
#ifndef TALLY_AGENT_AWS_DYNAMODB_H
#define TALLY_AGENT_AWS_DYNAMODB_H

#include "agent/aws/aws_error.h"
#include "agent/query.h"
#include "proto/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DYNAMODB_QUERY_TARGET "DynamoDB_20120810.Query"
#define DYNAMODB_CONTENT_TYPE "application/x-amz-json-1.0"
/* A page of a count has a few hundred bytes, plus the key to continue from. */
#define DYNAMODB_REPLY_BYTES  (128u * 1024u)

/* Appends the body of one page's Query. `values` replaces the query's own values text (a
 * request's client values merged in), NULL: the query's own. Where the query uses_now, "$now",
 * "$now-60" and "$now+60" in an N or NS become unix_seconds and that offset. start_key: the last
 * page's key, NULL: first page. limit: the items that DynamoDB evaluates for this page, before the
 * filter; 0: as many as 1 MB holds. 0, -ENOMEM or -EMSGSIZE, also in body->failed. */
int dynamodb_query_body(struct buffer *body, const struct query *query, const char *values,
    int64_t unix_seconds, const char *start_key, uint64_t limit);

struct dynamodb_page {
    uint64_t count;
    uint64_t scanned;
    double consumed_rcu;
    char *last_key; /* LastEvaluatedKey as JSON text, heap, NULL on the last page */
};

/* 0, -ENOMEM, or -EPROTO if the reply is not a valid page (`why` says what is wrong); then *page
 * holds nothing to free. No value of the reply is in `why`. */
int dynamodb_parse_page(
    const void *json, size_t len, struct dynamodb_page *page, char *why, size_t why_size);
void dynamodb_page_clear(struct dynamodb_page *page);

/* An error reply of any kind: fills *error, outcome included; bodies that are not from DynamoDB
 * (HTML of a proxy, empty) are classified by the status alone. */
void dynamodb_parse_error(int status, const void *body, size_t len, struct aws_error *error);

/* Whether `crc32` (the x-amz-crc32 header, decimal) matches the bytes; true if it is "". */
bool dynamodb_crc_matches(const char *crc32, const void *body, size_t len);

/* Merges `overrides` (a JSON object of placeholder -> AttributeValue) over `values` (NULL: {}).
 * Compact heap text with sorted keys, so that equal values are equal texts, or NULL if out of
 * memory or if either is not an object. */
char *dynamodb_merge_values(const char *values, const char *overrides);

#endif
