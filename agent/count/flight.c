/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/count/flight.h"

#include "agent/count/shard_sum.h"
#include "agent/log.h"
#include "proto/saturating.h"

#include <stdio.h>
#include <stdlib.h>

#define ATTENDANCE_MS 5000 /* between two checks whether the flight is still wanted */

struct flight {
    struct count_context *context;
    struct snapshot *snapshot;
    struct count_query_options options;
    struct shared_count_options share; /* table NULL: the count is not shared */
    struct shared_count *shared;       /* after it has begun; NULL: none */
    struct count_query *counting;      /* NULL before it begins, and while the fleet is asked; */
    struct shard_sum *sum;             /* instead of it, where the trigger has sumOver */
    bool has_begun;                    /* the delay is over */
    struct loop_timer *timer; /* until it begins, then until the next check of the limits */
    int64_t ends_at;          /* the flight timeout */
    int64_t joined_at;        /* the latest request, or the begin */
    struct flight_progress progress;
    struct page_log pages;
    struct flight_patience patience;
    struct count_goal goal;
    struct rcu_meter *meter;
    struct rcu_budget *budget;
    double expected_rcu;
    const struct flight_events *events;
    void *data;
};

static void flight_free(struct flight *flight)
{
    loop_timer_destroy(flight->timer);
    snapshot_unref(flight->snapshot);
    page_log_clear(&flight->pages);
    free(flight);
}

static void flight_end(
    struct flight *flight, const struct count_value *value, const struct failure *failure)
{
    struct count_stats *stats = &flight->context->stats;

    stats->flights_active--;
    if (value != NULL)
        stats->flights_succeeded++;
    else
        stats->flights_failed++;
    flight->events->done(flight->data, value, failure);
    flight_free(flight);
}

/* `name` is the budget's in the log. */
static void flight_charge_budget(
    struct rcu_budget *budget, const char *name, double units, int64_t now)
{
    rcu_budget_use(budget, units, now);
    if (rcu_budget_is_low(budget, now))
        log_often(LOG_LEVEL_WARN, "budget_low", LOG_TEXT("budget", name),
            LOG_NUMBER("rcu_left", (int64_t)rcu_budget_left(budget, now)));
}

static void flight_charge(struct flight *flight, double units)
{
    struct count_context *context = flight->context;
    int64_t now = loop_now(context->loop);

    rcu_meter_add(&context->stats.consumed, units, now);
    if (flight->meter != NULL)
        rcu_meter_add(flight->meter, units, now);
    flight_charge_budget(&context->budget, "--budget", units, now);
    if (flight->budget != NULL)
        flight_charge_budget(flight->budget, flight->options.query->table, units, now);
}

static void on_page(
    void *data, const struct count_query_page *page, const struct count_value *so_far)
{
    struct flight *flight = data;

    flight->progress.failed_attempts = 0;
    flight->progress.last_attempt.code = ERROR_NONE;
    flight->progress.so_far = *so_far;
    flight_charge(flight, page->consumed_rcu);
    flight->pages.unix_seconds = flight->options.unix_seconds;
    page_log_add(&flight->pages, page);
    if (flight->events->page != NULL && !page->last)
        flight->events->page(flight->data);
}

static void on_retrying(void *data, const struct failure *failure, int64_t delay_ms)
{
    struct flight *flight = data;

    flight->progress.failed_attempts++;
    flight->progress.last_attempt = *failure;
    if (flight->events->retrying != NULL)
        flight->events->retrying(flight->data, delay_ms);
}

static void on_trouble(void *data, const struct failure *failure)
{
    struct flight *flight = data;

    flight->progress.last_attempt = *failure;
}

/* AWS's time at the last page; 0: of a sum of which no value is complete yet. */
static int64_t flight_completed_ms(const struct flight *flight)
{
    return flight->sum != NULL ? shard_sum_completed_ms(flight->sum)
                               : count_query_completed_ms(flight->counting);
}

/* Shares the result with the fleet, if this agent counted for it. */
static void flight_share(
    struct flight *flight, const struct count_value *value, const struct failure *failure)
{
    struct shared_count *shared = flight->shared;

    flight->shared = NULL;
    if (shared == NULL)
        return;
    if (value == NULL)
        shared_count_fail(shared, failure);
    else if (value->is_bound)
        shared_count_leave(shared);
    else
        shared_count_publish(shared, value, flight_completed_ms(flight));
}

static void on_count_done(
    void *data, const struct count_value *value, const struct failure *failure)
{
    struct flight *flight = data;

    if (value != NULL && flight->sum != NULL)
        flight->progress.age_ms = shard_sum_age_ms(flight->sum);
    flight_share(flight, value, failure);
    flight_end(flight, value, failure);
}

/* Ends it from outside: what is under way is cancelled. */
static void flight_stop(struct flight *flight)
{
    if (flight->counting != NULL)
        count_query_cancel(flight->counting);
    if (flight->sum != NULL)
        shard_sum_cancel(flight->sum);
    if (flight->shared != NULL)
        shared_count_leave(flight->shared);
}

