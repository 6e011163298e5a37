/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/aws/call.h"

#include "agent/aws/aws_clock.h"
#include "agent/aws/dynamodb.h"
#include "agent/aws/retry.h"
#include "agent/aws/sigv4.h"
#include "agent/log.h"
#include "agent/process.h"
#include "agent/ring.h"
#include "proto/buffer.h"
#include "proto/saturating.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- transport error ---- */

#define REASON "%.160s" /* of libcurl's messages */

/* "https://host:port/…" without the path, in which ECS puts an id that is as secret as a key. */
static int authority_length(const char *url)
{
    const char *scheme_end = strstr(url, "://");
    size_t start = scheme_end != NULL ? (size_t)(scheme_end - url) + 3 : 0;
    size_t len = start + strcspn(url + start, "/");

    return len < 180 ? (int)len : 180;
}

static void set_proxy_error(
    struct aws_error *error, const char *url, const struct http_response *response)
{
    const char *variable = response->proxy->variable;
    int len = authority_length(url);
    struct proxy_parts parts = {.port = 0};
    char why[160];
    char proxy[120];

    proxy_parse(response->proxy, &parts, why, sizeof(why));
    snprintf(proxy, sizeof(proxy), "the proxy %.80s (%.20s)", parts.host, variable);
    if (response->proxy_status == 407 && parts.has_user)
        snprintf(error->message, sizeof(error->message),
            "%s does not accept its user and password for %.*s (HTTP 407)", proxy, len, url);
    else if (response->proxy_status == 407)
        snprintf(error->message, sizeof(error->message),
            "%s requires a user and a password for %.*s (HTTP 407)", proxy, len, url);
    else if (response->proxy_status == 403)
        snprintf(error->message, sizeof(error->message),
            "%s does not allow connections to %.*s (HTTP 403); allow it there, or add the name to "
            "NO_PROXY",
            proxy, len, url);
    else if (response->proxy_status >= 300)
        snprintf(error->message, sizeof(error->message), "%s did not connect to %.*s (HTTP %d)",
            proxy, len, url, response->proxy_status);
    else
        snprintf(error->message, sizeof(error->message), "%s cannot be reached: " REASON, proxy,
            response->error);
}

/* A host name from a setting that does not exist: not every region has every service. */
static const char *hint_of_name(const char *url)
{
    if (strstr(url, "-fips.") != NULL)
        return "; AWS_USE_FIPS_ENDPOINT (or a fips region) gives this name, which not each region "
               "has";
    if (strstr(url, ".api.aws") != NULL || strstr(url, ".api.amazonwebservices.") != NULL ||
        strstr(url, ".api.cloud-aws.") != NULL)
        return "; AWS_USE_DUALSTACK_ENDPOINT gives this name, which not each region has";
    return "";
}

void transport_error_set(
    struct aws_error *error, const char *url, const struct http_response *response)
{
    int len = authority_length(url);

    error->outcome = response->refused_tls ? AWS_REFUSED : AWS_TRANSIENT;
    if (response->proxy != NULL && response->proxy_failed) {
        set_proxy_error(error, url, response);
    } else if (response->refused_tls) {
        snprintf(error->message, sizeof(error->message),
            "the certificate of %.*s is not trusted: " REASON "%s%.60s; AWS_CA_BUNDLE names the "
            "file of CA certificates (SSL_CERT_FILE is not read)",
            len, url, response->error, response->issuer[0] != '\0' ? "; its issuer is " : "",
            response->issuer);
    } else {
        snprintf(error->message, sizeof(error->message), "%.*s %s: " REASON "%s", len, url,
            response->outcome == HTTP_UNREACHABLE ? "cannot be reached"
            : response->outcome == HTTP_STALLED   ? "did not answer in time"
                                                  : "broke off or sent a wrong reply",
            response->error, response->unresolved ? hint_of_name(url) : "");
    }
}

/* ---- header lines ---- */

#define TEXT_BYTES  (48u * 1024u) /* a session token may take 16 KiB */
#define USUAL_BYTES 1024u         /* of the lines but for the token: reserved at once */

