#include "agent/identity/chain.h"

#include <stdlib.h>

struct chain {
    struct provider base;
    struct supply *supply;           /* the chain's own */
    struct provider_request request; /* to the chosen one */
};

/* What the environment configures, first found. */
struct choice {
    enum supply_kind kind;
    struct identity_spec spec;
    const char *why;
};

static bool choose_keys(
    const struct identity_context *context, struct choice *choice, struct failure *failure)
{
    bool id = context_variable(context, "AWS_ACCESS_KEY_ID") != NULL;
    bool secret = context_variable(context, "AWS_SECRET_ACCESS_KEY") != NULL;
    bool token = context_variable(context, "AWS_SESSION_TOKEN") != NULL;

    if (!id && !secret)
        return false;
    if (id != secret) {
        failure_set(failure, ERROR_CREDENTIALS,
            "%s is set, but %s is not: both are needed, or neither",
            id ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
            id ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
        return true;
    }
    choice->kind = SUPPLY_STATIC;
    choice->spec.key_id = (struct value_ref){
        .source = SOURCE_ENVIRONMENT, .text = "AWS_ACCESS_KEY_ID", .origin = "the environment"};
    choice->spec.secret_key = (struct value_ref){
        .source = SOURCE_ENVIRONMENT, .text = "AWS_SECRET_ACCESS_KEY", .origin = "the environment"};
    if (token)
        choice->spec.session_token = (struct value_ref){
            .source = SOURCE_ENVIRONMENT, .text = "AWS_SESSION_TOKEN", .origin = "the environment"};
    choice->why = "AWS_ACCESS_KEY_ID is set";
    return true;
}

static bool choose_web_identity(
    const struct identity_context *context, struct choice *choice, struct failure *failure)
{
    bool file = context_variable(context, "AWS_WEB_IDENTITY_TOKEN_FILE") != NULL;
    bool role = context_variable(context, "AWS_ROLE_ARN") != NULL;

    if (!file && !role)
        return false;
    if (file != role) {
        failure_set(failure, ERROR_CREDENTIALS,
            "%s is set, but %s is not: web identity needs both, no other identity is tried",
            file ? "AWS_WEB_IDENTITY_TOKEN_FILE" : "AWS_ROLE_ARN",
            file ? "AWS_ROLE_ARN" : "AWS_WEB_IDENTITY_TOKEN_FILE");
        return true;
    }
    choice->kind = SUPPLY_WEB_IDENTITY;
    choice->why = "AWS_WEB_IDENTITY_TOKEN_FILE is set";
    return true;
}

static bool choose_container(
    const struct identity_context *context, struct choice *choice, struct failure *failure)
{
    bool relative = context_variable(context, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != NULL;
    bool full = context_variable(context, "AWS_CONTAINER_CREDENTIALS_FULL_URI") != NULL;

    (void)failure;
    choice->kind = SUPPLY_CONTAINER;
    if (relative)
        choice->why = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is set";
    else if (full)
        choice->why = "AWS_CONTAINER_CREDENTIALS_FULL_URI is set";
    return relative || full;
}

static bool choose_imds(
    const struct identity_context *context, struct choice *choice, struct failure *failure)
{
    (void)failure;
    choice->kind = SUPPLY_IMDS;
    if (context->imds)
        choice->why = "--imds is given, and nothing else is configured";
    return context->imds;
}

/* 0 with *choice, or -1 with *failure. */
static int choose(
    const struct identity_context *context, struct choice *choice, struct failure *failure)
{
    static bool (*const rules[])(
        const struct identity_context *context, struct choice *choice, struct failure *failure) = {
        choose_keys, choose_web_identity, choose_container, choose_imds};

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (rules[i](context, choice, failure))
            return choice->why != NULL ? 0 : -1;
    failure_set(failure, ERROR_CREDENTIALS,
        "this process has no identity: none of AWS_ACCESS_KEY_ID, AWS_WEB_IDENTITY_TOKEN_FILE, "
        "a profile in the shared AWS files, AWS_CONTAINER_CREDENTIALS_FULL_URI or "
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is there%s",
        context->imds ? "" : "; the instance metadata is asked only with --imds");
    return -1;
}

static void on_member(void *data, struct credentials *credentials, const struct failure *failure)
{
    struct chain *self = data;

    provider_finish(&self->base, credentials, failure);
}

static void chain_fetch(struct provider *provider)
{
    struct chain *self = (struct chain *)provider;
    struct supply *supply = self->supply;
    struct choice choice = {.spec = {.region = supply->spec.region}};
    struct supply *chosen;
    struct failure failure;

    if (choose(&supply->pool->context, &choice, &failure) < 0) {
        provider_finish(provider, NULL, &failure);
        return;
    }
    chosen = supply_acquire(supply->pool, choice.kind, &choice.spec);
    if (chosen == NULL) {
        failure_set(&failure, ERROR_INTERNAL, "no memory for an identity");
        provider_finish(provider, NULL, &failure);
        return;
    }
    supply_release(supply->below);
    supply->below = chosen;
    facts_set(&supply->facts.why, choice.why);
    provider_get(chosen->provider, &self->request);
}

static void chain_destroy(struct provider *provider)
{
    struct chain *self = (struct chain *)provider;

    provider_cancel(&self->request);
    free(self);
}

static const struct provider_ops chain_ops = {
    .kind = "chain", .fetch = chain_fetch, .destroy = chain_destroy};

struct provider *chain_create(struct supply *supply)
{
    struct chain *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return NULL;
    provider_init(&self->base, &chain_ops);
    self->supply = supply;
    self->request.done = on_member;
    self->request.data = self;
    supply->facts.kind = chain_ops.kind;
    return &self->base;
}
