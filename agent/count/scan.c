#include "agent/count/scan.h"

#include "agent/aws/dynamodb.h"
#include "agent/aws/retry.h"
#include "agent/backoff.h"
#include "agent/fnv.h"
#include "proto/saturating.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_BYTES               (512u * 1024u) /* expressions and values, 64 KiB at most each, and a key */
#define CREDENTIALS_RETRY_MS     500 /* the identity paces its own attempts; this is between them */
#define CREDENTIALS_RETRY_MAX_MS 5000

struct scan {
    struct scan_options options;
    struct scan_events events;
    void *data;
    char what[160];
    struct endpoint endpoint;
    struct provider_request credentials_request;
    struct credentials *credentials; /* those the page under way was signed with */
    struct aws_call *call;
    struct loop_timer *timer; /* between attempts to get credentials */
    struct buffer body;
    struct dynamodb_page page; /* as parsed by the call, until on_reply took it */
    char *start_key;
    uint64_t mark;        /* hash of the key of the latest page whose number is a power of two */
    int64_t unix_seconds; /* "$now" of all pages */
    unsigned credential_failures;
    bool replayed; /* this page was sent again with fresh credentials already */
    bool starting; /* scan_start has not returned */
    bool ended;
    struct count_value sum;
};

static void scan_get_credentials(struct scan *scan);

static void scan_free(struct scan *scan)
{
    credentials_unref(scan->credentials);
    loop_timer_destroy(scan->timer);
    buffer_free(&scan->body);
    dynamodb_page_clear(&scan->page);
    free(scan->start_key);
    free(scan);
}

static void scan_end(
    struct scan *scan, const struct count_value *value, const struct failure *failure)
{
    scan->ended = true;
    scan->events.done(scan->data, value, failure);
    if (!scan->starting)
        scan_free(scan);
}

/* ---- pages ------------------------------------------------------------------------------------
 */

/* DynamoDB goes through a table in one direction: a key that comes again would be asked for without
 * end. By Brent's way a cycle of any length is found, with one key kept. */
static bool key_repeats(const struct scan *scan, const char *key)
{
    return (scan->start_key != NULL && strcmp(key, scan->start_key) == 0) ||
           (scan->sum.pages > 0 && fnv_text(FNV_START, key) == scan->mark);
}

static int parse_reply(void *data, const void *body, size_t len, char *why, size_t why_size)
{
    struct scan *scan = data;
    int r = dynamodb_parse_page(body, len, &scan->page, why, why_size);

    if (r < 0 || scan->page.last_key == NULL || !key_repeats(scan, scan->page.last_key))
        return r;
    dynamodb_page_clear(&scan->page);
    snprintf(why, why_size, "its LastEvaluatedKey is that of an earlier page");
    return -ELOOP; /* a server that answers with its keys in turn would be asked without end */
}

static void on_retrying(void *data, const struct failure *failure, int64_t delay_ms)
{
    struct scan *scan = data;

    if (scan->events.retrying != NULL)
        scan->events.retrying(scan->data, failure, delay_ms);
}

static bool limit_reached(const struct scan *scan)
{
    const struct query *query = scan->options.query;

    return (query->count_limit > 0 && scan->sum.count >= query->count_limit) ||
           (query->max_pages > 0 && scan->sum.pages >= query->max_pages);
}

/* Adds the page that parse_reply left; true where another one is to follow. */
static bool take_page(struct scan *scan, const struct aws_reply *reply)
{
    struct dynamodb_page *page = &scan->page;
    struct scan_page shown = {.number = scan->sum.pages + 1,
        .count = page->count,
        .scanned = page->scanned,
        .consumed_rcu = page->consumed_rcu,
        .elapsed_us = reply->elapsed_us,
        .attempts = reply->attempts,
        .last = page->last_key == NULL};

    scan->sum.count += page->count;
    scan->sum.scanned += page->scanned;
    scan->sum.consumed_rcu += page->consumed_rcu;
    scan->sum.pages++;
    free(scan->start_key);
    scan->start_key = page->last_key;
    page->last_key = NULL;
    if (scan->start_key != NULL && (scan->sum.pages & (scan->sum.pages - 1)) == 0)
        scan->mark = fnv_text(FNV_START, scan->start_key);
    scan->replayed = false;
    if (scan->events.page != NULL)
        scan->events.page(scan->data, &shown, &scan->sum);
    scan->sum.at_least = scan->start_key != NULL && limit_reached(scan);
    return scan->start_key != NULL && !scan->sum.at_least;
}

static void on_reply(void *data, const struct aws_reply *reply)
{
    struct scan *scan = data;

    scan->call = NULL;
    if (reply->error.outcome == AWS_OK) {
        if (take_page(scan, reply))
            scan_get_credentials(scan);
        else
            scan_end(scan, &scan->sum, NULL);
    } else if (reply->error.outcome == AWS_EXPIRED && !scan->replayed) {
        scan->replayed = true;
        identity_refused(scan->options.identity, scan->credentials, reply->error.code);
        scan_get_credentials(scan);
    } else {
        scan_end(scan, NULL, &reply->failure);
    }
}