/* `name` may be NULL: then `value` is the whole line. A NULL value adds nothing. */
static void call_add(struct header_lines *lines, const char *name, const char *value)
{
    if (value == NULL)
        return;
    if (lines->count == HTTP_LINES_MAX) {
        lines->text.failed = true;
        lines->text.error = -EMSGSIZE;
        return;
    }
    lines->offsets[lines->count++] = lines->text.len;
    if (name != NULL) {
        buffer_append_string(&lines->text, name);
        buffer_append_string(&lines->text, ": ");
    }
    buffer_append_string(&lines->text, value);
    buffer_append_byte(&lines->text, '\0');
}

static const char *signing_name(enum aws_service service)
{
    return service == AWS_DYNAMODB ? "dynamodb" : "sts";
}

static int add_signature(
    struct header_lines *lines, const struct aws_request *request, int64_t unix_seconds)
{
    struct sigv4_header headers[3];
    struct sigv4_request to_sign = {.method = request->method,
        .path = request->endpoint->path,
        .query = "",
        .headers = headers,
        .body = request->body,
        .body_len = request->body_len};
    struct sigv4_signature signature;
    int r;

    if (request->content_type != NULL)
        headers[to_sign.header_count++] = (struct sigv4_header){
            "content-type", request->content_type};
    headers[to_sign.header_count++] = (struct sigv4_header){"host", request->endpoint->host};
    if (request->target != NULL)
        headers[to_sign.header_count++] = (struct sigv4_header){"x-amz-target", request->target};
    r = sigv4_sign(&to_sign, request->credentials, request->endpoint->region,
        signing_name(request->service), unix_seconds, &signature);
    if (r < 0)
        return r;
    call_add(lines, "X-Amz-Date", signature.date);
    call_add(lines, "X-Amz-Security-Token", request->credentials->session_token);
    call_add(lines, "Authorization", signature.authorization);
    return 0;
}

int header_lines_build(
    struct header_lines *lines, const struct aws_request *request, int64_t unix_seconds)
{
    const char *token = request->credentials != NULL ? request->credentials->session_token : NULL;
    int r = 0;

    lines->count = 0;
    if (lines->text.data == NULL)
        buffer_init_secret(&lines->text, TEXT_BYTES);
    else
        buffer_clear(&lines->text);
    buffer_reserve(
        &lines->text, USUAL_BYTES + (token != NULL ? strnlen(token, TEXT_BYTES - USUAL_BYTES) : 0));
    call_add(lines, "Host", request->endpoint->host);
    call_add(lines, "Content-Type", request->content_type);
    call_add(lines, "X-Amz-Target", request->target);
    for (size_t i = 0; request->headers != NULL && request->headers[i] != NULL; i++)
        call_add(lines, NULL, request->headers[i]);
    if (request->credentials != NULL)
        r = add_signature(lines, request, unix_seconds);
    if (r == 0 && lines->text.failed)
        r = lines->text.error;
    for (size_t i = 0; r == 0 && i < lines->count; i++)
        lines->lines[i] = (char *)lines->text.data + lines->offsets[i];
    return r;
}

void header_lines_free(struct header_lines *lines)
{
    buffer_free(&lines->text);
}

/* ---- call ---- */

#define SPARE_BYTES      4096 /* of header lines: a larger buffer is not kept */
#define CONCURRENT_CALLS 32   /* attempts under way to one service; further calls queue */

struct aws_client {
    struct loop *loop;
    struct http *http;
    struct aws_clock clock;
    bool skew_logged; /* and the clocks still differ */
    struct retry_quota quotas[AWS_SERVICE_COUNT];
    struct aws_counters counters[AWS_SERVICE_COUNT];
    unsigned active[AWS_SERVICE_COUNT];
    struct ring queue[AWS_SERVICE_COUNT]; /* aws_call::link */
    struct aws_call *spare; /* the next one: a page after another makes none; or NULL */
};

#define SKEW_LOGGED_MS 60000

