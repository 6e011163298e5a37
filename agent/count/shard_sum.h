/* SPDX-License-Identifier: Apache-2.0 */
/* The count of a trigger with sumOver: one count query for each value, a few at a time, and their
 * sum. It is exact only if each count is; one failure fails it, and what ends a count (countLimit,
 * enough) ends all. Used as a count query is. */
#ifndef TALLY_AGENT_COUNT_SHARD_SUM_H
#define TALLY_AGENT_COUNT_SHARD_SUM_H

#include "agent/count/count_query.h"

struct shard_sum;

/* The page numbers that it reports are those of the sum; maxPages holds for each value. NULL: done
 * was called already. */
struct shard_sum *shard_sum_start(
    const struct count_query_options *options, const struct count_query_events *events, void *data);

/* AWS's time at the last page of the value that was counted first, in ms; not later than that. */
int64_t shard_sum_completed_ms(const struct shard_sum *sum);

/* How long ago that was, by this machine's clock. */
int64_t shard_sum_age_ms(const struct shard_sum *sum);

void shard_sum_cancel(struct shard_sum *sum);

/* The values of one shard's Query: `values` (NULL: the query's own) with the shard's value in them.
 * Heap; NULL: out of memory. */
char *shard_sum_values(const struct query *query, const char *values, size_t shard);

#endif
