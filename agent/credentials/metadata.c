/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/metadata.h"

#include "agent/aws/aws_clock.h"
#include "agent/credentials/credentials_call.h"
#include "agent/credentials/provider.h"
#include "agent/credentials/web_identity.h"
#include "agent/json_value.h"
#include "agent/ring.h"
#include "proto/buffer.h"
#include "proto/reader.h"
#include "proto/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- the document with the credentials ---- */

enum { CODE, KEY_ID, SECRET_KEY, TOKEN, EXPIRATION, FIELD_COUNT };

/* The metadata service also returns errors with status 200. */
static bool json_is_error(const struct json_field *fields, char *why, size_t why_size)
{
    char code[80];

    if (fields[CODE].type != JSON_FIELD_TEXT || strcmp(fields[CODE].text, "Success") == 0)
        return false;
    utf8_copy(code, sizeof(code), fields[CODE].text, strlen(fields[CODE].text));
    snprintf(why, why_size, "it holds no credentials but the error %s", code);
    return true;
}

static bool is_usable(const struct json_field *field, char *why, size_t why_size)
{
    if (field->type == JSON_FIELD_ABSENT)
        snprintf(why, why_size, "%s is missing", field->name);
    else if (field->type != JSON_FIELD_TEXT)
        snprintf(why, why_size, "%s is not a string", field->name);
    else if (field->text[0] == '\0')
        snprintf(why, why_size, "%s is empty", field->name);
    else if (!credentials_text_valid(field->text))
        snprintf(why, why_size, "%s holds characters that cannot be part of it", field->name);
    else
        return true;
    return false;
}

static int json_build(
    const struct json_field *fields, struct credentials **credentials, char *why, size_t why_size)
{
    const char *expiration = fields[EXPIRATION].text;
    int64_t expires_ms;

    if (json_is_error(fields, why, why_size))
        return -EPROTO;
    for (int i = KEY_ID; i <= EXPIRATION; i++)
        if (!is_usable(&fields[i], why, why_size))
            return -EPROTO;
    if (iso8601_parse(expiration, strlen(expiration), &expires_ms) < 0) {
        snprintf(why, why_size, "Expiration is not an ISO 8601 time in UTC");
        return -EPROTO;
    }
    *credentials = credentials_create(
        fields[KEY_ID].text, fields[SECRET_KEY].text, fields[TOKEN].text, expires_ms, NULL);
    if (*credentials != NULL)
        return 0;
    snprintf(why, why_size, "no memory");
    return -ENOMEM;
}

int credentials_json_parse(
    const void *json, size_t len, struct credentials **credentials, char *why, size_t why_size)
{
    struct json_field fields[FIELD_COUNT] = {
        [CODE] = {.name = "Code"},
        [KEY_ID] = {.name = "AccessKeyId"},
        [SECRET_KEY] = {.name = "SecretAccessKey"},
        [TOKEN] = {.name = "Token"},
        [EXPIRATION] = {.name = "Expiration"},
    };
    int r = json_fields_read(json, len, fields, FIELD_COUNT, why, why_size);

    if (r < 0)
        return r;
    r = json_build(fields, credentials, why, why_size);
    json_fields_clear(fields, FIELD_COUNT);
    return r;
}

/* ---- error replies ---- */

static bool read_error_object(const void *body, size_t len, struct aws_error *error)
{
    enum { LOWER_CODE, UPPER_CODE, LOWER_MESSAGE, UPPER_MESSAGE, COUNT };
    struct json_field fields[COUNT] = {
        [LOWER_CODE] = {.name = "code"},
        [UPPER_CODE] = {.name = "Code"},
        [LOWER_MESSAGE] = {.name = "message"},
        [UPPER_MESSAGE] = {.name = "Message"},
    };
    char why[80];

    if (json_fields_read(body, len, fields, COUNT, why, sizeof(why)) < 0)
        return false;
    json_field_copy(&fields[UPPER_CODE], error->code, sizeof(error->code));
    json_field_copy(&fields[LOWER_CODE], error->code, sizeof(error->code));
    json_field_copy(&fields[UPPER_MESSAGE], error->message, sizeof(error->message));
    json_field_copy(&fields[LOWER_MESSAGE], error->message, sizeof(error->message));
    json_fields_clear(fields, COUNT);
    return true;
}