enum call_state { CALL_QUEUED, CALL_SENDING, CALL_WAITING };

struct aws_call {
    struct aws_client *client;
    struct aws_request request;
    struct endpoint endpoint;
    enum call_state state;
    struct header_lines lines;      /* while CALL_SENDING */
    struct ring link;               /* aws_client::queue, while CALL_QUEUED */
    struct http_transfer *transfer; /* while CALL_SENDING */
    struct loop_timer *timer;       /* while CALL_WAITING */
    unsigned attempts;
    unsigned paid_retries;
    enum aws_outcome last_outcome;
    bool clock_corrected;
    aws_call_done_fn *done;
    void *data;
    bool is_final; /* the latest reply: another attempt would get the same one */
};

/* ---- the client ---- */

struct aws_client *aws_client_create(struct loop *loop, struct http *http)
{
    struct aws_client *client = calloc(1, sizeof(*client));

    if (client == NULL)
        return NULL;
    client->loop = loop;
    client->http = http;
    for (int i = 0; i < AWS_SERVICE_COUNT; i++) {
        retry_quota_init(&client->quotas[i]);
        ring_init(&client->queue[i]);
    }
    return client;
}

/* NULL is allowed */
static void call_destroy(struct aws_call *call)
{
    if (call == NULL)
        return;
    header_lines_free(&call->lines);
    free(call);
}

void aws_client_destroy(struct aws_client *client)
{
    if (client != NULL)
        call_destroy(client->spare);
    free(client);
}

int64_t aws_client_wall(const struct aws_client *client)
{
    return aws_clock_now(&client->clock, loop_wall(client->loop));
}

int64_t aws_client_skew(const struct aws_client *client)
{
    return aws_clock_skew(&client->clock);
}

/* Logs once each time the clocks start to differ by more than a minute. */
static void client_log_skew(struct aws_client *client)
{
    int64_t skew = aws_client_skew(client);
    bool apart = skew > SKEW_LOGGED_MS || skew < -SKEW_LOGGED_MS;

    if (apart && !client->skew_logged)
        log_event(LOG_LEVEL_WARN, "clock_skew", LOG_NUMBER("clock_skew_ms", skew),
            LOG_TEXT("message",
                skew > 0 ? "this machine's clock is behind AWS's; requests are signed by "
                           "AWS's time, but the clock should be set"
                         : "this machine's clock is ahead of AWS's; requests are signed by "
                           "AWS's time, but the clock should be set"));
    client->skew_logged = apart;
}

void aws_client_check_clock(struct aws_client *client, int64_t expires_ms)
{
    aws_clock_check(&client->clock, loop_wall(client->loop), expires_ms);
}

const struct aws_counters *aws_client_counters(
    const struct aws_client *client, enum aws_service service)
{
    return &client->counters[service];
}

/* ---- one attempt ---- */

static void on_response(void *data, const struct http_response *response);

/* 0, or negative where nothing was sent. */
static int call_send(struct aws_call *call)
{
    const struct aws_request *request = &call->request;
    const struct aws_client *client = call->client;
    int64_t now = aws_clock_now_at(&client->clock, &call->endpoint, loop_wall(client->loop));
    struct header_lines *lines = &call->lines;
    int r;

    r = header_lines_build(lines, request, now / 1000);
    if (r == 0) {
        struct http_request http = {.method = request->method,
            .url = call->endpoint.url,
            .headers = lines->lines,
            .header_count = lines->count,
            .body = request->body,
            .body_len = request->body_len,
            .max_body = request->max_reply,
            .stall_ms = request->stall_ms,
            .direct = request->service == AWS_CREDENTIAL_ENDPOINT,
            .dated = request->service == AWS_STS || request->is_dated};

        call->transfer = http_start(call->client->http, &http, on_response, call);
        r = call->transfer != NULL ? 0 : -ENOMEM;
    }
    if (r < 0) {
        header_lines_free(lines);
        return r;
    }
    call->state = CALL_SENDING;
    call->attempts++;
    call->client->active[request->service]++;
    call->client->counters[request->service].calls++;
    return 0;
}

