/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/web_identity.h"

#include "agent/aws/sts.h"
#include "agent/credentials/credentials_call.h"
#include "agent/credentials/provider.h"
#include "agent/credentials/static.h"
#include "agent/file.h"
#include "agent/json_value.h"
#include "proto/base64.h"
#include "proto/buffer.h"
#include "proto/saturating.h"
#include "proto/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- jwt ---- */

#define PAYLOAD_BYTES (32u * 1024u)
#define EXPIRES_MAX   INT64_C(253402300799) /* the year 9999: the last one in RFC 3339 */

/* Unpadded, as in RFC 7515. */
static int base64url_decode(const char *text, size_t len, struct buffer *out)
{
    unsigned bits = 0;
    unsigned count = 0;

    for (size_t i = 0; i < len; i++) {
        int digit = base64_digit(text[i], "-_");

        if (digit < 0)
            return -EINVAL;
        bits = (bits << 6 | (unsigned)digit) & 0xffffu;
        count += 6;
        if (count >= 8) {
            count -= 8;
            buffer_append_byte(out, (uint8_t)(bits >> count));
        }
    }
    return out->failed ? -EINVAL : 0;
}

static int read_payload(const struct buffer *payload, struct jwt_claims *claims)
{
    enum { ISSUER, SUBJECT, AUDIENCE, EXPIRES, COUNT };
    struct json_field fields[COUNT] = {
        [ISSUER] = {.name = "iss"},
        [SUBJECT] = {.name = "sub"},
        [AUDIENCE] = {.name = "aud"},
        [EXPIRES] = {.name = "exp"},
    };
    char why[80];

    if (json_fields_read(payload->data, payload->len, fields, COUNT, why, sizeof(why)) < 0)
        return -EINVAL;
    json_field_copy(&fields[ISSUER], claims->issuer, sizeof(claims->issuer));
    json_field_copy(&fields[SUBJECT], claims->subject, sizeof(claims->subject));
    json_field_copy(&fields[AUDIENCE], claims->audience, sizeof(claims->audience));
    if (fields[EXPIRES].number > 0 && fields[EXPIRES].number <= EXPIRES_MAX)
        claims->expires_s = fields[EXPIRES].number;
    json_fields_clear(fields, COUNT);
    return 0;
}

int jwt_read_claims(const char *token, size_t len, struct jwt_claims *claims)
{
    const char *first = memchr(token, '.', len);
    const char *second;
    struct buffer payload;
    int r;

    *claims = (struct jwt_claims){.expires_s = 0};
    if (first == NULL)
        return -EINVAL;
    first++;
    second = memchr(first, '.', len - (size_t)(first - token));
    if (second == NULL)
        return -EINVAL;
    buffer_init_secret(&payload, PAYLOAD_BYTES);
    r = base64url_decode(first, (size_t)(second - first), &payload);
    if (r == 0)
        r = read_payload(&payload, claims);
    buffer_free(&payload);
    return r;
}

void jwt_explain_trust(const struct jwt_claims *claims, char *text, size_t size)
{
    const char *issuer = claims->issuer;

    /* IAM names OIDC providers without the scheme. */
    if (strncmp(issuer, "https://", 8) == 0)
        issuer += 8;
    if (*issuer == '\0')
        issuer = "the token's issuer";
    snprintf(text, size,
        "allow sts:AssumeRoleWithWebIdentity to the OIDC provider %s where its :sub is %s and its "
        ":aud is %s",
        issuer, claims->subject[0] != '\0' ? claims->subject : "(none)",
        claims->audience[0] != '\0' ? claims->audience : "(none)");
}

/* ---- token file ---- */

#define RETRY_MS 200
#define LIMIT_MS 1500 /* well within the usual deadline of a waiting caller */

static void web_identity_trim(struct buffer *token)
{
    while (token->len > 0 && token->data[token->len - 1] != '\0' &&
           strchr(" \t\r\n", token->data[token->len - 1]) != NULL)
        buffer_truncate(token, token->len - 1);
}

bool token_text_valid(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7f)
            return false;
    return true;
}

static bool is_token(struct buffer *token)
{
    return token->len <= TOKEN_BYTES && strlen(buffer_string(token)) == token->len &&
           token_text_valid(buffer_string(token));
}

__attribute__((format(printf, 2, 3))) static void set_token_failure(
    struct failure *failure, const char *format, ...)
{
    char why[sizeof(failure->message)];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    failure_set(failure, ERROR_CREDENTIALS, "token file: %s", why);
    failure->stage = STAGE_TOKEN;
}

/* 0, -EAGAIN if it may appear in a moment, or another negative errno; failure is set. */
static int read_now(const char *path, struct buffer *token, struct failure *failure)
{
    char why[sizeof(failure->message)];
    int r = file_read(path, token);

    web_identity_trim(token);
    if (r < 0) {
        file_explain(path, r, why, sizeof(why));
        set_token_failure(failure, "%s", why);
        if (r != -EACCES && r != -EPERM && r != -EMSGSIZE && r != -EISDIR)
            return -EAGAIN;
        failure->retryable = false; /* not a kubelet swap: the user must change the mount */
        return r;
    }
    if (token->len == 0) {
        set_token_failure(failure, "%s is empty", path);
        return -EAGAIN;
    }
    if (is_token(token))
        return 0;
    set_token_failure(failure, "%s holds no token, which has one line of at most %d characters",
        path, TOKEN_BYTES);
    return -EINVAL;
}

