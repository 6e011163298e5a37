#include "agent/identity/imds.h"

#include "agent/identity/explain.h"
#include "agent/identity/metadata_exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BASE_URL         "http://169.254.169.254"
#define TOKEN_PATH       "/latest/api/token"
#define CREDENTIALS_PATH "/latest/meta-data/iam/security-credentials/"
#define STALL_MS         1000
#define ATTEMPTS_MAX     3
#define ROLE_MAX         64

struct imds {
    struct provider base;
    const struct identity_context *context;
    struct facts *facts;
    struct metadata_exchange exchange;
    bool kiam;
    struct buffer token_header; /* secret: the version 2 token; empty for version 1 */
    char role[ROLE_MAX + 1];
};

static void end(struct imds *self, struct credentials *credentials, const struct failure *failure)
{
    buffer_free(&self->token_header);
    provider_finish(&self->base, credentials, failure);
}

/* ---- one step: a request of a path, the end in on_… ------------------------------------------ */

static int find_endpoint(struct imds *self, const char *path, const char *name,
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

static void step(struct imds *self, const char *method, const char *path, const char *name,
    metadata_exchange_done_fn *done)
{
    bool put = strcmp(method, "PUT") == 0;
    const char *headers[] = {put ? "X-aws-ec2-metadata-token-ttl-seconds: 21600"
                             : self->token_header.len > 0 ? buffer_string(&self->token_header)
                                                          : NULL,
        NULL};
    struct endpoint endpoint;
    struct failure failure;

    if (find_endpoint(self, path, name, &endpoint, &failure) < 0) {
        end(self, NULL, &failure);
        return;
    }
    snprintf(
        self->exchange.what, sizeof(self->exchange.what), "instance metadata %s%s", path, name);
    self->exchange.done = done;
    /* Where version 1 will do, version 2 is not worth waiting for. */
    self->exchange.max_attempts = put && self->kiam ? 1 : ATTEMPTS_MAX;
    metadata_exchange_start(&self->exchange, method, &endpoint, headers, name[0] != '\0');
}

/* ---- token, then role, then credentials ------------------------------------------------------ */

static void on_credentials(
    void *data, const struct failure *failure, enum aws_outcome outcome, int status)
{
    struct imds *self = data;
    struct credentials *credentials = self->exchange.credentials;

    (void)status;
    self->exchange.credentials = NULL;
    end(self, credentials, outcome == AWS_OK ? NULL : failure);
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
        step(self, "GET", CREDENTIALS_PATH, self->role, on_credentials);
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
    end(self, NULL, &explained);
}

static void on_token(
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
            end(self, NULL, &explained);
            return;
        }
    } else if (!self->kiam) {
        explained = *failure;
        if (status == 0)
            failure_explain(
                &explained, "from a pod it answers only where the hop limit is at least 2");
        end(self, NULL, &explained);
        return;
    }
    step(self, "GET", CREDENTIALS_PATH, "", on_role);
}

/* ---- the provider ---------------------------------------------------------------------------- */

static void imds_fetch(struct provider *provider)
{
    struct imds *self = (struct imds *)provider;
    const char *disabled = context_variable(self->context, "AWS_EC2_METADATA_DISABLED");
    struct failure failure;

    self->facts->kind = provider->ops->kind;
    if (disabled != NULL && strcasecmp(disabled, "true") == 0) {
        failure_set_settings(
            &failure, "the instance metadata is configured, but AWS_EC2_METADATA_DISABLED is true");
        end(self, NULL, &failure);
        return;
    }
    buffer_clear(&self->token_header);
    step(self, "PUT", TOKEN_PATH, "", on_token);
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
    provider_init(&self->base, kiam ? &kiam_ops : &imds_ops);
    self->context = context;
    self->facts = facts;
    self->kiam = kiam;
    facts->kind = self->base.ops->kind;
    metadata_exchange_init(&self->exchange, context, NULL, self);
    self->exchange.stall_ms = STALL_MS;
    buffer_init_secret(&self->token_header, 8192);
    return &self->base;
}