/* ---- the queue in front of each service ---- */

static void call_finish(struct aws_call *call, const struct aws_reply *reply);

/* Why nothing was sent, from what call_send returned. */
static void set_unsent(struct failure *failure, const char *what, int error)
{
    const char *why = "no memory to send it";

    if (error == -ERANGE)
        why = "this machine's clock shows a year that cannot be signed; set it right";
    else if (error == -EMSGSIZE)
        why = "the credentials or headers are longer than can be sent";
    else if (error == -EINVAL)
        why = "the credentials or headers hold characters that cannot be sent";
    failure_set(failure, ERROR_INTERNAL, "%s: %s", what, why);
    failure->stage = error == -ERANGE ? STAGE_CLOCK : STAGE_NONE;
}

static void call_fail_internal(struct aws_call *call, int error)
{
    struct aws_reply reply = {.error = {.outcome = AWS_TRANSIENT}, .attempts = call->attempts};

    set_unsent(&reply.failure, call->request.what, error);
    call_finish(call, &reply);
}

/* An attempt ended: sends the next queued call, or, if that cannot be sent, the one after. */
static void release_slot(struct aws_client *client, enum aws_service service)
{
    client->active[service]--;
    while (!ring_is_empty(&client->queue[service]) && client->active[service] < CONCURRENT_CALLS) {
        struct aws_call *next = RING_MEMBER(
            ring_pop(&client->queue[service]), struct aws_call, link);

        int r = call_send(next);

        if (r < 0)
            call_fail_internal(next, r);
    }
}

static int call_send_or_queue(struct aws_call *call)
{
    struct aws_client *client = call->client;
    enum aws_service service = call->request.service;

    if (client->active[service] < CONCURRENT_CALLS)
        return call_send(call);
    call->state = CALL_QUEUED;
    ring_add(&client->queue[service], &call->link);
    return 0;
}

/* ---- the result of an attempt ---- */

/* A captive portal or a proxy replies with a page of its own. */
static void set_invalid(
    struct aws_error *error, const struct http_response *response, const char *why)
{
    char title[120];

    error->outcome = AWS_TRANSIENT;
    if (aws_error_page_title(response->body, response->body_len, title, sizeof(title)))
        snprintf(error->message, sizeof(error->message),
            "the reply is an HTML page, perhaps of a proxy or portal: %s", title);
    else
        snprintf(error->message, sizeof(error->message), "the reply is not valid: %s", why);
}

static void read_reply(
    struct aws_call *call, const struct http_response *response, struct aws_error *error)
{
    const struct aws_request *request = &call->request;
    char why[160] = "";

    error->status = response->status;
    if (response->outcome != HTTP_ANSWERED) {
        transport_error_set(error, call->endpoint.url, response);
    } else if (!dynamodb_crc_matches(response->headers.crc32, response->body, response->body_len)) {
        error->outcome = AWS_TRANSIENT;
        snprintf(error->message, sizeof(error->message), "the reply does not fit its CRC-32");
    } else if (response->status < 200 || response->status > 299) {
        request->parse_error(response->status, response->body, response->body_len, error);
        if (request->read_error != NULL)
            request->read_error(request->data, response->body, response->body_len);
    } else if (request->parse_reply != NULL) {
        int r = request->parse_reply(
            request->data, response->body, response->body_len, why, sizeof(why));

        call->is_final = r == -ELOOP;
        if (r < 0)
            set_invalid(error, response, why);
    }
    if (error->request_id[0] == '\0')
        memcpy(error->request_id, response->headers.request_id, sizeof(error->request_id));
}

static void count_outcome(
    struct aws_call *call, const struct http_response *response, enum aws_outcome outcome)
{
    struct aws_counters *counters = &call->client->counters[call->request.service];

    counters->connections += (uint64_t)response->connections;
    if (outcome == AWS_OK || outcome == AWS_UNMET)
        counters->ok++;
    else if (outcome == AWS_THROTTLED)
        counters->throttled++;
    else
        counters->failed++;
}

