/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/count/shard_sum.h"

#include "agent/aws/dynamodb.h"
#include "proto/saturating.h"

#include <stdlib.h>

#define SHARDS_IN_FLIGHT                                                                           \
    4 /* one partition serves each: more would burst, fewer would take longer */

struct shard {
    struct shard_sum *sum;
    size_t number;
    struct count_query *counting; /* NULL: not begun, or ended */
    char *values;
    struct count_goal goal; /* what the other shards leave to this one */
    struct count_value value;
};

struct shard_sum {
    struct count_query_options options;
    struct query query; /* the caller's without countLimit, which holds for the sum */
    struct count_query_events events;
    void *data;
    struct count_value total;
    size_t next; /* the first shard that has not begun */
    size_t ended;
    bool is_bound;   /* one shard ended where it was enough */
    bool unfinished; /* one ended before its last page */
    bool starting;   /* shard_sum_start, or the start of a shard, has not returned */
    bool over;
    int64_t completed_ms;  /* the earliest; 0: none */
    int64_t completed_at;  /* the same by loop_now */
    struct shard shards[]; /* query.shard_count */
};

char *shard_sum_values(const struct query *query, const char *values, size_t shard)
{
    return dynamodb_merge_values(values != NULL ? values : query->values, query->shards[shard]);
}

/* ---- the end ---- */

static void shard_sum_free(struct shard_sum *sum)
{
    for (size_t i = 0; i < sum->query.shard_count; i++)
        free(sum->shards[i].values);
    free(sum);
}

static void shard_sum_stop(struct shard_sum *sum)
{
    for (size_t i = 0; i < sum->next; i++) {
        struct shard *shard = &sum->shards[i];

        if (shard->counting != NULL)
            count_query_cancel(shard->counting);
        shard->counting = NULL;
    }
}

static void shard_sum_end(
    struct shard_sum *sum, const struct count_value *value, const struct failure *failure)
{
    sum->over = true;
    shard_sum_stop(sum);
    sum->events.done(sum->data, value, failure);
    if (!sum->starting)
        shard_sum_free(sum);
}

/* ---- the goal ---- */

static uint64_t shard_sum_enough(const struct shard_sum *sum)
{
    return sum->options.goal != NULL ? sum->options.goal->enough : 0;
}

/* The count at which the sum ends; 0: at the last page of the last shard. */
static uint64_t shard_sum_end_at(const struct shard_sum *sum)
{
    uint64_t limit = sum->options.query->count_limit;
    uint64_t enough = shard_sum_enough(sum);

    return limit == 0 || (enough > 0 && enough < limit) ? enough : limit;
}

static bool shard_sum_is_enough(const struct shard_sum *sum)
{
    uint64_t end_at = shard_sum_end_at(sum);

    return end_at > 0 && sum->total.count >= end_at;
}

/* Each shard may go as far as the others have left. */
static void shard_sum_set_goals(struct shard_sum *sum)
{
    uint64_t end_at = shard_sum_end_at(sum);

    for (size_t i = 0; i < sum->next; i++) {
        struct shard *shard = &sum->shards[i];
        uint64_t others = sum->total.count - shard->value.count;

        shard->goal.enough = end_at == 0 ? 0 : end_at > others ? end_at - others : 1;
    }
}

static void shard_sum_finish(struct shard_sum *sum)
{
    uint64_t limit = sum->options.query->count_limit;
    bool at_limit = limit > 0 && sum->total.count >= limit;
    bool all_ended = sum->ended == sum->query.shard_count;

    sum->total.at_least = sum->unfinished || !all_ended;
    sum->total.is_bound = !at_limit && (sum->is_bound || !all_ended);
    shard_sum_end(sum, &sum->total, NULL);
}

/* ---- events of a shard ---- */

static void on_page(
    void *data, const struct count_query_page *page, const struct count_value *so_far)
{
    struct shard *shard = data;
    struct shard_sum *sum = shard->sum;
    struct count_query_page shown = *page;

    shard->value = *so_far;
    sum->total.count += page->count;
    sum->total.scanned += page->scanned;
    sum->total.consumed_rcu += page->consumed_rcu;
    sum->total.pages++;
    shown.number = sum->total.pages;
    shown.shard = (uint16_t)shard->number;
    shown.last = page->last && sum->ended + 1 == sum->query.shard_count;
    if (sum->events.page != NULL)
        sum->events.page(sum->data, &shown, &sum->total);
    shard_sum_set_goals(sum);
}

