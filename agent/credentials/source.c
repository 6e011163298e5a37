/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/source.h"

#include "agent/credentials/assume_role.h"
#include "agent/credentials/cached.h"
#include "agent/credentials/metadata.h"
#include "agent/credentials/profile.h"
#include "agent/credentials/provider.h"
#include "agent/credentials/static.h"
#include "agent/credentials/web_identity.h"

#include <stdio.h>
#include <stdlib.h>

/* The first kind that the environment configures. */
struct chain_choice {
    enum source_kind kind;
    struct identity_spec spec;
    char why[200]; /* for users */
};

/* Each rule returns whether the environment configures its kind; if so, it sets the choice or the
 * failure. */
typedef bool rule_fn(
    const struct identity_context *context, struct chain_choice *choice, struct failure *failure);

static void set_why(struct chain_choice *choice, const char *why)
{
    snprintf(choice->why, sizeof(choice->why), "%s", why);
}

static bool choose_keys(
    const struct identity_context *context, struct chain_choice *choice, struct failure *failure)
{
    bool id = context_variable(context, "AWS_ACCESS_KEY_ID") != NULL;
    bool secret = context_variable(context, "AWS_SECRET_ACCESS_KEY") != NULL;
    bool token = context_variable(context, "AWS_SESSION_TOKEN") != NULL;

    if (!id && !secret)
        return false;
    if (id != secret) {
        failure_set_settings(failure, "%s is set, but %s is not: both are needed, or neither",
            id ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
            id ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
        return true;
    }
    choice->kind = SOURCE_KIND_STATIC;
    choice->spec.key_id = (struct value_ref){
        .source = SOURCE_ENVIRONMENT, .text = "AWS_ACCESS_KEY_ID", .origin = "the environment"};
    choice->spec.secret_key = (struct value_ref){
        .source = SOURCE_ENVIRONMENT, .text = "AWS_SECRET_ACCESS_KEY", .origin = "the environment"};
    if (token)
        choice->spec.session_token = (struct value_ref){
            .source = SOURCE_ENVIRONMENT, .text = "AWS_SESSION_TOKEN", .origin = "the environment"};
    set_why(choice, "AWS_ACCESS_KEY_ID is set");
    return true;
}

static bool choose_web_identity(
    const struct identity_context *context, struct chain_choice *choice, struct failure *failure)
{
    bool file = context_variable(context, "AWS_WEB_IDENTITY_TOKEN_FILE") != NULL;
    bool role = context_variable(context, "AWS_ROLE_ARN") != NULL;

    if (!file)
        return false; /* AWS_ROLE_ARN alone configures nothing in any SDK */
    if (!role) {
        failure_set_settings(failure, "AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is "
                                      "not: web identity needs both, no "
                                      "other identity is tried");
        return true;
    }
    choice->kind = SOURCE_KIND_WEB_IDENTITY;
    set_why(choice, "AWS_WEB_IDENTITY_TOKEN_FILE is set");
    return true;
}

static bool choose_profile(
    const struct identity_context *context, struct chain_choice *choice, struct failure *failure)
{
    bool named;
    const char *name = shared_profile_name(context, &named);

    (void)failure;
    if (!profile_configured(context))
        return false;
    choice->kind = SOURCE_KIND_PROFILE;
    snprintf(choice->why, sizeof(choice->why), "the shared AWS files have the profile %s%s", name,
        named ? " (AWS_PROFILE)" : "");
    return true;
}

static bool choose_container(
    const struct identity_context *context, struct chain_choice *choice, struct failure *failure)
{
    bool relative = context_variable(context, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != NULL;
    bool full = context_variable(context, "AWS_CONTAINER_CREDENTIALS_FULL_URI") != NULL;

    (void)failure;
    choice->kind = SOURCE_KIND_CONTAINER;
    if (relative)
        set_why(choice, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is set");
    else if (full)
        set_why(choice, "AWS_CONTAINER_CREDENTIALS_FULL_URI is set");
    return relative || full;
}

static bool choose_imds(
    const struct identity_context *context, struct chain_choice *choice, struct failure *failure)
{
    (void)failure;
    choice->kind = SOURCE_KIND_IMDS;
    if (context->imds)
        set_why(choice, "--imds is given, and nothing else is configured");
    return context->imds;
}

/* 0 with *choice, or -1 with *failure: nothing is configured, or only part of a source. */
static int chain_choose(
    const struct identity_context *context, struct chain_choice *choice, struct failure *failure)
{
    static rule_fn *const rules[] = {
        choose_keys, choose_web_identity, choose_profile, choose_container, choose_imds};
    /* EKS injects the variables when it admits a pod, and never later. */
    bool pod = context_variable(context, "KUBERNETES_SERVICE_HOST") != NULL;

    if (profile_redirection(context, failure))
        return -1;
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (rules[i](context, choice, failure))
            return choice->why[0] != '\0' ? 0 : -1;
    failure_set_settings(failure,
        "this process has no identity: none of AWS_ACCESS_KEY_ID, AWS_WEB_IDENTITY_TOKEN_FILE, "
        "a profile in the shared AWS files, AWS_CONTAINER_CREDENTIALS_FULL_URI or "
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is there%s",
        pod ? "; if this pod's service account has a Pod Identity association or a role "
              "annotation, "
              "the pod was admitted before it: delete the pod"
        : context->imds ? ""
                        : "; the instance metadata is asked only with --imds");
    return -1;
}

void chain_list_unused(const struct identity_context *context, enum source_kind used, bool by_chain,
    chain_unused_fn *fn, void *data)
{
    const struct source {
        const char *name;
        bool configured;
        enum source_kind kind;
    } sources[] = {
        {"AWS_ACCESS_KEY_ID", context_variable(context, "AWS_ACCESS_KEY_ID") != NULL,
            SOURCE_KIND_STATIC},
        {"AWS_WEB_IDENTITY_TOKEN_FILE",
            context_variable(context, "AWS_WEB_IDENTITY_TOKEN_FILE") != NULL,
            SOURCE_KIND_WEB_IDENTITY},
        {"the profile of the shared AWS files", profile_configured(context), SOURCE_KIND_PROFILE},
        {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            context_variable(context, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != NULL,
            SOURCE_KIND_CONTAINER},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI",
            context_variable(context, "AWS_CONTAINER_CREDENTIALS_FULL_URI") != NULL,
            SOURCE_KIND_CONTAINER},
        {"the instance metadata (--imds)", context->imds, SOURCE_KIND_IMDS},
    };
    bool role_alone = context_variable(context, "AWS_ROLE_ARN") != NULL &&
                      context_variable(context, "AWS_WEB_IDENTITY_TOKEN_FILE") == NULL;

    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
        if (sources[i].configured && sources[i].kind != used)
            fn(data, sources[i].name,
                by_chain ? "another source stands before it in the default chain"
                         : "the trigger's configuration chooses another source");
    if (role_alone)
        fn(data, "AWS_ROLE_ARN", "it configures nothing without AWS_WEB_IDENTITY_TOKEN_FILE");
}

/* The rule of podIdentity `aws` for a role: by web identity; only if STS refuses that, by
 * AssumeRole. Decided at each fetch: a transient fault is not a refusal. */
static struct provider *aws_rule_create(
    struct provider *web_identity, struct provider *assume_role);

/* ---- the chain forwards to the source that it chose ---- */

struct chain {
    struct provider base;
    struct source *source;           /* the chain's own */
    struct provider_request request; /* to the chosen source */
};

static void on_member(void *data, struct credentials *credentials, const struct failure *failure)
{
    struct chain *self = data;

    provider_finish(&self->base, credentials, failure);
}

/* 0 with source->below, or -1 with source->failure. */
static int source_settle(struct chain *self)
{
    struct source *source = self->source;
    struct chain_choice choice = {.spec = {.region = source->spec.region}};
    struct source *chosen;

    if (chain_choose(&source->pool->context, &choice, &source->failure) < 0)
        return -1;
    chosen = source_acquire(source->pool, choice.kind, &choice.spec);
    if (chosen == NULL) {
        failure_set(&source->failure, ERROR_INTERNAL, "no memory for an identity");
        return -1;
    }
    source_release(source->below);
    source->below = chosen;
    source->reconsider = false;
    source->failure.code = ERROR_NONE;
    facts_set(&source->facts.why, choice.why);
    return 0;
}

static void chain_fetch(struct provider *provider)
{
    struct chain *self = (struct chain *)provider;
    struct source *source = self->source;

    if ((source->below == NULL || source->reconsider) && source_settle(self) < 0 &&
        source->below == NULL)
        provider_finish(provider, NULL, &source->failure);
    else
        provider_get(source->below->provider, &self->request);
}

static void chain_destroy(struct provider *provider)
{
    struct chain *self = (struct chain *)provider;

    provider_cancel(&self->request);
    free(self);
}

static const struct provider_ops chain_ops = {
    .kind = "chain", .fetch = chain_fetch, .destroy = chain_destroy};

static struct provider *chain_create(struct source *source)
{
    struct chain *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return NULL;
    provider_init(&self->base, &chain_ops);
    self->source = source;
    self->request.done = on_member;
    self->request.trouble = provider_trouble;
    self->request.data = self;
    source->facts.kind = chain_ops.kind;
    source_settle(self); /* for whoami, which may be called first */
    return &self->base;
}

/* ---- one function for each kind: from its spec to a provider ---- */

static struct provider *make_chain(struct source *source)
{
    return chain_create(source);
}

static struct provider *make_static(struct source *source)
{
    struct static_options options = {
        .context = &source->pool->context,
        .facts = &source->facts,
        .key_id = source->spec.key_id,
        .secret_key = source->spec.secret_key,
        .session_token = source->spec.session_token,
    };

    return static_create(&options);
}

static struct provider *source_make_web_identity(struct source *source, struct value_ref role)
{
    const struct identity_context *context = &source->pool->context;
    struct web_identity_options options = {
        .context = context,
        .facts = &source->facts,
        .token_file = context_variable(context, "AWS_WEB_IDENTITY_TOKEN_FILE"),
        .role = role,
        .region = source->spec.region,
    };

    return web_identity_create(&options);
}

static struct provider *make_web_identity_by_environment(struct source *source)
{
    struct value_ref role = {
        .source = SOURCE_ENVIRONMENT, .text = "AWS_ROLE_ARN", .origin = "web identity"};

    return source_make_web_identity(source, role);
}

static void base_refused(void *data, const struct credentials *credentials, const char *aws_code)
{
    sources_refused(data, credentials, aws_code);
}

static struct provider *make_assume_role(struct source *source)
{
    struct sources *pool = source->pool;
    bool on_web_identity = source->spec.kind == IDENTITY_WEB_IDENTITY;
    struct identity_spec base = {.region = source->spec.region};
    struct assume_role_options options = {
        .context = &pool->context,
        .facts = &source->facts,
        .base_refused = base_refused,
        .base_data = pool,
        .role = source->spec.role,
        .external_id = source->spec.external_id,
        .base_role = on_web_identity ? context_variable(&pool->context, "AWS_ROLE_ARN") : NULL,
        .region = source->spec.region,
    };

    source->below = source_acquire(
        pool, on_web_identity ? SOURCE_KIND_WEB_IDENTITY : SOURCE_KIND_CHAIN, &base);
    if (source->below == NULL)
        return NULL;
    options.base = source->below->provider;
    return assume_role_create(&options);
}

static struct provider *make_aws(struct source *source)
{
    struct provider *assume_role;

    /* Without a token file AssumeRole is the first attempt. */
    assume_role = make_assume_role(source);
    if (context_variable(&source->pool->context, "AWS_WEB_IDENTITY_TOKEN_FILE") == NULL)
        return assume_role;
    return aws_rule_create(source_make_web_identity(source, source->spec.role), assume_role);
}

static struct provider *make_profile(struct source *source)
{
    return profile_chain_create(&source->pool->context, &source->facts, source->spec.region);
}

static struct provider *make_container(struct source *source)
{
    return container_create(&source->pool->context, &source->facts);
}

static struct provider *make_imds(struct source *source)
{
    return imds_create(&source->pool->context, &source->facts, source->kind == SOURCE_KIND_KIAM);
}

static const struct source_maker {
    struct provider *(*make)(struct source *source);
    bool cached;
} makers[] = {
    [SOURCE_KIND_CHAIN] = {make_chain, false},
    [SOURCE_KIND_STATIC] = {make_static, true},
    [SOURCE_KIND_WEB_IDENTITY] = {make_web_identity_by_environment, true},
    [SOURCE_KIND_AWS] = {make_aws, true},
    [SOURCE_KIND_ASSUME_ROLE] = {make_assume_role, true},
    [SOURCE_KIND_PROFILE] = {make_profile, true},
    [SOURCE_KIND_CONTAINER] = {make_container, true},
    [SOURCE_KIND_IMDS] = {make_imds, true},
    [SOURCE_KIND_KIAM] = {make_imds, true},
};
_Static_assert(sizeof(makers) / sizeof(makers[0]) == SOURCE_KINDS, "each kind has a maker");

/* ---- the pool ---- */

static bool asks_sts(enum source_kind kind)
{
    return kind != SOURCE_KIND_STATIC && kind != SOURCE_KIND_CONTAINER &&
           kind != SOURCE_KIND_IMDS && kind != SOURCE_KIND_KIAM;
}

/* Only the fields that the kind uses, so that equal sources compare equal. */
static struct identity_spec source_reduce(
    const struct sources *pool, enum source_kind kind, const struct identity_spec *spec)
{
    struct identity_spec reduced = {.kind = IDENTITY_CHAIN};

    if (asks_sts(kind) && pool->context.environment.region == NULL)
        reduced.region = spec->region;
    if (kind == SOURCE_KIND_STATIC) {
        reduced.key_id = spec->key_id;
        reduced.secret_key = spec->secret_key;
        reduced.session_token = spec->session_token;
    } else if (kind == SOURCE_KIND_AWS || kind == SOURCE_KIND_ASSUME_ROLE) {
        reduced.role = spec->role;
        reduced.external_id = spec->external_id;
        if (spec->kind == IDENTITY_WEB_IDENTITY)
            reduced.kind = spec->kind;
    }
    return reduced;
}

static void source_free(struct source *source)
{
    provider_destroy(source->provider);
    source_release(source->below);
    facts_clear(&source->facts);
    identity_spec_clear(&source->spec);
    free(source);
}

static struct source *source_create(
    struct sources *pool, enum source_kind kind, const struct identity_spec *spec)
{
    struct source *source = calloc(1, sizeof(*source));

    if (source == NULL)
        return NULL;
    if (identity_spec_copy(&source->spec, spec) < 0) {
        free(source);
        return NULL;
    }
    source->pool = pool;
    source->references = 1;
    source->kind = kind;
    source->cached = makers[kind].cached;
    source->provider = makers[kind].make(source);
    if (source->cached)
        source->provider = cached_create(&pool->context, &source->facts, source->provider);
    if (source->provider == NULL) {
        source_free(source);
        return NULL;
    }
    source->next = pool->first;
    pool->first = source;
    return source;
}

struct source *source_acquire(
    struct sources *pool, enum source_kind kind, const struct identity_spec *spec)
{
    struct identity_spec reduced = source_reduce(pool, kind, spec);

    for (struct source *source = pool->first; source != NULL; source = source->next) {
        if (source->kind == kind && identity_spec_equal(&source->spec, &reduced)) {
            source->references++;
            return source;
        }
    }
    return source_create(pool, kind, &reduced);
}

void source_release(struct source *source)
{
    struct source **link;

    if (source == NULL || --source->references > 0)
        return;
    link = &source->pool->first;
    while (*link != source)
        link = &(*link)->next;
    *link = source->next;
    source_free(source);
}

const struct source *source_keeper(const struct source *source)
{
    while (source != NULL && !source->cached)
        source = source->below;
    return source;
}

void sources_refused(
    struct sources *pool, const struct credentials *credentials, const char *aws_code)
{
    for (struct source *source = pool->first; source != NULL; source = source->next)
        if (source->cached)
            cached_refused(source->provider, credentials, aws_code);
}

void source_refresh(struct source *source)
{
    for (; source != NULL; source = source->below) {
        source->reconsider = true;
        if (source->cached)
            cached_refresh(source->provider);
    }
}

/* ---- aws rule ---- */

struct aws_rule {
    struct provider base;
    struct provider *web_identity; /* owned, as the next */
    struct provider *assume_role;
    struct provider_request request; /* to the provider that is being tried */
    struct failure refusal;          /* of the web identity */
};

static void on_assume_role(
    void *data, struct credentials *credentials, const struct failure *failure)
{
    struct aws_rule *self = data;
    struct failure both;

    if (credentials != NULL) {
        provider_finish(&self->base, credentials, NULL);
        return;
    }
    both = *failure;
    failure_explain(&both, "before that, %.180s", self->refusal.message);
    provider_finish(&self->base, NULL, &both);
}

static void on_web_identity(
    void *data, struct credentials *credentials, const struct failure *failure)
{
    struct aws_rule *self = data;

    if (credentials != NULL || !web_identity_refused(failure)) {
        provider_finish(&self->base, credentials, failure);
        return;
    }
    self->refusal = *failure;
    self->request.done = on_assume_role;
    provider_get(self->assume_role, &self->request);
}

/* The auth parameter awsRoleArn is empty, so there is nothing to assume. */
static void on_base(void *data, struct credentials *credentials, const struct failure *failure)
{
    struct aws_rule *self = data;

    provider_finish(&self->base, credentials, failure);
}

static void aws_rule_fetch(struct provider *provider)
{
    struct aws_rule *self = (struct aws_rule *)provider;

    if (!assume_role_has_role(self->assume_role)) {
        self->request.done = on_base;
        provider_get(self->assume_role, &self->request);
        return;
    }
    self->request.done = on_web_identity;
    provider_get(self->web_identity, &self->request);
}

static void aws_rule_destroy(struct provider *provider)
{
    struct aws_rule *self = (struct aws_rule *)provider;

    provider_cancel(&self->request);
    provider_destroy(self->web_identity);
    provider_destroy(self->assume_role);
    free(self);
}

static const struct provider_ops aws_rule_ops = {
    .kind = "aws", .fetch = aws_rule_fetch, .destroy = aws_rule_destroy};

/* Takes over both, even if one is NULL (out of memory): then the result is NULL. */
static struct provider *aws_rule_create(struct provider *web_identity, struct provider *assume_role)
{
    struct aws_rule *self = calloc(1, sizeof(*self));

    if (self == NULL || web_identity == NULL || assume_role == NULL) {
        provider_destroy(web_identity);
        provider_destroy(assume_role);
        free(self);
        return NULL;
    }
    provider_init(&self->base, &aws_rule_ops);
    self->web_identity = web_identity;
    self->assume_role = assume_role;
    self->request.trouble = provider_trouble;
    self->request.data = self;
    return &self->base;
}