static void web_identity_try(void *data)
{
    struct token_file *file = data;
    int64_t waited = loop_now(file->context->loop) - file->started_ms;
    struct failure failure;
    int r;

    buffer_clear(&file->token);
    r = read_now(file->path, &file->token, &failure);
    if (r == -EAGAIN && waited < LIMIT_MS) {
        loop_timer_start(file->timer, RETRY_MS);
        provider_trouble(file->data, &failure);
    } else {
        file->done(file->data, r < 0 ? &failure : NULL);
    }
}

void token_file_read(struct token_file *file)
{
    file->started_ms = loop_now(file->context->loop);
    web_identity_try(file);
}

bool token_file_changed(struct token_file *file)
{
    struct failure failure;
    struct buffer token;
    bool changed;

    buffer_init_secret(&token, file->token.max);
    changed =
        read_now(file->path, &token, &failure) == 0 &&
        (token.len != file->token.len || memcmp(token.data, file->token.data, token.len) != 0);
    if (changed) {
        struct buffer old = file->token;

        file->token = token;
        token = old;
    }
    buffer_free(&token);
    return changed;
}

void token_file_forget(struct token_file *file)
{
    buffer_free(&file->token);
}

int token_file_init(struct token_file *file, const struct identity_context *context,
    const char *path, token_file_done_fn *done, void *data)
{
    *file = (struct token_file){.context = context, .path = path, .done = done, .data = data};
    buffer_init_secret(&file->token, 2 * TOKEN_BYTES);
    file->timer = loop_timer_create(context->loop, web_identity_try, file);
    return file->timer != NULL ? 0 : -ENOMEM;
}

void token_file_clear(struct token_file *file)
{
    loop_timer_destroy(file->timer);
    file->timer = NULL;
    buffer_free(&file->token);
}

/* ---- web identity ---- */

struct web_identity {
    struct provider base;
    struct web_identity_options options;
    struct credentials_call call;
    struct token_file file; /* its token is kept during the STS request */
    struct buffer role;
    bool replayed;
};

static void web_identity_end(
    struct web_identity *self, struct credentials *credentials, const struct failure *failure)
{
    token_file_forget(&self->file);
    provider_finish(&self->base, credentials, failure);
}

/* ---- what to do about a refusal ---- */

static void explain_expired(
    const struct web_identity *self, const struct jwt_claims *claims, char *hint, size_t size)
{
    int64_t wall_s = loop_wall(self->options.context->loop) / 1000;

    if (claims->expires_s == 0 || claims->expires_s > wall_s)
        snprintf(hint, size, "the token in %s expired by AWS's clock; is this machine's right?",
            self->options.token_file);
    else
        snprintf(hint, size,
            "the token in %s expired %lld s ago: the kubelet does not renew it, or this file is "
            "a copy",
            self->options.token_file, (long long)saturating_subtract(wall_s, claims->expires_s));
}

/* The audience of the EKS Pod Identity token: its agent accepts it, STS does not. */
#define POD_IDENTITY_AUDIENCE "pods.eks.amazonaws.com"

/* Advice that needs the message and the token, since the code alone is ambiguous. */
static void explain_token(
    const struct jwt_claims *claims, const struct failure *failure, char *hint, size_t size)
{
    char trust[sizeof(*claims) + 160];

    if (strstr(claims->audience, POD_IDENTITY_AUDIENCE) != NULL) {
        snprintf(hint, size,
            "this token is for EKS Pod Identity (audience %s): use "
            "AWS_CONTAINER_CREDENTIALS_FULL_URI "
            "and AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, or mount the token for sts.amazonaws.com",
            POD_IDENTITY_AUDIENCE);
    } else if (failure_lacks_permission(failure)) {
        jwt_explain_trust(claims, trust, sizeof(trust));
        snprintf(hint, size, "its trust policy must %s", trust);
    } else if (strcasestr(failure->message, "No OpenIDConnect provider found") != NULL) {
        snprintf(hint, size,
            "the role's account needs an IAM OIDC provider for %s that lists the audience %s",
            claims->issuer, claims->audience);
    } else if (strcasestr(failure->message, "audience") != NULL) {
        snprintf(hint, size, "the account's IAM OIDC provider for %s must list the audience %s",
            claims->issuer, claims->audience);
    }
}

static void web_identity_explain(
    const struct web_identity *self, const struct failure *failure, char *hint, size_t size)
{
    const char *advice = failure_advice(failure);
    const char *code = failure->aws_code;
    struct jwt_claims claims;

    hint[0] = '\0';
    if (advice != NULL)
        snprintf(hint, size, "%s", advice);
    else if (code[0] == '\0')
        return;
    else if (jwt_read_claims((const char *)self->file.token.data, self->file.token.len, &claims) <
             0)
        snprintf(hint, size, "%s holds no JWT", self->options.token_file);
    else if (strncmp(code, "ExpiredToken", 12) == 0)
        explain_expired(self, &claims, hint, size);
    else if (strncmp(code, "AccessDenied", 12) == 0 || strcmp(code, "InvalidIdentityToken") == 0)
        explain_token(&claims, failure, hint, size);
}

