#include "agent/identity/supply.h"

#include "agent/identity/assume_role.h"
#include "agent/identity/aws_rule.h"
#include "agent/identity/cached.h"
#include "agent/identity/chain.h"
#include "agent/identity/container.h"
#include "agent/identity/imds.h"
#include "agent/identity/profile_chain.h"
#include "agent/identity/static.h"
#include "agent/identity/web_identity.h"

#include <stdlib.h>

/* ---- the chain passes on to the source that it chose ---- */

struct chain {
    struct provider base;
    struct supply *supply;           /* the chain's own */
    struct provider_request request; /* to the chosen one */
};

static void on_member(void *data, struct credentials *credentials, const struct failure *failure)
{
    struct chain *self = data;

    provider_finish(&self->base, credentials, failure);
}

/* 0 with supply->below, or -1 with supply->failure. */
static int settle(struct chain *self)
{
    struct supply *supply = self->supply;
    struct chain_choice choice = {.spec = {.region = supply->spec.region}};
    struct supply *chosen;

    if (chain_choose(&supply->pool->context, &choice, &supply->failure) < 0)
        return -1;
    chosen = supply_acquire(supply->pool, choice.kind, &choice.spec);
    if (chosen == NULL) {
        failure_set(&supply->failure, ERROR_INTERNAL, "no memory for an identity");
        return -1;
    }
    supply_release(supply->below);
    supply->below = chosen;
    supply->reconsider = false;
    supply->failure.code = ERROR_NONE;
    facts_set(&supply->facts.why, choice.why);
    return 0;
}

static void chain_fetch(struct provider *provider)
{
    struct chain *self = (struct chain *)provider;
    struct supply *supply = self->supply;

    if ((supply->below == NULL || supply->reconsider) && settle(self) < 0 && supply->below == NULL)
        provider_finish(provider, NULL, &supply->failure);
    else
        provider_get(supply->below->provider, &self->request);
}

static void chain_destroy(struct provider *provider)
{
    struct chain *self = (struct chain *)provider;

    provider_cancel(&self->request);
    free(self);
}

static const struct provider_ops chain_ops = {
    .kind = "chain", .fetch = chain_fetch, .destroy = chain_destroy};

static struct provider *chain_create(struct supply *supply)
{
    struct chain *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return NULL;
    provider_init(&self->base, &chain_ops);
    self->supply = supply;
    self->request.done = on_member;
    self->request.trouble = provider_trouble;
    self->request.data = self;
    supply->facts.kind = chain_ops.kind;
    settle(self); /* for whoami, which may be asked first */
    return &self->base;
}

/* ---- one function for each kind: from its spec to a provider --------------------------------- */

static struct provider *make_chain(struct supply *supply)
{
    return chain_create(supply);
}

static struct provider *make_static(struct supply *supply)
{
    struct static_options options = {
        .context = &supply->pool->context,
        .facts = &supply->facts,
        .key_id = supply->spec.key_id,
        .secret_key = supply->spec.secret_key,
        .session_token = supply->spec.session_token,
    };

    return static_create(&options);
}

static struct provider *make_web_identity(struct supply *supply, struct value_ref role)
{
    const struct identity_context *context = &supply->pool->context;
    struct web_identity_options options = {
        .context = context,
        .facts = &supply->facts,
        .token_file = context_variable(context, "AWS_WEB_IDENTITY_TOKEN_FILE"),
        .role = role,
        .region = supply->spec.region,
    };

    return web_identity_create(&options);
}

static struct provider *make_web_identity_by_environment(struct supply *supply)
{
    struct value_ref role = {
        .source = SOURCE_ENVIRONMENT, .text = "AWS_ROLE_ARN", .origin = "web identity"};

    return make_web_identity(supply, role);
}

static void base_refused(void *data, const struct credentials *credentials, const char *aws_code)
{
    supplies_refused(data, credentials, aws_code);
}

static struct provider *make_assume_role(struct supply *supply)
{
    struct supplies *pool = supply->pool;
    bool on_web_identity = supply->spec.kind == IDENTITY_WEB_IDENTITY;
    struct identity_spec base = {.region = supply->spec.region};
    struct assume_role_options options = {
        .context = &pool->context,
        .facts = &supply->facts,
        .base_refused = base_refused,
        .base_data = pool,
        .role = supply->spec.role,
        .external_id = supply->spec.external_id,
        .base_role = on_web_identity ? context_variable(&pool->context, "AWS_ROLE_ARN") : NULL,
        .region = supply->spec.region,
    };

    supply->below = supply_acquire(
        pool, on_web_identity ? SUPPLY_WEB_IDENTITY : SUPPLY_CHAIN, &base);
    if (supply->below == NULL)
        return NULL;
    options.base = supply->below->provider;
    return assume_role_create(&options);
}

static struct provider *make_aws(struct supply *supply)
{
    struct provider *assume_role;

