/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/source.h"

#include "agent/credentials/assume_role.h"
#include "agent/credentials/cached.h"
#include "agent/credentials/chain.h"
#include "agent/credentials/metadata.h"
#include "agent/credentials/profile.h"
#include "agent/credentials/provider.h"
#include "agent/credentials/static.h"
#include "agent/credentials/web_identity.h"

#include <stdlib.h>

static struct provider *aws_rule_create(
    struct provider *web_identity, struct provider *assume_role);

/* ---- source ---- */

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

/* ---- the pool ---- */

static bool asks_sts(enum source_kind kind)
{
    return kind != SOURCE_KIND_STATIC && kind != SOURCE_KIND_CONTAINER &&
           kind != SOURCE_KIND_IMDS && kind != SOURCE_KIND_KIAM;
}

/* Only the fields that the kind uses, so that equal sources compare equal. */
static struct identity_spec reduce(
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
    struct identity_spec reduced = reduce(pool, kind, spec);

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