static void web_identity_finish_explained(struct web_identity *self, const struct failure *failure)
{
    struct failure explained = *failure;
    char hint[1024];

    if (strncmp(failure->aws_code, "ExpiredToken", 12) == 0 ||
        strcmp(failure->aws_code, "InvalidIdentityToken") == 0)
        explained.stage = STAGE_TOKEN;
    web_identity_explain(self, failure, hint, sizeof(hint));
    if (hint[0] != '\0')
        failure_explain(&explained, "%s", hint);
    web_identity_end(self, NULL, &explained);
}

bool web_identity_refused(const struct failure *failure)
{
    if (strcmp(failure->aws_code, "AccessDenied") == 0)
        return true;
    /* The same code is transient if STS could not fetch the issuer's keys: then retryable. */
    return strcmp(failure->aws_code, "InvalidIdentityToken") == 0 && !failure->retryable;
}

/* ---- the STS request ---- */

static void send_token(struct web_identity *self)
{
    const char *role = buffer_string(&self->role);

    snprintf(
        self->call.what, sizeof(self->call.what), "AssumeRoleWithWebIdentity of role %s", role);
    sts_web_identity_body(&self->call.form, role, self->options.session_name,
        (const char *)self->file.token.data, self->file.token.len, self->options.duration_s);
    credentials_call_start_sts(&self->call, self->options.region, NULL);
}

static void on_token(void *data, const struct failure *failure)
{
    struct web_identity *self = data;

    if (failure != NULL)
        web_identity_end(self, NULL, failure);
    else
        send_token(self);
}

/* The token may have been replaced while STS checked the old one: only a new token is worth a
 * retry. */
static bool web_identity_replay(struct web_identity *self)
{
    if (self->replayed || !token_file_changed(&self->file))
        return false;
    self->replayed = true;
    send_token(self);
    return true;
}

static void on_call_done(void *data, struct credentials *credentials, const struct failure *failure,
    const struct aws_error *error)
{
    struct web_identity *self = data;

    if (credentials != NULL)
        web_identity_end(self, credentials, NULL);
    else if (error->outcome != AWS_EXPIRED || !web_identity_replay(self))
        web_identity_finish_explained(self, failure);
}

/* ---- the provider ---- */

/* Checks what is known without a request; negative with *failure: the rest cannot work. */
static int web_identity_prepare(struct web_identity *self, struct failure *failure)
{
    struct facts *facts = self->options.facts;
    int r = -EINVAL;

    facts->kind = self->base.ops->kind;
    facts_set(&facts->token_file, self->options.token_file);
    facts_set(&facts->session_name, self->options.session_name);
    buffer_clear(&self->role);
    if (self->options.token_file == NULL)
        failure_set_settings(failure,
            "web identity: AWS_WEB_IDENTITY_TOKEN_FILE is not set: does the pod's service account "
            "have the annotation eks.amazonaws.com/role-arn, and was the pod created after it?");
    else
        r = value_read(&self->options.role, self->options.context->getenv, &self->role, failure);
    if (r == -ENODATA)
        failure_set_settings(
            failure, "web identity: the token file is there, but no role: set AWS_ROLE_ARN");
    if (r == 0)
        facts_set(&facts->role, buffer_string(&self->role));
    return r;
}

static void web_identity_fetch(struct provider *provider)
{
    struct web_identity *self = (struct web_identity *)provider;
    struct failure failure;

    self->replayed = false;
    if (web_identity_prepare(self, &failure) < 0)
        web_identity_end(self, NULL, &failure);
    else
        token_file_read(&self->file);
}

static void web_identity_destroy(struct provider *provider)
{
    struct web_identity *self = (struct web_identity *)provider;

    credentials_call_clear(&self->call);
    token_file_clear(&self->file);
    buffer_free(&self->role);
    free(self);
}

static const struct provider_ops web_identity_ops = {
    .kind = "web-identity", .fetch = web_identity_fetch, .destroy = web_identity_destroy};

struct provider *web_identity_create(const struct web_identity_options *options)
{
    struct web_identity *self = calloc(1, sizeof(*self));
    struct failure failure;

    if (self == NULL)
        return NULL;
    self->options = *options;
    if (self->options.session_name == NULL)
        self->options.session_name = options->context->session_name;
    if (token_file_init(&self->file, options->context, options->token_file, on_token, self) < 0) {
        free(self);
        return NULL;
    }
    self->base.ops = &web_identity_ops;
    credentials_call_init(&self->call, options->context, on_call_done, self);
    buffer_init_secret(&self->role, VALUE_BYTES);
    web_identity_prepare(self, &failure); /* for whoami, which may be called first */
    return &self->base;
}
