/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/count/count_query.h"

#include "agent/aws/dynamodb.h"
#include "agent/credentials/identity.h"
#include "agent/fnv.h"
#include "agent/wiping_heap.h"
#include "proto/saturating.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- count query ---- */

#define PAGE_ITEMS      1000000u /* more than 1 MB can hold: a higher Limit has no effect */
#define FILTERED_PAGES  8    /* with a filter: pages with a Limit, each double the one before; */
#define FILTERED_LEAST  100u /* the first evaluates this many items, */
#define FILTERED_FACTOR 4u   /* or this many for each that is wanted */

#define BODY_BYTES (512u * 1024u) /* expressions, values: at most 64 KiB each; and a key */

struct count_query {
    struct count_query_options options;
    struct count_query_events events;
    void *data;
    char what[160];
    struct endpoint endpoint;
    struct signed_call call; /* of the page under way */
    struct buffer body;
    struct dynamodb_page page; /* as parsed by the call, until on_reply took it */
    char *start_key;
    uint64_t limit;       /* of the page under way; 0: none */
    uint32_t cut_pages;   /* pages that ended at their limit: none of them is one of maxPages */
    uint64_t mark;        /* hash of the key of the latest page whose number is a power of two */
    int64_t unix_seconds; /* "$now" of all pages */
    int64_t completed_ms; /* AWS's time at the latest page */
    bool starting;        /* count_query_start has not returned */
    bool ended;
    struct count_value sum;
};

static void count_query_free(struct count_query *counting)
{
    signed_call_clear(&counting->call);
    buffer_free(&counting->body);
    dynamodb_page_clear(&counting->page);
    wiping_free(counting->start_key);
    free(counting);
}

static void count_query_end(
    struct count_query *counting, const struct count_value *value, const struct failure *failure)
{
    counting->ended = true;
    counting->events.done(counting->data, value, failure);
    if (!counting->starting)
        count_query_free(counting);
}

/* ---- pages ---- */

/* DynamoDB traverses a table in one direction: a repeated key would cause endless requests. Brent's
 * algorithm finds a cycle of any length, with one stored key. */
static bool key_repeats(const struct count_query *counting, const char *key)
{
    return (counting->start_key != NULL && strcmp(key, counting->start_key) == 0) ||
           (counting->sum.pages > 0 && fnv_text(FNV_START, key) == counting->mark);
}

static int count_query_parse_reply(
    void *data, const void *body, size_t len, char *why, size_t why_size)
{
    struct count_query *counting = data;
    int r = dynamodb_parse_page(body, len, &counting->page, why, why_size);

    if (r < 0 || counting->page.last_key == NULL || !key_repeats(counting, counting->page.last_key))
        return r;
    dynamodb_page_clear(&counting->page);
    snprintf(why, why_size, "its LastEvaluatedKey is that of an earlier page");
    return -ELOOP; /* a server that cycles through its keys would cause endless requests */
}

static void on_retrying(void *data, const struct failure *failure, int64_t delay_ms)
{
    struct count_query *counting = data;

    if (counting->events.retrying != NULL)
        counting->events.retrying(counting->data, failure, delay_ms);
}

static bool count_query_at_limit(const struct count_query *counting)
{
    const struct query *query = counting->options.query;

    return (query->count_limit > 0 && counting->sum.count >= query->count_limit) ||
           (query->max_pages > 0 && counting->sum.pages - counting->cut_pages >= query->max_pages);
}

static uint64_t count_query_enough(const struct count_query *counting)
{
    return counting->options.goal != NULL ? counting->options.goal->enough : 0;
}

/* The count at which this one ends; 0: at the last page. */
static uint64_t count_query_end_at(const struct count_query *counting)
{
    uint64_t limit = counting->options.query->count_limit;
    uint64_t enough = count_query_enough(counting);

    return limit == 0 || (enough > 0 && enough < limit) ? enough : limit;
}

