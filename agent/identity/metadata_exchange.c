#include "agent/identity/metadata_exchange.h"

#include "agent/identity/credentials_json.h"
#include "agent/identity/explain.h"
#include "proto/saturating.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* On a new node the endpoint may not be up yet. */
#define ATTEMPTS_MAX   4
#define RETRY_BASE     200
#define RETRY_UNTIL_MS 6000

void metadata_exchange_init(struct metadata_exchange *exchange,
    const struct identity_context *context, metadata_exchange_done_fn *done, void *data)
{
    *exchange = (struct metadata_exchange){.context = context, .done = done, .data = data};
    buffer_init_secret(&exchange->text, CREDENTIALS_JSON_BYTES);
}

static void drop_reply(struct metadata_exchange *exchange)
{
    credentials_unref(exchange->credentials);
    exchange->credentials = NULL;
    buffer_free(&exchange->text);
}

void metadata_exchange_clear(struct metadata_exchange *exchange)
{
    if (exchange->call != NULL)
        aws_call_cancel(exchange->call);
    exchange->call = NULL;
    drop_reply(exchange);
}

static int parse_line(
    struct metadata_exchange *exchange, const char *text, size_t len, char *why, size_t why_size)
{
    const char *end = memchr(text, '\n', len);

    if (end != NULL)
        len = (size_t)(end - text);
    if (len > 0 && text[len - 1] == '\r')
        len--;
    buffer_clear(&exchange->text);
    if (buffer_append(&exchange->text, text, len) < 0)
        return -ENOMEM;
    if (len > 0 && strlen(buffer_string(&exchange->text)) == len &&
        credentials_text_valid(buffer_string(&exchange->text)))
        return 0;
    snprintf(why, why_size, "it is no single line of plain text");
    return -EPROTO;
}

static int parse_reply(void *data, const void *body, size_t len, char *why, size_t why_size)
{
    struct metadata_exchange *exchange = data;

    if (!exchange->wants_credentials)
        return parse_line(exchange, body, len, why, why_size);
    credentials_unref(exchange->credentials);
    exchange->credentials = NULL;
    return credentials_json_parse(body, len, &exchange->credentials, why, why_size);
}

static bool retry_wanted(void *data, const struct failure *failure, int64_t delay_ms)
{
    const struct metadata_exchange *exchange = data;
    struct failure shown = *failure;

    failure_hide_tokens(&shown);
    provider_trouble(exchange->data, &shown);
    return saturating_add(loop_now(exchange->context->loop), delay_ms) <
           exchange->started_ms + RETRY_UNTIL_MS;
}

static void on_reply(void *data, const struct aws_reply *reply)
{
    struct metadata_exchange *exchange = data;
    struct failure failure = reply->failure;

    exchange->call = NULL;
    if (failure.code == ERROR_AWS_REJECTED)
        failure.code = ERROR_CREDENTIALS;
    failure_hide_tokens(&failure);
    exchange->done(exchange->data, &failure, reply->error.outcome, reply->error.status);
}

void metadata_exchange_start(struct metadata_exchange *exchange, const char *method,
    const struct endpoint *endpoint, const char *const *headers, bool wants_credentials)
{
    struct failure failure;
    struct aws_request request = {
        .service = AWS_CREDENTIAL_ENDPOINT,
        .what = exchange->what,
        .method = method,
        .endpoint = endpoint,
        .headers = headers,
        .max_reply = CREDENTIALS_JSON_BYTES,
        .stall_ms = exchange->stall_ms,
        .retry_base_ms = RETRY_BASE,
        .max_attempts = exchange->max_attempts != 0 ? exchange->max_attempts : ATTEMPTS_MAX,
        .parse_reply = parse_reply,
        .parse_error = credentials_json_parse_error,
        .retry_wanted = retry_wanted,
    };

    drop_reply(exchange);
    exchange->wants_credentials = wants_credentials;
    exchange->started_ms = loop_now(exchange->context->loop);
    exchange->call = aws_call_start(
        exchange->context->client, &request, on_reply, exchange, &failure);
    if (exchange->call != NULL)
        return;
    exchange->done(exchange->data, &failure, AWS_TRANSIENT, 0);
}