/* Extracts the text between two marks at the start, and advances past them. */
static bool take_between(struct text *text, const char *open, const char *close, struct text *found)
{
    size_t open_len = strlen(open);
    const char *end;

    if (text->len < open_len || memcmp(text->data, open, open_len) != 0)
        return false;
    end = memmem(text->data + open_len, text->len - open_len, close, strlen(close));
    if (end == NULL)
        return false;
    found->data = text->data + open_len;
    found->len = (size_t)(end - found->data);
    end += strlen(close);
    text->len -= (size_t)(end - text->data);
    text->data = end;
    return true;
}

/* The Pod Identity agent sends a line of text: "[request id]: (Code): message, fault: client",
 * or the message alone. */
static void read_error_line(const char *body, size_t len, struct aws_error *error)
{
    const char *end = len > 0 ? memchr(body, '\n', len) : NULL;
    struct text text = {body, end != NULL ? (size_t)(end - body) : len};
    struct text found;

    if (text.len == 0 || text.data[0] == '<')
        return;
    if (take_between(&text, "[", "]: ", &found))
        utf8_copy(error->request_id, sizeof(error->request_id), found.data, found.len);
    if (take_between(&text, "(", "): ", &found))
        utf8_copy(error->code, sizeof(error->code), found.data, found.len);
    if (take_between(&text, "", ", fault: ", &found))
        text = found;
    utf8_copy(error->message, sizeof(error->message), text.data, text.len);
}

void credentials_json_parse_error(int status, const void *body, size_t len, struct aws_error *error)
{
    error->status = status;
    if (!read_error_object(body, len, error))
        read_error_line(body, len, error);
    error->outcome = aws_error_classify(status, error->code, error->message);
}

/* ---- one request: never signed, never through a proxy ---- */

/* On a new node the endpoint may not be up yet. */
#define METADATA_ATTEMPTS_MAX 4
#define RETRY_BASE            200
#define LIMIT_MS              6000

static int document_parse_reply(
    void *data, const void *body, size_t len, char *why, size_t why_size)
{
    struct credentials_call *call = data;

    credentials_unref(call->credentials);
    call->credentials = NULL;
    return credentials_json_parse(body, len, &call->credentials, why, why_size);
}

/* For a document with credentials. `headers` as aws_request. */
static struct aws_request metadata_request(
    const struct endpoint *endpoint, const char *const *headers)
{
    return (struct aws_request){
        .service = AWS_CREDENTIAL_ENDPOINT,
        .method = "GET",
        .endpoint = endpoint,
        .headers = headers,
        .max_reply = CREDENTIALS_JSON_BYTES,
        .retry_base_ms = RETRY_BASE,
        .max_attempts = METADATA_ATTEMPTS_MAX,
        .parse_reply = document_parse_reply,
        .parse_error = credentials_json_parse_error,
    };
}

/* ---- container ---- */

#define ECS_HOST     "http://169.254.170.2"
#define HEADER_BYTES (TOKEN_BYTES + 64)

struct container {
    struct provider base;
    const struct identity_context *context;
    struct facts *facts;
    struct credentials_call call;
    struct token_file file;      /* path NULL: no token file */
    struct buffer authorization; /* secret: the header line */
    const char *headers[3];
    bool replayed;
};

