/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/metadata.h"

#include "proto/buffer.h"

#include "agent/credentials/credentials_json.h"
#include "agent/credentials/provider.h"
#include "agent/credentials/web_identity.h"
#include "proto/saturating.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* One request to a credential endpoint (EKS Pod Identity, ECS, the instance metadata): never
 * signed, never through a proxy. */
struct metadata_exchange;

/* Success is outcome AWS_OK: exchange->credentials or exchange->text hold the result until the
 * callback returns or starts another. Else a failure (borrowed), and the HTTP status; 0: none. */
typedef void metadata_exchange_done_fn(
    void *data, const struct failure *failure, enum aws_outcome outcome, int status);

struct metadata_exchange {
    const struct identity_context *context;
    metadata_exchange_done_fn *done;
    void *data;
    char what[256];        /* subject of messages, filled by the owner */
    int64_t stall_ms;      /* of an attempt; 0: HTTP_STALL_MS */
    unsigned max_attempts; /* 0: the usual number */
    struct aws_call *call; /* NULL while none is under way */
    bool wants_credentials;
    struct credentials *credentials;
    struct buffer text; /* secret: a metadata token is one */
    struct retry_patience patience;
};

/* ---- metadata exchange ---- */

/* On a new node the endpoint may not be up yet. */
#define METADATA_EXCHANGE_ATTEMPTS_MAX 4
#define RETRY_BASE                     200
#define RETRY_UNTIL_MS                 6000

/* `data` is the requesting provider: its waiters are notified of trouble, too. */
static void metadata_exchange_init(struct metadata_exchange *exchange,
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

/* Ends it without calling done, and wipes what it holds. Allowed at any time. */
static void metadata_exchange_clear(struct metadata_exchange *exchange)
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
    snprintf(why, why_size, "it is not a single line of plain text");
    return -EPROTO;
}

static int metadata_parse_reply(
    void *data, const void *body, size_t len, char *why, size_t why_size)
{
    struct metadata_exchange *exchange = data;

    if (!exchange->wants_credentials)
        return parse_line(exchange, body, len, why, why_size);
    credentials_unref(exchange->credentials);
    exchange->credentials = NULL;
    return credentials_json_parse(body, len, &exchange->credentials, why, why_size);
}

static void metadata_retrying(void *data, const struct failure *failure, int64_t delay_ms)
{
    const struct metadata_exchange *exchange = data;
    struct failure shown = *failure;

    (void)delay_ms;
    failure_hide_tokens(&shown);
    provider_trouble(exchange->data, &shown);
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

/* wants_credentials: the reply is the JSON of credentials_json.h; else one line of text. Calls done
 * exactly once, perhaps before it returns, as the last step. `headers` as aws_request. */
static void metadata_exchange_start(struct metadata_exchange *exchange, const char *method,
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
        .max_attempts = exchange->max_attempts != 0 ? exchange->max_attempts
                                                    : METADATA_EXCHANGE_ATTEMPTS_MAX,
        .parse_reply = metadata_parse_reply,
        .parse_error = credentials_json_parse_error,
        .patience = &exchange->patience,
        .retrying = metadata_retrying,
    };

    drop_reply(exchange);
    exchange->wants_credentials = wants_credentials;
    exchange->patience = (struct retry_patience){
        .until = loop_now(exchange->context->loop) + RETRY_UNTIL_MS};
    exchange->call = aws_call_start(
        exchange->context->client, &request, on_reply, exchange, &failure);
    if (exchange->call != NULL)
        return;
    exchange->done(exchange->data, &failure, AWS_TRANSIENT, 0);
}

/* ---- container ---- */

#define ECS_HOST     "http://169.254.170.2"
#define HEADER_BYTES (TOKEN_BYTES + 64)

struct container {
    struct provider base;
    const struct identity_context *context;
    struct facts *facts;
    struct metadata_exchange exchange;
    struct token_file file; /* path NULL: no token file */
    bool replayed;
};

