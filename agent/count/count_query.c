/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/count/count_query.h"

#include "agent/aws/dynamodb.h"
#include "agent/aws/retry.h"
#include "agent/backoff.h"
#include "agent/fnv.h"
#include "agent/wiping_heap.h"
#include "proto/saturating.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- count query ---- */

#define BODY_BYTES               (512u * 1024u) /* expressions, values: at most 64 KiB each; and a key */
#define CREDENTIALS_RETRY_MS     500 /* between attempts, which the identity spaces itself */
#define CREDENTIALS_RETRY_MAX_MS 5000

struct count_query {
    struct count_query_options options;
    struct count_query_events events;
    void *data;
    char what[160];
    struct endpoint endpoint;
    struct provider_request credentials_request;
    struct credentials *credentials; /* those that signed the page under way */
    struct aws_call *call;
    struct loop_timer *timer; /* between attempts to get credentials */
    struct buffer body;
    struct dynamodb_page page; /* as parsed by the call, until on_reply took it */
    char *start_key;
    uint64_t mark;        /* hash of the key of the latest page whose number is a power of two */
    int64_t unix_seconds; /* "$now" of all pages */
    unsigned credential_failures;
    bool replayed; /* this page was sent again with fresh credentials already */
    bool starting; /* count_query_start has not returned */
    bool ended;
    struct count_value sum;
};

static void count_query_get_credentials(struct count_query *counting);