/* `Limit` counts items before the filter, so behind a filter the pages grow, and after a few the
 * whole page is cheaper than more requests. With maxPages a filtered page is always a whole one,
 * because one that ends at its limit is none of maxPages. */
uint64_t count_query_page_limit(
    const struct query *query, uint64_t end_at, const struct count_value *sum)
{
    uint64_t limit = end_at > sum->count ? end_at - sum->count : 0;

    if (limit > PAGE_ITEMS)
        return 0;
    if (query->filter != NULL && limit > 0) {
        if (query->max_pages > 0 || sum->pages >= FILTERED_PAGES)
            return 0;
        limit *= FILTERED_FACTOR;
        limit = (limit > FILTERED_LEAST ? limit : FILTERED_LEAST) << sum->pages;
    }
    return limit <= PAGE_ITEMS ? limit : 0;
}

/* Adds the page that parse_reply stored; true if another page follows. */
static bool take_page(struct count_query *counting, const struct aws_reply *reply)
{
    struct dynamodb_page *page = &counting->page;
    struct count_query_page shown = {.number = counting->sum.pages + 1,
        .count = page->count,
        .scanned = page->scanned,
        .consumed_rcu = page->consumed_rcu,
        .elapsed_us = reply->elapsed_us,
        .attempts = reply->attempts,
        .last = page->last_key == NULL};

    counting->sum.count += page->count;
    counting->sum.scanned += page->scanned;
    counting->sum.consumed_rcu += page->consumed_rcu;
    counting->sum.pages++;
    if (counting->limit > 0 && page->scanned >= counting->limit && page->last_key != NULL)
        counting->cut_pages++;
    wiping_free(counting->start_key);
    counting->start_key = page->last_key;
    page->last_key = NULL;
    if (counting->start_key != NULL && (counting->sum.pages & (counting->sum.pages - 1)) == 0)
        counting->mark = fnv_text(FNV_START, counting->start_key);
    if (counting->events.page != NULL)
        counting->events.page(counting->data, &shown, &counting->sum);
    counting->sum.is_bound = counting->start_key != NULL && !count_query_at_limit(counting) &&
                             count_query_enough(counting) > 0 &&
                             counting->sum.count >= count_query_enough(counting);
    counting->sum.at_least = counting->start_key != NULL &&
                             (counting->sum.is_bound || count_query_at_limit(counting));
    return counting->start_key != NULL && !counting->sum.at_least;
}

/* Builds the body of the next page's Query. */
static bool count_query_build_page(struct count_query *counting, struct failure *failure)
{
    counting->limit = count_query_page_limit(
        counting->options.query, count_query_end_at(counting), &counting->sum);
    buffer_clear(&counting->body);
    dynamodb_query_body(&counting->body, counting->options.query, counting->options.values,
        counting->unix_seconds, counting->start_key, counting->limit);
    if (counting->body.failed)
        failure_set_buffer(failure, counting->what, &counting->body);
    return !counting->body.failed;
}

static void count_query_send_page(struct count_query *counting)
{
    struct aws_request request = {.service = AWS_DYNAMODB,
        .what = counting->what,
        .endpoint = &counting->endpoint,
        .content_type = DYNAMODB_CONTENT_TYPE,
        .target = DYNAMODB_QUERY_TARGET,
        .body = counting->body.data,
        .body_len = counting->body.len,
        .max_reply = DYNAMODB_REPLY_BYTES,
        .is_dated = counting->options.is_dated,
        .retry_base_ms = RETRY_BASE_DYNAMODB_MS,
        .parse_reply = count_query_parse_reply,
        .parse_error = dynamodb_parse_error,
        .patience = counting->options.patience};

    signed_call_start(&counting->call, &request);
}

static void on_page_done(void *data, const struct aws_reply *reply, const struct failure *failure)
{
    struct count_query *counting = data;
    struct failure unbuilt;

    if (failure != NULL) {
        count_query_end(counting, NULL, failure);
        return;
    }
    counting->completed_ms = saturating_subtract(reply->made_ms, reply->aws_error_ms);
    if (!take_page(counting, reply))
        count_query_end(counting, &counting->sum, NULL);
    else if (count_query_build_page(counting, &unbuilt))
        count_query_send_page(counting);
    else
        count_query_end(counting, NULL, &unbuilt);
}