static void container_end(
    struct container *self, struct credentials *credentials, const struct failure *failure)
{
    token_file_forget(&self->file);
    buffer_free(&self->authorization);
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
static void container_ask(struct container *self, const char *authorization)
{
    struct buffer *line = &self->authorization;
    struct aws_request request;
    struct endpoint endpoint;
    struct failure failure;

    if (container_find_endpoint(self->context, &endpoint, &failure) < 0) {
        container_end(self, NULL, &failure);
        return;
    }
    buffer_clear(line);
    if (authorization != NULL)
        buffer_printf(line, "Authorization: %s", authorization);
    if (line->failed) {
        failure_set_buffer(&failure, "container credentials: the authorization token", line);
        container_end(self, NULL, &failure);
        return;
    }
    self->headers[0] = "Accept: application/json";
    self->headers[1] = authorization != NULL ? buffer_string(line) : NULL;
    request = metadata_request(&endpoint, self->headers);
    snprintf(self->call.what, sizeof(self->call.what), "container credentials");
    credentials_call_start(&self->call, &request, LIMIT_MS);
}

static bool says_nothing_found(const struct failure *failure)
{
    return strcasestr(failure->aws_code, "NotFound") != NULL ||
           strcasestr(failure->message, "not found") != NULL ||
           strcasestr(failure->message, "no association") != NULL;
}

static void on_call_done(void *data, struct credentials *credentials, const struct failure *failure,
    const struct aws_error *error)
{
    struct container *self = data;
    int status = error->status;
    struct failure explained;
    const char *advice;

    if (failure == NULL) {
        container_end(self, credentials, NULL);
        return;
    }
    /* The token may have been replaced while the endpoint checked it. */
    if (error->outcome == AWS_EXPIRED && !self->replayed && self->file.path != NULL &&
        token_file_changed(&self->file)) {
        self->replayed = true;
        container_ask(self, buffer_string(&self->file.token));
        return;
    }
    explained = *failure;
    advice = failure_advice(failure);
    if (advice != NULL)
        failure_explain(&explained, "%s", advice);
    else if (status == 404 || (status >= 400 && status < 500 && says_nothing_found(failure)))
        failure_explain(&explained, "does the pod's service account have a Pod Identity "
                                    "association (EKS), or the task a role "
                                    "(ECS)?");
    container_end(self, NULL, &explained);
}

static void container_on_token(void *data, const struct failure *failure)
{
    struct container *self = data;

    if (failure != NULL)
        container_end(self, NULL, failure);
    else
        container_ask(self, buffer_string(&self->file.token));
}

static void container_fetch(struct provider *provider)
{
    struct container *self = (struct container *)provider;
    const char *token = context_variable(self->context, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
    struct failure failure;

    self->replayed = false;
    if (self->file.path != NULL) {
        token_file_read(&self->file);
    } else if (token == NULL || token_text_valid(token)) {
        container_ask(self, token);
    } else {
        failure_set_settings(
            &failure, "AWS_CONTAINER_AUTHORIZATION_TOKEN holds characters that no header may have");
        container_end(self, NULL, &failure);
    }
}

static void container_destroy(struct provider *provider)
{
    struct container *self = (struct container *)provider;

    credentials_call_clear(&self->call);
    token_file_clear(&self->file);
    buffer_free(&self->authorization);
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
    credentials_call_init(&self->call, context, on_call_done, self);
    buffer_init_secret(&self->authorization, HEADER_BYTES);
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
    struct credentials_call call;
    bool kiam;
    const char *headers[2];
    struct buffer line;         /* secret: the reply, if it is one line: a token is */
    struct buffer token_header; /* secret: the version 2 token; empty for version 1 */
    char role[ROLE_MAX + 1];
};

static void imds_end(
    struct imds *self, struct credentials *credentials, const struct failure *failure)
{
    buffer_free(&self->line);
    buffer_free(&self->token_header);
    provider_finish(&self->base, credentials, failure);
}

/* ---- one step: a request of a path, whose end is one of the functions below ---- */

/* The reply is one line of text: a token, or the name of a role. */
static int line_parse_reply(void *data, const void *body, size_t len, char *why, size_t why_size)
{
    struct imds *self = RING_MEMBER(data, struct imds, call);
    const char *text = body;
    const char *end = memchr(text, '\n', len);

    if (end != NULL)
        len = (size_t)(end - text);
    if (len > 0 && text[len - 1] == '\r')
        len--;
    buffer_clear(&self->line);
    if (buffer_append(&self->line, text, len) < 0)
        return -ENOMEM;
    if (len > 0 && strlen(buffer_string(&self->line)) == len &&
        credentials_text_valid(buffer_string(&self->line)))
        return 0;
    snprintf(why, why_size, "it is not a single line of plain text");
    return -EPROTO;
}

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

static void imds_step(struct imds *self, const char *method, const char *path, const char *name,
    credentials_call_done_fn *done)
{
    bool put = strcmp(method, "PUT") == 0;
    struct aws_request request;
    struct endpoint endpoint;
    struct failure failure;

    if (imds_find_endpoint(self, path, name, &endpoint, &failure) < 0) {
        imds_end(self, NULL, &failure);
        return;
    }
    if (put)
        self->headers[0] = "X-aws-ec2-metadata-token-ttl-seconds: 21600";
    else
        self->headers[0] = self->token_header.len > 0 ? buffer_string(&self->token_header) : NULL;
    request = metadata_request(&endpoint, self->headers);
    request.method = method;
    request.stall_ms = STALL_MS;
    /* If version 1 is allowed, version 2 is not worth waiting for. */
    request.max_attempts = put && self->kiam ? 1 : IMDS_ATTEMPTS_MAX;
    if (name[0] == '\0')
        request.parse_reply = line_parse_reply;
    snprintf(self->call.what, sizeof(self->call.what), "instance metadata %s%s", path, name);
    self->call.done = done;
    credentials_call_start(&self->call, &request, LIMIT_MS);
}

/* ---- token, then role, then credentials ---- */

static void on_credentials(void *data, struct credentials *credentials,
    const struct failure *failure, const struct aws_error *error)
{
    (void)error;
    imds_end(data, credentials, failure);
}

static bool is_role(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len <= ROLE_MAX &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+=,.@-") ==
               len;
}

static void on_role(void *data, struct credentials *credentials, const struct failure *failure,
    const struct aws_error *error)
{
    struct imds *self = data;
    const char *role = failure == NULL ? buffer_string(&self->line) : "";
    struct failure explained;

    (void)credentials;
    if (failure == NULL && is_role(role)) {
        snprintf(self->role, sizeof(self->role), "%s", role);
        facts_set(&self->facts->role, self->role);
        imds_step(self, "GET", CREDENTIALS_PATH, self->role, on_credentials);
        return;
    }
    if (failure == NULL)
        failure_set(&explained, ERROR_CREDENTIALS,
            "instance metadata %s: the reply is not the name of a role", CREDENTIALS_PATH);
    else if (error->status == 404)
        failure_set(&explained, ERROR_CREDENTIALS,
            self->kiam ? "kiam has no role for this pod: does the pod have the annotation "
                         "iam.amazonaws.com/role, and does its namespace allow that role?"
                       : "this machine has no instance profile");
    else
        explained = *failure;
    imds_end(self, NULL, &explained);
}

static void imds_on_token(void *data, struct credentials *credentials,
    const struct failure *failure, const struct aws_error *error)
{
    struct imds *self = data;
    struct failure explained;

    (void)credentials;
    if (failure == NULL) {
        buffer_printf(
            &self->token_header, "X-aws-ec2-metadata-token: %s", buffer_string(&self->line));
        if (self->token_header.failed) {
            failure_set_buffer(
                &explained, "instance metadata: its session token", &self->token_header);
            imds_end(self, NULL, &explained);
            return;
        }
    } else if (!self->kiam) {
        explained = *failure;
        if (error->status == 0)
            failure_explain(
                &explained, "from a pod it answers only where the hop limit is at least 2");
        imds_end(self, NULL, &explained);
        return;
    }
    imds_step(self, "GET", CREDENTIALS_PATH, "", on_role);
}

/* ---- the provider ---- */

static void imds_fetch(struct provider *provider)
{
    struct imds *self = (struct imds *)provider;
    const char *disabled = context_variable(self->context, "AWS_EC2_METADATA_DISABLED");
    struct failure failure;

    if (disabled != NULL && strcasecmp(disabled, "true") == 0) {
        failure_set_settings(
            &failure, "the instance metadata is configured, but AWS_EC2_METADATA_DISABLED is true");
        imds_end(self, NULL, &failure);
        return;
    }
    buffer_clear(&self->token_header);
    imds_step(self, "PUT", TOKEN_PATH, "", imds_on_token);
}

static void imds_destroy(struct provider *provider)
{
    struct imds *self = (struct imds *)provider;

    credentials_call_clear(&self->call);
    buffer_free(&self->line);
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
    credentials_call_init(&self->call, context, NULL, self);
    buffer_init_secret(&self->line, CREDENTIALS_JSON_BYTES);
    buffer_init_secret(&self->token_header, 8192);
    return &self->base;
}