static const char *aws_service_name(enum aws_service service)
{
    static const char *const names[] = {"dynamodb", "sts", "credentials"};

    return names[service];
}

/* Logs each attempt, to find where the time goes or what a service returns. */
static void call_log_attempt(const struct aws_call *call, const struct aws_reply *reply)
{
    if (log_is_on(LOG_LEVEL_DEBUG))
        log_event(LOG_LEVEL_DEBUG, "aws_attempt",
            LOG_TEXT("service", aws_service_name(call->request.service)),
            LOG_TEXT("what", call->request.what), LOG_NUMBER("status", reply->error.status),
            LOG_NUMBER("ms", reply->elapsed_us / 1000), LOG_NUMBER("attempt", call->attempts),
            LOG_TEXT("outcome", aws_outcome_name(reply->error.outcome)),
            LOG_TEXT("message", reply->error.message), LOG_TEXT("aws_code", reply->error.code),
            LOG_TEXT("aws_request_id", reply->error.request_id));
}

static void retry_fired(void *data)
{
    struct aws_call *call = data;
    int r;

    loop_timer_destroy(call->timer);
    call->timer = NULL;
    r = call_send_or_queue(call);
    if (r < 0)
        call_fail_internal(call, r);
}

static bool call_wait(struct aws_call *call, int64_t delay_ms)
{
    call->timer = loop_timer_create(call->client->loop, retry_fired, call);
    if (call->timer == NULL)
        return false;
    call->state = CALL_WAITING;
    loop_timer_start(call->timer, delay_ms);
    return true;
}

/* The service refused our clock: AWS's time, from the same reply, is right. */
static bool correct_clock(struct aws_call *call, const struct http_response *response)
{
    struct aws_client *client = call->client;

    if (call->clock_corrected || !aws_clock_refused(&client->clock, &call->endpoint,
                                     loop_wall(client->loop), response->date_ms))
        return false;
    call->clock_corrected = true;
    client_log_skew(client);
    return call_wait(call, 0);
}

static bool call_retry(struct aws_call *call, const struct aws_reply *reply)
{
    const struct aws_request *request = &call->request;
    enum aws_outcome outcome = reply->error.outcome;
    int64_t delay;

    if ((outcome != AWS_THROTTLED && outcome != AWS_TRANSIENT) || call->is_final)
        return false;
    if (request->max_attempts != 0 && call->attempts >= request->max_attempts)
        return false;
    delay = retry_delay(outcome, call->attempts - 1,
        request->retry_base_ms > 0 ? request->retry_base_ms : RETRY_BASE_MS, reply->retry_after_ms,
        random_bits());
    if (request->patience != NULL && !retry_allowed(request->patience, call->attempts,
                                         saturating_add(loop_now(call->client->loop), delay)))
        return false;
    if (!retry_quota_take(&call->client->quotas[request->service], outcome))
        return false;
    call->paid_retries++;
    call->last_outcome = outcome;
    if (request->retrying != NULL)
        request->retrying(request->data, &reply->failure, delay);
    return call_wait(call, delay);
}

/* Keeps it as the spare one, if there is none. */
static void call_free(struct aws_call *call)
{
    struct aws_client *client = call->client;

    credentials_unref(call->request.credentials);
    loop_timer_destroy(call->timer);
    if (call->lines.text.capacity > SPARE_BYTES)
        header_lines_free(&call->lines);
    if (client->spare != NULL) {
        call_destroy(call);
        return;
    }
    buffer_clear(&call->lines.text);
    *call = (struct aws_call){.lines.text = call->lines.text};
    client->spare = call;
}

static void call_finish(struct aws_call *call, const struct aws_reply *reply)
{
    call->done(call->data, reply);
    call_free(call);
}

