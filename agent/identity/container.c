#include "agent/identity/container.h"

#include "agent/identity/explain.h"
#include "agent/identity/metadata_exchange.h"
#include "agent/identity/token_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ECS_HOST     "http://169.254.170.2"
#define HEADER_BYTES (TOKEN_BYTES + 64)

struct container {
    struct provider base;
    const struct identity_context *context;
    struct facts *facts;
    struct metadata_exchange exchange;
    struct token_file file; /* path NULL: no file */
    bool replayed;
};

static void end(
    struct container *self, struct credentials *credentials, const struct failure *failure)
{
    token_file_forget(&self->file);
    provider_finish(&self->base, credentials, failure);
}

static int find_endpoint(
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

/* authorization: NULL for none. It goes out as it is: no "Bearer" in front. */
static void ask(struct container *self, const char *authorization)
{
    const char *headers[3] = {"Accept: application/json"};
    struct endpoint endpoint;
    struct failure failure;
    struct buffer header;

    if (find_endpoint(self->context, &endpoint, &failure) < 0) {
        end(self, NULL, &failure);
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
        end(self, NULL, &failure);
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
        end(self, credentials, NULL);
        credentials_unref(credentials);
        return;
    }
    /* The token may have been replaced while it was looked at. */
    if (outcome == AWS_EXPIRED && !self->replayed && self->file.path != NULL &&
        token_file_changed(&self->file)) {
        self->replayed = true;
        ask(self, buffer_string(&self->file.token));
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
    end(self, NULL, &explained);
}

static void on_token(void *data, const struct failure *failure)
{
    struct container *self = data;

    if (failure != NULL)
        end(self, NULL, failure);
    else
        ask(self, buffer_string(&self->file.token));
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
        ask(self, token);
    } else {
        failure_set_settings(
            &failure, "AWS_CONTAINER_AUTHORIZATION_TOKEN holds characters that no header may have");
        end(self, NULL, &failure);
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
    if (token_file_init(&self->file, context, path, on_token, self) < 0) {
        free(self);
        return NULL;
    }
    provider_init(&self->base, &container_ops);
    self->context = context;
    self->facts = facts;
    facts->kind = container_ops.kind;
    facts_set(&facts->token_file, path);
    metadata_exchange_init(&self->exchange, context, on_exchange, self);
    return &self->base;
}
