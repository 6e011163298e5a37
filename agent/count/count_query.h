/* SPDX-License-Identifier: Apache-2.0 */
/* One Query over all its pages: credentials, body, call, parse, sum, until a reply has no
 * LastEvaluatedKey, a limit of the trigger is reached, or the count is enough for those who wait.
 * A failed page is retried with the sum kept; the pages of one count are not a snapshot of the
 * table. */
#ifndef TALLY_AGENT_COUNT_COUNT_QUERY_H
#define TALLY_AGENT_COUNT_COUNT_QUERY_H

#include "agent/aws/retry.h"
#include "agent/config/trigger.h"
#include "agent/count/cache.h"
#include "agent/credentials/identity.h"

#include <stddef.h>

struct count_query;

/* One page, as `explain` shows it. */
struct count_query_page {
    uint32_t number; /* from 1 */
    uint64_t count;
    uint64_t scanned;
    double consumed_rcu;
    int64_t elapsed_us; /* of the attempt that succeeded */
    unsigned attempts;
    bool last;
    uint16_t shard; /* of a shard_sum: which value it is of, from 0 */
};

struct count_query_events {
    /* A page arrived; `so_far` is the sum with it. May be NULL. Must not cancel the count query. */
    void (*page)(void *data, const struct count_query_page *page, const struct count_value *so_far);

    /* An attempt to get credentials failed and is retried. May be NULL. */
    void (*trouble)(void *data, const struct failure *failure);

    /* An attempt failed, and the next one is made after delay_ms. May be NULL. */
    void (*retrying)(void *data, const struct failure *failure, int64_t delay_ms);

    /* The end: a value, or NULL and a failure. Called exactly once unless cancelled, perhaps before
     * count_query_start returns (then its result must not be used). */
    void (*done)(void *data, const struct count_value *value, const struct failure *failure);
};

/* What the callers want: updated by them, read before each page. */
struct count_goal {
    uint64_t enough;    /* it may end at a count of this; 0: at the trigger's limits only */
    int64_t max_age_ms; /* a number of the fleet younger than this will do */
};

/* How many items the next page is to evaluate after the sum so far, for a count that ends at
 * `end_at` (0: at the last page); 0: as many as DynamoDB reads for one page. */
uint64_t count_query_page_limit(
    const struct query *query, uint64_t end_at, const struct count_value *sum);

struct count_query_options {
    struct loop *loop;
    struct aws_client *client;
    const struct endpoint_environment *environment;
    struct identity *identity;             /* borrowed until the end */
    const struct query *query;             /* borrowed until the end */
    const char *values;                    /* replaces query->values; NULL: does not. Borrowed */
    int64_t unix_seconds;                  /* what "$now" stands for; 0: the time of the start */
    const struct retry_patience *patience; /* for a page, or for credentials. Borrowed */
    bool is_dated;                         /* count_query_completed_ms is needed */
    const struct count_goal *goal;         /* borrowed; NULL: the trigger's limits only */
};

/* NULL: done was called already. */
struct count_query *count_query_start(
    const struct count_query_options *options, const struct count_query_events *events, void *data);

/* AWS's time when its latest page was counted, in ms; not later than that. */
int64_t count_query_completed_ms(const struct count_query *counting);

/* Ends the count query without calling done. */
void count_query_cancel(struct count_query *counting);

/* The pages of one count, for callers that show how it was computed. */

#define PAGE_LOG_MAX 1000 /* kept pages; all are counted */

struct page_log { /* zeroed: no pages */
    struct count_query_page *pages;
    size_t count;
    size_t capacity;
    int64_t unix_seconds; /* "$now" of the requests */
    uint64_t first_count; /* of the first page */
};

/* If out of memory the log ends here. */
void page_log_add(struct page_log *log, const struct count_query_page *page);

/* Replaces `to` and empties `from`. */
void page_log_move(struct page_log *to, struct page_log *from);
void page_log_clear(struct page_log *log);

#endif