static void count_query_free(struct count_query *counting)
{
    credentials_unref(counting->credentials);
    loop_timer_destroy(counting->timer);
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

static bool limit_reached(const struct count_query *counting)
{
    const struct query *query = counting->options.query;

    return (query->count_limit > 0 && counting->sum.count >= query->count_limit) ||
           (query->max_pages > 0 && counting->sum.pages >= query->max_pages);
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
    wiping_free(counting->start_key);
    counting->start_key = page->last_key;
    page->last_key = NULL;
    if (counting->start_key != NULL && (counting->sum.pages & (counting->sum.pages - 1)) == 0)
        counting->mark = fnv_text(FNV_START, counting->start_key);
    counting->replayed = false;
    if (counting->events.page != NULL)
        counting->events.page(counting->data, &shown, &counting->sum);
    counting->sum.at_least = counting->start_key != NULL && limit_reached(counting);
    return counting->start_key != NULL && !counting->sum.at_least;
}

static void on_reply(void *data, const struct aws_reply *reply)
{
    struct count_query *counting = data;

    counting->call = NULL;
    if (reply->error.outcome == AWS_OK) {
        if (take_page(counting, reply))
            count_query_get_credentials(counting);
        else
            count_query_end(counting, &counting->sum, NULL);
    } else if (reply->error.outcome == AWS_EXPIRED && !counting->replayed) {
        counting->replayed = true;
        identity_refused(counting->options.identity, counting->credentials, reply->error.code);
        count_query_get_credentials(counting);
    } else {
        count_query_end(counting, NULL, &reply->failure);
    }
}

static void send_page(struct count_query *counting)
{
    struct aws_request request = {.service = AWS_DYNAMODB,
        .what = counting->what,
        .endpoint = &counting->endpoint,
        .content_type = DYNAMODB_CONTENT_TYPE,
        .target = DYNAMODB_QUERY_TARGET,
        .credentials = counting->credentials,
        .max_reply = DYNAMODB_REPLY_BYTES,
        .retry_base_ms = RETRY_BASE_DYNAMODB_MS,
        .parse_reply = count_query_parse_reply,
        .parse_error = dynamodb_parse_error,
        .patience = counting->options.patience,
        .retrying = on_retrying};
    struct failure failure;

    buffer_clear(&counting->body);
    dynamodb_query_body(&counting->body, counting->options.query, counting->options.values,
        counting->unix_seconds, counting->start_key);
    request.body = counting->body.data;
    request.body_len = counting->body.len;
    if (counting->body.failed)
        failure_set_buffer(&failure, counting->what, &counting->body);
    else
        counting->call = aws_call_start(
            counting->options.client, &request, on_reply, counting, &failure);
    if (counting->call == NULL)
        count_query_end(counting, NULL, &failure);
}

/* ---- credentials ---- */

static void credentials_timer_fired(void *data)
{
    count_query_get_credentials(data);
}

/* Waits and retries the credentials while a caller still wants the count. */
static bool wait_for_credentials(struct count_query *counting, const struct failure *failure)
{
    int64_t delay = backoff_ms(
        CREDENTIALS_RETRY_MS, CREDENTIALS_RETRY_MAX_MS, counting->credential_failures++);
    int64_t then = saturating_add(loop_now(counting->options.loop), delay);

    if (!failure->retryable ||
        !retry_allowed(counting->options.patience, counting->credential_failures, then))
        return false;
    on_retrying(counting, failure, delay);
    if (counting->timer == NULL)
        counting->timer = loop_timer_create(
            counting->options.loop, credentials_timer_fired, counting);
    if (counting->timer == NULL)
        return false;
    loop_timer_start(counting->timer, delay);
    return true;
}

static void fail_in_clear(struct count_query *counting)
{
    struct failure failure;

    failure_set(&failure, ERROR_NOT_ALLOWED,
        "%s: a session token is not sent over plain http to %.80s; use https, or access keys "
        "without a session token",
        counting->what, counting->endpoint.host);
    count_query_end(counting, NULL, &failure);
}

static void on_credentials(
    void *data, struct credentials *credentials, const struct failure *failure)
{
    struct count_query *counting = data;

    if (credentials == NULL) {
        if (!wait_for_credentials(counting, failure))
            count_query_end(counting, NULL, failure);
        return;
    }
    if (counting->endpoint.in_clear && credentials->session_token != NULL) {
        fail_in_clear(counting);
        return;
    }
    counting->credential_failures = 0;
    credentials_ref(credentials);
    credentials_unref(counting->credentials);
    counting->credentials = credentials;
    send_page(counting);
}

static void on_trouble(void *data, const struct failure *failure)
{
    struct count_query *counting = data;

    if (counting->events.trouble != NULL)
        counting->events.trouble(counting->data, failure);
}

static void count_query_get_credentials(struct count_query *counting)
{
    counting->credentials_request.done = on_credentials;
    counting->credentials_request.trouble = on_trouble;
    counting->credentials_request.data = counting;
    identity_get(counting->options.identity, &counting->credentials_request);
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
    counting->unix_seconds = aws_client_wall(options->client) / 1000;
    buffer_init(&counting->body, BODY_BYTES);
    snprintf(counting->what, sizeof(counting->what), "Query of table %.80s in %.40s",
        options->query->table, options->query->region);
    if (count_query_find_endpoint(counting, &failure) < 0) {
        events->done(data, NULL, &failure);
        count_query_free(counting);
        return NULL;
    }
    counting->starting = true;
    count_query_get_credentials(counting);
    counting->starting = false;
    if (counting->ended) {
        count_query_free(counting);
        return NULL;
    }
    return counting;
}

int64_t count_query_unix_seconds(const struct count_query *counting)
{
    return counting->unix_seconds;
}

void count_query_cancel(struct count_query *counting)
{
    identity_cancel(&counting->credentials_request);
    if (counting->call != NULL)
        aws_call_cancel(counting->call);
    count_query_free(counting);
}

/* ---- page log ---- */

#define ROOM_FIRST 4

static bool count_query_reserve(struct page_log *log)
{
    size_t wanted = log->room == 0 ? ROOM_FIRST : log->room * 2;
    struct count_query_page *pages;

    if (log->count < log->room)
        return true;
    pages = reallocarray(log->pages, wanted, sizeof(*pages));
    if (pages == NULL)
        return false;
    log->pages = pages;
    log->room = wanted;
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