/* The pages so far are paid for: they are a lower bound for those who wait, and for those who will
 * ask what it is enough for. */
static void flight_end_early(struct flight *flight, bool is_bound, const struct failure *failure)
{
    struct count_value value = flight->progress.so_far;

    value.at_least = true;
    value.is_bound = is_bound;
    value.is_partial = !is_bound;
    /* Another agent would pay for the same pages, and come no further. */
    if (!is_bound && value.count > 0 && flight_completed_ms(flight) > 0)
        flight_share(flight, &value, failure);
    flight_stop(flight);
    if (value.pages == 0)
        flight_end(flight, NULL, failure);
    else
        flight_end(flight, &value, is_bound ? NULL : failure);
}

static void flight_too_long(struct flight *flight)
{
    struct failure failure;

    failure_set(&failure, ERROR_TIMEOUT,
        "counting took longer than the flight timeout of %lld ms: %llu items on %u pages so far; "
        "set countLimit or maxPages, or a longer --flight-timeout",
        (long long)flight->context->flight_timeout_ms,
        (unsigned long long)flight->progress.so_far.count, flight->progress.so_far.pages);
    flight_end_early(flight, false, &failure);
}

static void flight_unattended(struct flight *flight, int64_t unattended_ms)
{
    struct failure failure;

    failure_set(&failure, ERROR_TIMEOUT,
        "counting was given up because no request waited for it for %lld s: %llu items on %u pages "
        "so far",
        (long long)(unattended_ms / 1000), (unsigned long long)flight->progress.so_far.count,
        flight->progress.so_far.pages);
    flight_end_early(flight, true, &failure);
}

static void flight_check_limits(struct flight *flight)
{
    int64_t now = loop_now(flight->context->loop);
    int64_t left = flight->ends_at - now;
    int64_t unattended_ms = now - flight->joined_at;

    if (left <= 0)
        flight_too_long(flight);
    else if (unattended_ms >= flight->patience.unattended_ms)
        flight_unattended(flight, unattended_ms);
    else
        loop_timer_start(flight->timer, left < ATTENDANCE_MS ? left : ATTENDANCE_MS);
}

/* How long the budgets make a count of this cost wait; 0: it may start. */
static int64_t flight_budget_wait(const struct flight *flight, const char **which)
{
    int64_t now = loop_now(flight->context->loop);
    int64_t all = rcu_budget_wait_ms(&flight->context->budget, flight->expected_rcu, now);
    int64_t own =
        flight->budget != NULL ? rcu_budget_wait_ms(flight->budget, flight->expected_rcu, now) : 0;

    *which = own > all ? "the trigger's budget" : "--budget";
    return own > all ? own : all;
}

static bool flight_is_over_budget(struct flight *flight, struct failure *failure)
{
    const struct query *query = flight->options.query;
    const char *which;
    int64_t wait_ms = flight_budget_wait(flight, &which);

    if (wait_ms == 0)
        return false;
    flight->context->stats.over_budget++;
    failure_set(failure, ERROR_BUSY,
        "%s is used up, so table %.80s is not counted before retry_after_ms; a countLimit, "
        "`enough`, --share-table or a longer pollingInterval costs less",
        which, query->table);
    failure->stage = STAGE_BUDGET;
    failure->retry_after_ms = wait_ms;
    return true;
}

static void flight_count(struct flight *flight)
{
    static const struct count_query_events events = {
        .page = on_page, .trouble = on_trouble, .retrying = on_retrying, .done = on_count_done};
    struct count_query *counting = NULL;
    struct shard_sum *sum = NULL;
    struct failure failure;

    if (flight_is_over_budget(flight, &failure)) {
        on_count_done(flight, NULL, &failure);
        return;
    }

    flight->options.unix_seconds = aws_client_wall(flight->context->client) / 1000;
    if (flight->options.query->shard_count > 0)
        sum = shard_sum_start(&flight->options, &events, flight);
    else
        counting = count_query_start(&flight->options, &events, flight);
    if (counting != NULL)
        flight->counting = counting;
    else if (sum != NULL)
        flight->sum = sum;
    /* else it has ended already, and the flight with it */
}

static void on_shared_answer(
    void *data, const struct count_value *value, int64_t age_ms, const char *owner)
{
    struct flight *flight = data;

    flight->shared = NULL;
    flight->progress.age_ms = age_ms;
    snprintf(flight->progress.counted_by, sizeof(flight->progress.counted_by), "%s", owner);
    flight_end(flight, value, NULL);
}

static void on_shared_failure(void *data, const struct failure *failure)
{
    struct flight *flight = data;

    flight->shared = NULL;
    flight_end(flight, NULL, failure);
}

static void on_shared_count(void *data)
{
    flight_count(data);
}