static void call_set_time(
    const struct aws_client *client, const struct http_response *response, struct aws_reply *reply)
{
    int64_t now = loop_wall(client->loop);

    reply->aws_ms = aws_clock_by_date(now, response->elapsed_us / 1000, response->date_ms);
    reply->aws_error_ms = reply->aws_ms != now ? AWS_CLOCK_DATE_STEP_MS : 0;
    reply->made_ms = aws_clock_is_possible(response->date_ms)
                         ? response->date_ms + AWS_CLOCK_DATE_STEP_MS
                         : reply->aws_ms - response->elapsed_us / 1000;
    if (reply->made_ms > reply->aws_ms)
        reply->made_ms = reply->aws_ms;
}

static enum failure_stage call_stage(
    const struct aws_call *call, const struct http_response *response, enum aws_outcome outcome)
{
    static const enum failure_stage stages[] = {STAGE_DYNAMODB, STAGE_STS, STAGE_CREDENTIALS};

    if (response->proxy_failed || response->status == 407)
        return STAGE_PROXY;
    if (response->refused_tls)
        return STAGE_TLS;
    if (response->unresolved)
        return STAGE_NAME;
    if (outcome == AWS_SKEWED)
        return STAGE_CLOCK;
    if (outcome == AWS_EXPIRED && call->request.service != AWS_CREDENTIAL_ENDPOINT)
        return STAGE_IDENTITY;
    return stages[call->request.service];
}

static void on_response(void *data, const struct http_response *response)
{
    struct aws_call *call = data;
    struct aws_client *client = call->client;
    enum aws_service service = call->request.service;
    struct aws_reply reply = {.error = {.outcome = AWS_OK}, .attempts = call->attempts};

    call->transfer = NULL;
    buffer_clear(&call->lines.text);
    reply.elapsed_us = response->elapsed_us;
    reply.retry_after_ms = retry_after_parse(response->headers.retry_after);
    call_set_time(client, response, &reply);
    if (service == AWS_STS) {
        aws_clock_heard_sts(&client->clock, loop_wall(client->loop), response->date_ms);
        client_log_skew(client);
    }
    read_reply(call, response, &reply.error);
    count_outcome(call, response, reply.error.outcome);
    call_log_attempt(call, &reply);
    if (reply.error.outcome == AWS_OK || reply.error.outcome == AWS_UNMET)
        retry_quota_success(&client->quotas[service], call->paid_retries, call->last_outcome);
    if (reply.error.outcome != AWS_OK) {
        aws_error_failure(&reply.error, call->request.what, &reply.failure);
        reply.failure.stage = call_stage(call, response, reply.error.outcome);
        reply.failure.retry_after_ms = reply.retry_after_ms;
        if (response->refused_tls)
            reply.failure.code = ERROR_AWS_UNAVAILABLE;
    }
    if ((reply.error.outcome != AWS_SKEWED || !correct_clock(call, response)) &&
        !call_retry(call, &reply))
        call_finish(call, &reply);
    release_slot(client, service);
}

/* ---- start and cancel ---- */

struct aws_call *aws_call_start(struct aws_client *client, const struct aws_request *request,
    aws_call_done_fn *done, void *data, struct failure *failure)
{
    struct aws_call *call = client->spare != NULL ? client->spare : calloc(1, sizeof(*call));
    int r;

    client->spare = NULL;
    if (call == NULL) {
        set_unsent(failure, request->what, -ENOMEM);
        return NULL;
    }
    call->client = client;
    call->request = *request;
    call->endpoint = *request->endpoint;
    call->request.endpoint = &call->endpoint;
    if (call->request.method == NULL)
        call->request.method = "POST";
    if (request->credentials != NULL)
        call->request.credentials = credentials_ref(request->credentials);
    call->done = done;
    call->data = data;
    r = call_send_or_queue(call);
    if (r < 0) {
        set_unsent(failure, request->what, r);
        call_free(call);
        return NULL;
    }
    return call;
}

void aws_call_cancel(struct aws_call *call)
{
    struct aws_client *client = call->client;
    enum aws_service service = call->request.service;
    enum call_state state = call->state;

    if (state == CALL_QUEUED)
        ring_remove(&call->link);
    else if (state == CALL_SENDING)
        http_cancel(call->transfer);
    call_free(call);
    if (state == CALL_SENDING)
        release_slot(client, service);
}