static void container_end(
    struct container *self, struct credentials *credentials, const struct failure *failure)
{
    token_file_forget(&self->file);
    provider_finish(&self->base, credentials, failure);
}

static int container_find_endpoint(
    const struct identity_context *context, struct endpoint *endpoint, struct failure *failure)
{
    const char *relative = context_variable(context, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = context_variable(context, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    char url[ENDPOINT_URL_SIZE];
    char why[240] = "";
    int len = relative != NULL ? snprintf(url, sizeof(url), "%s%s", ECS_HOST, relative)
                               : snprintf(url, sizeof(url), "%s", full != NULL ? full : "");

    if (relative != NULL && relative[0] != '/')
        snprintf(why, sizeof(why), "it must begin with a /");
    else if (len < 0 || (size_t)len >= sizeof(url))
        snprintf(why, sizeof(why), "it is too long");
    else if (endpoint_parse_credentials_url(endpoint, url, why, sizeof(why)) == 0)
        return 0;
    failure_set_settings(failure, "%s: %s",
        relative != NULL ? "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
                         : "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        why);
    return -1;
}

/* authorization: NULL for none. It is sent as it is: without a "Bearer" prefix. */
static void metadata_ask(struct container *self, const char *authorization)
{
    const char *headers[3] = {"Accept: application/json"};
    struct endpoint endpoint;
    struct failure failure;
    struct buffer header;

    if (container_find_endpoint(self->context, &endpoint, &failure) < 0) {
        container_end(self, NULL, &failure);
        return;
    }
    snprintf(self->exchange.what, sizeof(self->exchange.what), "container credentials");
    buffer_init_secret(&header, HEADER_BYTES);
    if (authorization != NULL) {
        buffer_printf(&header, "Authorization: %s", authorization);
        headers[1] = buffer_string(&header);
    }
    if (header.failed) {
        failure_set_buffer(&failure, "container credentials: the authorization token", &header);
        container_end(self, NULL, &failure);
    } else {
        metadata_exchange_start(&self->exchange, "GET", &endpoint, headers, true);
    }
    buffer_free(&header);
}

static bool says_nothing_found(const struct failure *failure)
{
    return strcasestr(failure->aws_code, "NotFound") != NULL ||
           strcasestr(failure->message, "not found") != NULL ||
           strcasestr(failure->message, "no association") != NULL;
}

static void on_exchange(
    void *data, const struct failure *failure, enum aws_outcome outcome, int status)
{
    struct container *self = data;
    struct credentials *credentials = self->exchange.credentials;
    struct failure explained;
    const char *advice;

    self->exchange.credentials = NULL;
    if (outcome == AWS_OK) {
        container_end(self, credentials, NULL);
        credentials_unref(credentials);
        return;
    }
    /* The token may have been replaced while the endpoint checked it. */
    if (outcome == AWS_EXPIRED && !self->replayed && self->file.path != NULL &&
        token_file_changed(&self->file)) {
        self->replayed = true;
        metadata_ask(self, buffer_string(&self->file.token));
        return;
    }
    explained = *failure;
    advice = failure_advice(failure);
    if (advice != NULL)
        failure_explain(&explained, "%s", advice);
    else if (status == 404 || (status >= 400 && status < 500 && says_nothing_found(failure)))
        failure_explain(&explained,
            "has the pod's service account a Pod Identity association (EKS) or the task a role "
            "(ECS)?");
    container_end(self, NULL, &explained);
}

static void container_on_token(void *data, const struct failure *failure)
{
    struct container *self = data;

    if (failure != NULL)
        container_end(self, NULL, failure);
    else
        metadata_ask(self, buffer_string(&self->file.token));
}

static void container_fetch(struct provider *provider)
{
    struct container *self = (struct container *)provider;
    const char *token = context_variable(self->context, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
    struct failure failure;

    self->replayed = false;
    self->facts->kind = provider->ops->kind;
    facts_set(&self->facts->token_file, self->file.path);
    if (self->file.path != NULL) {
        token_file_read(&self->file);
    } else if (token == NULL || token_text_valid(token)) {
        metadata_ask(self, token);
    } else {
        failure_set_settings(
            &failure, "AWS_CONTAINER_AUTHORIZATION_TOKEN holds characters that no header may have");
        container_end(self, NULL, &failure);
    }
}

static void container_destroy(struct provider *provider)
{
    struct container *self = (struct container *)provider;

    metadata_exchange_clear(&self->exchange);
    token_file_clear(&self->file);
    free(self);
}

static const struct provider_ops container_ops = {
    .kind = "container", .fetch = container_fetch, .destroy = container_destroy};

struct provider *container_create(const struct identity_context *context, struct facts *facts)
{
    const char *path = context_variable(context, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    struct container *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return NULL;
    if (token_file_init(&self->file, context, path, container_on_token, self) < 0) {
        free(self);
        return NULL;
    }
    self->base.ops = &container_ops;
    self->context = context;
    self->facts = facts;
    facts->kind = container_ops.kind;
    facts_set(&facts->token_file, path);
    metadata_exchange_init(&self->exchange, context, on_exchange, self);
    return &self->base;
}

/* ---- imds ---- */

#define BASE_URL          "http://169.254.169.254"
#define TOKEN_PATH        "/latest/api/token"
#define CREDENTIALS_PATH  "/latest/meta-data/iam/security-credentials/"
#define STALL_MS          1000
#define IMDS_ATTEMPTS_MAX 3
#define ROLE_MAX          64

struct imds {
    struct provider base;
    const struct identity_context *context;
    struct facts *facts;
    struct metadata_exchange exchange;
    bool kiam;
    struct buffer token_header; /* secret: the version 2 token; empty for version 1 */
    char role[ROLE_MAX + 1];
};

static void imds_end(
    struct imds *self, struct credentials *credentials, const struct failure *failure)
{
    buffer_free(&self->token_header);
    provider_finish(&self->base, credentials, failure);
}

/* ---- one step: a request of a path, the imds_end in on_… ---- */

static int imds_find_endpoint(struct imds *self, const char *path, const char *name,
    struct endpoint *endpoint, struct failure *failure)
{
    const char *base = context_variable(self->context, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
    char url[ENDPOINT_URL_SIZE];
    char why[240] = "";
    size_t base_len;
    int len;

    if (base == NULL)
        base = BASE_URL;
    base_len = strlen(base);
    if (base_len > 0 && base[base_len - 1] == '/')
        base_len--;
    len = snprintf(url, sizeof(url), "%.*s%s%s", (int)(base_len < sizeof(url) ? base_len : 0), base,
        path, name);
    if (base_len >= sizeof(url) || len < 0 || (size_t)len >= sizeof(url))
        snprintf(why, sizeof(why), "it is too long");
    else if (endpoint_parse_url(endpoint, url, true, why, sizeof(why)) == 0)
        return 0;
    failure_set_settings(failure, "AWS_EC2_METADATA_SERVICE_ENDPOINT: %s", why);
    return -1;
}

static void metadata_step(struct imds *self, const char *method, const char *path, const char *name,
    metadata_exchange_done_fn *done)
{
    bool put = strcmp(method, "PUT") == 0;
    const char *headers[] = {put ? "X-aws-ec2-metadata-token-ttl-seconds: 21600"
                             : self->token_header.len > 0 ? buffer_string(&self->token_header)
                                                          : NULL,
        NULL};
    struct endpoint endpoint;
    struct failure failure;

    if (imds_find_endpoint(self, path, name, &endpoint, &failure) < 0) {
        imds_end(self, NULL, &failure);
        return;
    }
    snprintf(
        self->exchange.what, sizeof(self->exchange.what), "instance metadata %s%s", path, name);
    self->exchange.done = done;
    /* If version 1 is allowed, version 2 is not worth waiting for. */
    self->exchange.max_attempts = put && self->kiam ? 1 : IMDS_ATTEMPTS_MAX;
    metadata_exchange_start(&self->exchange, method, &endpoint, headers, name[0] != '\0');
}

/* ---- token, then role, then credentials ---- */

static void on_credentials(
    void *data, const struct failure *failure, enum aws_outcome outcome, int status)
{
    struct imds *self = data;
    struct credentials *credentials = self->exchange.credentials;

    (void)status;
    self->exchange.credentials = NULL;
    imds_end(self, credentials, outcome == AWS_OK ? NULL : failure);
    credentials_unref(credentials);
}

static bool is_role(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len <= ROLE_MAX &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+=,.@-") ==
               len;
}

static void on_role(void *data, const struct failure *failure, enum aws_outcome outcome, int status)
{
    struct imds *self = data;
    const char *role = outcome == AWS_OK ? buffer_string(&self->exchange.text) : "";
    struct failure explained;

    if (outcome == AWS_OK && is_role(role)) {
        snprintf(self->role, sizeof(self->role), "%s", role);
        facts_set(&self->facts->role, self->role);
        metadata_step(self, "GET", CREDENTIALS_PATH, self->role, on_credentials);
        return;
    }
    if (outcome == AWS_OK)
        failure_set(&explained, ERROR_CREDENTIALS,
            "instance metadata %s: the reply is not the name of a role", CREDENTIALS_PATH);
    else if (status == 404)
        failure_set(&explained, ERROR_CREDENTIALS,
            self->kiam ? "kiam knows no role for this pod: has it the annotation "
                         "iam.amazonaws.com/role, and allows its namespace that role?"
                       : "this machine has no instance profile");
    else
        explained = *failure;
    imds_end(self, NULL, &explained);
}

static void imds_on_token(
    void *data, const struct failure *failure, enum aws_outcome outcome, int status)
{
    struct imds *self = data;
    struct failure explained;

    if (outcome == AWS_OK) {
        buffer_printf(&self->token_header, "X-aws-ec2-metadata-token: %s",
            buffer_string(&self->exchange.text));
        if (self->token_header.failed) {
            failure_set_buffer(
                &explained, "instance metadata: its session token", &self->token_header);
            imds_end(self, NULL, &explained);
            return;
        }
    } else if (!self->kiam) {
        explained = *failure;
        if (status == 0)
            failure_explain(
                &explained, "from a pod it answers only where the hop limit is at least 2");
        imds_end(self, NULL, &explained);
        return;
    }
    metadata_step(self, "GET", CREDENTIALS_PATH, "", on_role);
}

/* ---- the provider ---- */

static void imds_fetch(struct provider *provider)
{
    struct imds *self = (struct imds *)provider;
    const char *disabled = context_variable(self->context, "AWS_EC2_METADATA_DISABLED");
    struct failure failure;

    self->facts->kind = provider->ops->kind;
    if (disabled != NULL && strcasecmp(disabled, "true") == 0) {
        failure_set_settings(
            &failure, "the instance metadata is configured, but AWS_EC2_METADATA_DISABLED is true");
        imds_end(self, NULL, &failure);
        return;
    }
    buffer_clear(&self->token_header);
    metadata_step(self, "PUT", TOKEN_PATH, "", imds_on_token);
}

static void imds_destroy(struct provider *provider)
{
    struct imds *self = (struct imds *)provider;

    metadata_exchange_clear(&self->exchange);
    buffer_free(&self->token_header);
    free(self);
}

static const struct provider_ops imds_ops = {
    .kind = "imds", .fetch = imds_fetch, .destroy = imds_destroy};
static const struct provider_ops kiam_ops = {
    .kind = "kiam", .fetch = imds_fetch, .destroy = imds_destroy};

struct provider *imds_create(const struct identity_context *context, struct facts *facts, bool kiam)
{
    struct imds *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return NULL;
    self->base.ops = kiam ? &kiam_ops : &imds_ops;
    self->context = context;
    self->facts = facts;
    self->kiam = kiam;
    facts->kind = self->base.ops->kind;
    metadata_exchange_init(&self->exchange, context, NULL, self);
    self->exchange.stall_ms = STALL_MS;
    buffer_init_secret(&self->token_header, 8192);
    return &self->base;
}