static void send_page(struct scan *scan)
{
    struct aws_request request = {.service = AWS_DYNAMODB,
        .what = scan->what,
        .endpoint = &scan->endpoint,
        .content_type = DYNAMODB_CONTENT_TYPE,
        .target = DYNAMODB_QUERY_TARGET,
        .credentials = scan->credentials,
        .max_reply = DYNAMODB_REPLY_BYTES,
        .retry_base_ms = RETRY_BASE_DYNAMODB_MS,
        .parse_reply = parse_reply,
        .parse_error = dynamodb_parse_error,
        .patience = scan->options.patience,
        .retrying = on_retrying};
    struct failure failure;

    buffer_clear(&scan->body);
    dynamodb_query_body(&scan->body, scan->options.query, scan->options.values, scan->unix_seconds,
        scan->start_key);
    request.body = scan->body.data;
    request.body_len = scan->body.len;
    if (scan->body.failed)
        failure_set_buffer(&failure, scan->what, &scan->body);
    else
        scan->call = aws_call_start(scan->options.client, &request, on_reply, scan, &failure);
    if (scan->call == NULL)
        scan_end(scan, NULL, &failure);
}

/* ---- credentials ------------------------------------------------------------------------------
 */

static void credentials_timer_fired(void *data)
{
    scan_get_credentials(data);
}

/* Waits for better luck with the credentials where somebody still wants the count. */
static bool wait_for_credentials(struct scan *scan, const struct failure *failure)
{
    int64_t delay = backoff_ms(
        CREDENTIALS_RETRY_MS, CREDENTIALS_RETRY_MAX_MS, scan->credential_failures++);
    int64_t then = saturating_add(loop_now(scan->options.loop), delay);

    if (!failure->retryable ||
        !retry_allowed(scan->options.patience, scan->credential_failures, then))
        return false;
    on_retrying(scan, failure, delay);
    if (scan->timer == NULL)
        scan->timer = loop_timer_create(scan->options.loop, credentials_timer_fired, scan);
    if (scan->timer == NULL)
        return false;
    loop_timer_start(scan->timer, delay);
    return true;
}

static void fail_in_clear(struct scan *scan)
{
    struct failure failure;

    failure_set(&failure, ERROR_NOT_ALLOWED,
        "%s: a session token is not sent over plain http to %.80s; use https, or access keys "
        "without a session token",
        scan->what, scan->endpoint.host);
    scan_end(scan, NULL, &failure);
}

static void on_credentials(
    void *data, struct credentials *credentials, const struct failure *failure)
{
    struct scan *scan = data;

    if (credentials == NULL) {
        if (!wait_for_credentials(scan, failure))
            scan_end(scan, NULL, failure);
        return;
    }
    if (scan->endpoint.in_clear && credentials->session_token != NULL) {
        fail_in_clear(scan);
        return;
    }
    scan->credential_failures = 0;
    credentials_ref(credentials);
    credentials_unref(scan->credentials);
    scan->credentials = credentials;
    send_page(scan);
}

static void on_trouble(void *data, const struct failure *failure)
{
    struct scan *scan = data;

    if (scan->events.trouble != NULL)
        scan->events.trouble(scan->data, failure);
}

static void scan_get_credentials(struct scan *scan)
{
    scan->credentials_request.done = on_credentials;
    scan->credentials_request.trouble = on_trouble;
    scan->credentials_request.data = scan;
    identity_get(scan->options.identity, &scan->credentials_request);
}

/* ---- start and cancel -------------------------------------------------------------------------
 */

static int scan_find_endpoint(struct scan *scan, struct failure *failure)
{
    const struct query *query = scan->options.query;
    char why[200];

    if (query->region[0] == '\0') {
        failure_set(failure, ERROR_NOT_ALLOWED,
            "Query of table %.80s: its awsRegion was not known when the configuration was read; "
            "mount it, then reload (SIGHUP)",
            query->table);
        return -EINVAL;
    }
    if (endpoint_dynamodb(&scan->endpoint, scan->options.environment, query->region,
            query->endpoint, why, sizeof(why)) == 0)
        return 0;
    failure_set(failure, ERROR_NOT_ALLOWED, "%s: %s", scan->what, why);
    return -EINVAL;
}

struct scan *scan_start(
    const struct scan_options *options, const struct scan_events *events, void *data)
{
    struct scan *scan = calloc(1, sizeof(*scan));
    struct failure failure;

    if (scan == NULL) {
        failure_set(&failure, ERROR_INTERNAL, "no memory for a count");
        events->done(data, NULL, &failure);
        return NULL;
    }
    scan->options = *options;
    scan->events = *events;
    scan->data = data;
    scan->unix_seconds = aws_client_wall(options->client) / 1000;
    buffer_init(&scan->body, BODY_BYTES);
    snprintf(scan->what, sizeof(scan->what), "Query of table %.80s in %.40s", options->query->table,
        options->query->region);
    if (scan_find_endpoint(scan, &failure) < 0) {
        events->done(data, NULL, &failure);
        scan_free(scan);
        return NULL;
    }
    scan->starting = true;
    scan_get_credentials(scan);
    scan->starting = false;
    if (scan->ended) {
        scan_free(scan);
        return NULL;
    }
    return scan;
}

int64_t scan_unix_seconds(const struct scan *scan)
{
    return scan->unix_seconds;
}

void scan_cancel(struct scan *scan)
{
    identity_cancel(&scan->credentials_request);
    if (scan->call != NULL)
        aws_call_cancel(scan->call);
    scan_free(scan);
}
