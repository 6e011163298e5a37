/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters of a DynamoDB Query, as plain data: built from a trigger or from a client's
 * `query`, sent page by page. The JSON texts are valid, compact objects. */
#ifndef TALLY_AGENT_QUERY_H
#define TALLY_AGENT_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct query {
    const char *region;
    const char *endpoint; /* NULL: by region; for DynamoDB only, never STS */
    const char *table;
    const char *index; /* NULL: the table itself */
    const char *key_condition;
    const char *filter;               /* NULL: none */
    const char *names;                /* ExpressionAttributeNames, NULL: none */
    const char *values;               /* ExpressionAttributeValues, NULL: none; may hold "$now" */
    const char *const *client_values; /* placeholders that a request may set, with ":" */
    const char *const *shards; /* of sumOver: for each value {":placeholder":{"S":"value"}} */
    uint32_t client_value_count;
    uint32_t shard_count; /* 0: one Query */
    uint64_t count_limit; /* stop once the count reaches it; 0: no limit */
    uint32_t max_pages;   /* 0: no limit */
    bool uses_now;        /* an N is "$now" or "$now-3600": the values change with time */
    bool consistent_read;
};

#endif