    /* Without a token file there is nothing to try before AssumeRole. */
    assume_role = make_assume_role(supply);
    if (context_variable(&supply->pool->context, "AWS_WEB_IDENTITY_TOKEN_FILE") == NULL)
        return assume_role;
    return aws_rule_create(make_web_identity(supply, supply->spec.role), assume_role);
}

static struct provider *make_profile(struct supply *supply)
{
    return profile_chain_create(&supply->pool->context, &supply->facts, supply->spec.region);
}

static struct provider *make_container(struct supply *supply)
{
    return container_create(&supply->pool->context, &supply->facts);
}

static struct provider *make_imds(struct supply *supply)
{
    return imds_create(&supply->pool->context, &supply->facts, supply->kind == SUPPLY_KIAM);
}

static const struct supply_maker {
    struct provider *(*make)(struct supply *supply);
    bool cached;
} makers[] = {
    [SUPPLY_CHAIN] = {make_chain, false},
    [SUPPLY_STATIC] = {make_static, true},
    [SUPPLY_WEB_IDENTITY] = {make_web_identity_by_environment, true},
    [SUPPLY_AWS] = {make_aws, true},
    [SUPPLY_ASSUME_ROLE] = {make_assume_role, true},
    [SUPPLY_PROFILE] = {make_profile, true},
    [SUPPLY_CONTAINER] = {make_container, true},
    [SUPPLY_IMDS] = {make_imds, true},
    [SUPPLY_KIAM] = {make_imds, true},
};

/* ---- the pool -------------------------------------------------------------------------------- */

static bool asks_sts(enum supply_kind kind)
{
    return kind != SUPPLY_STATIC && kind != SUPPLY_CONTAINER && kind != SUPPLY_IMDS &&
           kind != SUPPLY_KIAM;
}

/* Only what matters to the kind, so that equal supplies are found to be equal. */
static struct identity_spec reduce(
    const struct supplies *pool, enum supply_kind kind, const struct identity_spec *spec)
{
    struct identity_spec reduced = {.kind = IDENTITY_CHAIN};

    if (asks_sts(kind) && pool->context.environment.region == NULL)
        reduced.region = spec->region;
    if (kind == SUPPLY_STATIC) {
        reduced.key_id = spec->key_id;
        reduced.secret_key = spec->secret_key;
        reduced.session_token = spec->session_token;
    } else if (kind == SUPPLY_AWS || kind == SUPPLY_ASSUME_ROLE) {
        reduced.role = spec->role;
        reduced.external_id = spec->external_id;
        if (spec->kind == IDENTITY_WEB_IDENTITY)
            reduced.kind = spec->kind;
    }
    return reduced;
}

static void supply_free(struct supply *supply)
{
    provider_destroy(supply->provider);
    supply_release(supply->below);
    facts_clear(&supply->facts);
    identity_spec_clear(&supply->spec);
    free(supply);
}

static struct supply *supply_create(
    struct supplies *pool, enum supply_kind kind, const struct identity_spec *spec)
{
    struct supply *supply = calloc(1, sizeof(*supply));

    if (supply == NULL)
        return NULL;
    if (identity_spec_copy(&supply->spec, spec) < 0) {
        free(supply);
        return NULL;
    }
    supply->pool = pool;
    supply->references = 1;
    supply->kind = kind;
    supply->cached = makers[kind].cached;
    supply->provider = makers[kind].make(supply);
    if (supply->cached)
        supply->provider = cached_create(&pool->context, &supply->facts, supply->provider);
    if (supply->provider == NULL) {
        supply_free(supply);
        return NULL;
    }
    supply->next = pool->first;
    pool->first = supply;
    return supply;
}

struct supply *supply_acquire(
    struct supplies *pool, enum supply_kind kind, const struct identity_spec *spec)
{
    struct identity_spec reduced = reduce(pool, kind, spec);

    for (struct supply *supply = pool->first; supply != NULL; supply = supply->next) {
        if (supply->kind == kind && identity_spec_equal(&supply->spec, &reduced)) {
            supply->references++;
            return supply;
        }
    }
    return supply_create(pool, kind, &reduced);
}

void supply_release(struct supply *supply)
{
    struct supply **link;

    if (supply == NULL || --supply->references > 0)
        return;
    link = &supply->pool->first;
    while (*link != supply)
        link = &(*link)->next;
    *link = supply->next;
    supply_free(supply);
}

const struct supply *supply_keeper(const struct supply *supply)
{
    while (supply != NULL && !supply->cached)
        supply = supply->below;
    return supply;
}

void supplies_refused(
    struct supplies *pool, const struct credentials *credentials, const char *aws_code)
{
    for (struct supply *supply = pool->first; supply != NULL; supply = supply->next)
        if (supply->cached)
            cached_refused(supply->provider, credentials, aws_code);
}

void supply_refresh(struct supply *supply)
{
    for (; supply != NULL; supply = supply->below) {
        supply->reconsider = true;
        if (supply->cached)
            cached_refresh(supply->provider);
    }
}