/* Whether the fleet is asked first. */
static bool flight_ask_fleet(struct flight *flight)
{
    static const struct shared_count_events events = {
        .answer = on_shared_answer, .failed = on_shared_failure, .count = on_shared_count};
    struct shared_count_options *share = &flight->share;
    const char *which;

    if (share->table == NULL || share->memory->not_before > loop_now(flight->context->loop))
        return false;
    share->look_only = flight_budget_wait(flight, &which) > 0;
    flight->shared = shared_count_start(share, &events, flight);
    return flight->shared != NULL;
}

static void flight_begin(struct flight *flight)
{
    flight->has_begun = true;
    flight->joined_at = loop_now(flight->context->loop);
    flight->ends_at = saturating_add(flight->joined_at, flight->context->flight_timeout_ms);
    loop_timer_start(flight->timer, flight->context->flight_timeout_ms < ATTENDANCE_MS
                                        ? flight->context->flight_timeout_ms
                                        : ATTENDANCE_MS);
    if (!flight_ask_fleet(flight))
        flight_count(flight);
}

static void flight_timer_fired(void *data)
{
    struct flight *flight = data;

    if (flight->has_begun)
        flight_check_limits(flight);
    else
        flight_begin(flight);
}

struct flight *flight_start(struct count_context *context, const struct flight_options *options,
    const struct flight_events *events, void *data)
{
    struct flight *flight = calloc(1, sizeof(*flight));

    if (flight == NULL)
        return NULL;
    flight->timer = loop_timer_create(context->loop, flight_timer_fired, flight);
    if (flight->timer == NULL) {
        free(flight);
        return NULL;
    }
    flight->context = context;
    flight->snapshot = snapshot_ref(options->snapshot);
    flight->options = (struct count_query_options){.loop = context->loop,
        .client = context->client,
        .environment = &context->environment,
        .identity = options->identity,
        .query = options->query,
        .values = options->values,
        .patience = &flight->patience.retry,
        .is_dated = options->share_table != NULL,
        .goal = &flight->goal};
    if (options->share_table != NULL)
        flight->share = (struct shared_count_options){.loop = context->loop,
            .client = context->client,
            .environment = &context->environment,
            .random = context->random,
            .stats = &context->share_stats,
            .all = &context->shared_counts,
            .owner = context->share_owner,
            .table = options->share_table,
            .trigger = options->trigger,
            .values = options->values,
            .identity = options->identity,
            .goal = &flight->goal,
            .memory = options->share_memory};
    flight->patience = options->patience;
    flight->goal = options->goal;
    flight->meter = options->meter;
    flight->budget = options->budget;
    flight->expected_rcu = options->expected_rcu;
    flight->events = events;
    flight->data = data;
    if (options->last != NULL)
        flight->progress.last_attempt = *options->last;
    context->stats.flights_started++;
    context->stats.flights_active++;
    loop_timer_start(flight->timer, options->delay_ms);
    return flight;
}

const struct flight_progress *flight_progress(const struct flight *flight)
{
    return &flight->progress;
}

struct page_log *flight_pages(struct flight *flight)
{
    return &flight->pages;
}

void flight_join(struct flight *flight, const struct count_goal *goal)
{
    flight->joined_at = loop_now(flight->context->loop);
    if (goal->max_age_ms < flight->goal.max_age_ms)
        flight->goal.max_age_ms = goal->max_age_ms;
    if (goal->enough == 0)
        flight->goal.enough = 0;
    else if (flight->goal.enough > 0 && goal->enough > flight->goal.enough)
        flight->goal.enough = goal->enough;
}

void flight_set_patience(struct flight *flight, const struct flight_patience *patience)
{
    flight->patience = *patience;
}

void flight_why_late(const struct flight *flight, struct failure *failure)
{
    const struct flight_progress *progress = flight != NULL ? &flight->progress : NULL;
    char waits[120];

    if (flight != NULL && flight->shared != NULL &&
        shared_count_waits(flight->shared, waits, sizeof(waits))) {
        failure_set(failure, ERROR_TIMEOUT, "no count within the deadline; %s", waits);
    } else if (progress != NULL && progress->last_attempt.code != ERROR_NONE) {
        const struct failure *last = &progress->last_attempt;

        failure_set(
            failure, ERROR_TIMEOUT, "no count within the deadline; last: %s", last->message);
        failure->stage = last->stage;
        failure_set_aws(failure, last->aws_code, last->aws_request_id, last->aws_reasons);
    } else if (progress != NULL && progress->so_far.pages > 0) {
        failure_set(failure, ERROR_TIMEOUT,
            "still counting: %llu items on %u pages so far; ask again, or with a longer timeout",
            (unsigned long long)progress->so_far.count, progress->so_far.pages);
    } else {
        failure_set(failure, ERROR_TIMEOUT, "no count within the deadline; AWS has not answered");
    }
}

void flight_cancel(struct flight *flight)
{
    flight_stop(flight);
    flight->context->stats.flights_active--;
    flight_free(flight);
}