static void on_trouble(void *data, const struct failure *failure)
{
    struct shard *shard = data;

    if (shard->sum->events.trouble != NULL)
        shard->sum->events.trouble(shard->sum->data, failure);
}

static void on_retrying(void *data, const struct failure *failure, int64_t delay_ms)
{
    struct shard *shard = data;

    if (shard->sum->events.retrying != NULL)
        shard->sum->events.retrying(shard->sum->data, failure, delay_ms);
}

static void shard_sum_begin(struct shard_sum *sum);

static void shard_completed(struct shard_sum *sum, const struct shard *shard)
{
    int64_t completed_ms = shard->counting != NULL ? count_query_completed_ms(shard->counting) : 0;

    if (sum->completed_ms != 0 && completed_ms >= sum->completed_ms)
        return;
    sum->completed_ms = completed_ms;
    sum->completed_at = loop_now(sum->options.loop);
}

static void on_shard_done(
    void *data, const struct count_value *value, const struct failure *failure)
{
    struct shard *shard = data;
    struct shard_sum *sum = shard->sum;

    shard_completed(sum, shard);
    shard->counting = NULL;
    if (failure != NULL) {
        shard_sum_end(sum, NULL, failure);
        return;
    }
    sum->ended++;
    sum->unfinished |= value->at_least;
    sum->is_bound |= value->is_bound;
    if (shard_sum_is_enough(sum) || sum->ended == sum->query.shard_count)
        shard_sum_finish(sum);
    else
        shard_sum_begin(sum);
}

/* ---- the start ---- */

static void shard_start(struct shard *shard)
{
    static const struct count_query_events events = {
        .page = on_page, .trouble = on_trouble, .retrying = on_retrying, .done = on_shard_done};
    struct shard_sum *sum = shard->sum;
    struct count_query_options options = sum->options;
    struct count_query *counting;
    struct failure failure;

    shard->values = shard_sum_values(&sum->query, sum->options.values, shard->number);
    if (shard->values == NULL) {
        failure_set(&failure, ERROR_INTERNAL, "no memory for a count");
        shard_sum_end(sum, NULL, &failure);
        return;
    }
    options.query = &sum->query;
    options.values = shard->values;
    options.goal = &shard->goal;
    counting = count_query_start(&options, &events, shard);
    if (counting != NULL)
        shard->counting = counting;
}

/* Begins as many shards as may be in flight. The sum may have ended when this returns, and is freed
 * then. */
static void shard_sum_begin(struct shard_sum *sum)
{
    bool was_starting = sum->starting;

    sum->starting = true;
    while (!sum->over && sum->next < sum->query.shard_count &&
           sum->next - sum->ended < SHARDS_IN_FLIGHT) {
        struct shard *shard = &sum->shards[sum->next++];

        shard_sum_set_goals(sum);
        shard_start(shard);
    }
    sum->starting = was_starting;
    if (sum->over && !sum->starting)
        shard_sum_free(sum);
}

struct shard_sum *shard_sum_start(
    const struct count_query_options *options, const struct count_query_events *events, void *data)
{
    size_t count = options->query->shard_count;
    struct shard_sum *sum = calloc(1, sizeof(*sum) + count * sizeof(sum->shards[0]));
    struct failure failure;

    if (sum == NULL) {
        failure_set(&failure, ERROR_INTERNAL, "no memory for a count");
        events->done(data, NULL, &failure);
        return NULL;
    }
    sum->options = *options;
    sum->query = *options->query;
    sum->query.count_limit = 0;
    sum->events = *events;
    sum->data = data;
    for (size_t i = 0; i < count; i++) {
        sum->shards[i].sum = sum;
        sum->shards[i].number = i;
    }
    sum->starting = true;
    shard_sum_begin(sum);
    sum->starting = false;
    if (sum->over) {
        shard_sum_free(sum);
        return NULL;
    }
    return sum;
}

int64_t shard_sum_completed_ms(const struct shard_sum *sum)
{
    return sum->completed_ms;
}

int64_t shard_sum_age_ms(const struct shard_sum *sum)
{
    return saturating_subtract(loop_now(sum->options.loop), sum->completed_at);
}

void shard_sum_cancel(struct shard_sum *sum)
{
    shard_sum_stop(sum);
    shard_sum_free(sum);
}