/* ---- start and cancel ---- */

static int count_query_find_endpoint(struct count_query *counting, struct failure *failure)
{
    const struct query *query = counting->options.query;
    char why[200];

    if (query->region[0] == '\0') {
        failure_set(failure, ERROR_NOT_ALLOWED,
            "Query of table %.80s: its awsRegion was not known when the configuration was read; "
            "mount it, then reload (SIGHUP)",
            query->table);
        return -EINVAL;
    }
    if (endpoint_dynamodb(&counting->endpoint, counting->options.environment, query->region,
            query->endpoint, why, sizeof(why)) == 0)
        return 0;
    failure_set(failure, ERROR_NOT_ALLOWED, "%s: %s", counting->what, why);
    return -EINVAL;
}

static void on_trouble(void *data, const struct failure *failure)
{
    struct count_query *counting = data;

    if (counting->events.trouble != NULL)
        counting->events.trouble(counting->data, failure);
}

static const struct signed_call_events count_query_call_events = {
    .trouble = on_trouble, .retrying = on_retrying, .done = on_page_done};

struct count_query *count_query_start(
    const struct count_query_options *options, const struct count_query_events *events, void *data)
{
    struct count_query *counting = calloc(1, sizeof(*counting));
    struct failure failure;

    if (counting == NULL) {
        failure_set(&failure, ERROR_INTERNAL, "no memory for a count");
        events->done(data, NULL, &failure);
        return NULL;
    }
    counting->options = *options;
    counting->events = *events;
    counting->data = data;
    signed_call_init(&counting->call, options->loop, options->client, options->identity,
        &count_query_call_events, counting);
    counting->unix_seconds = options->unix_seconds != 0 ? options->unix_seconds
                                                        : aws_client_wall(options->client) / 1000;
    buffer_init(&counting->body, BODY_BYTES);
    snprintf(counting->what, sizeof(counting->what), "Query of table %.80s in %.40s",
        options->query->table, options->query->region);
    if (count_query_find_endpoint(counting, &failure) < 0 ||
        !count_query_build_page(counting, &failure)) {
        events->done(data, NULL, &failure);
        count_query_free(counting);
        return NULL;
    }
    counting->starting = true;
    count_query_send_page(counting);
    counting->starting = false;
    if (counting->ended) {
        count_query_free(counting);
        return NULL;
    }
    return counting;
}

int64_t count_query_completed_ms(const struct count_query *counting)
{
    return counting->completed_ms;
}

void count_query_cancel(struct count_query *counting)
{
    count_query_free(counting);
}

/* ---- page log ---- */

#define PAGES_FIRST 4 /* array_grow begins with 16: each trigger keeps a log */

static bool count_query_reserve(struct page_log *log)
{
    size_t wanted = log->capacity == 0 ? PAGES_FIRST : log->capacity * 2;
    struct count_query_page *pages;

    if (log->count < log->capacity)
        return true;
    pages = reallocarray(log->pages, wanted, sizeof(*pages));
    if (pages == NULL)
        return false;
    log->pages = pages;
    log->capacity = wanted;
    return true;
}

void page_log_add(struct page_log *log, const struct count_query_page *page)
{
    if (page->number == 1)
        log->first_count = page->count;
    /* After a missing page the log would be wrong. */
    if (log->count == page->number - 1 && log->count < PAGE_LOG_MAX && count_query_reserve(log))
        log->pages[log->count++] = *page;
}

void page_log_move(struct page_log *to, struct page_log *from)
{
    page_log_clear(to);
    *to = *from;
    *from = (struct page_log){.pages = NULL};
}

void page_log_clear(struct page_log *log)
{
    free(log->pages);
    *log = (struct page_log){.pages = NULL};
}
