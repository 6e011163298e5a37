/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/source.h"

#include "agent/aws/retry.h"
#include "agent/credentials/assume_role.h"
#include "agent/credentials/metadata.h"
#include "agent/credentials/profile_chain.h"
#include "agent/credentials/static.h"
#include "agent/credentials/web_identity.h"
#include "agent/log.h"
#include "proto/saturating.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_MS 60000

#define MANDATORY_MS (1 * MINUTE_MS)

/* How long before expiry credentials are refreshed in the background, by their lifetime: as in
 * botocore since 2026. The longer they live, the longer an STS outage they outlast. */
static const struct window {
    int64_t life_ms; /* up to this lifetime */
    int64_t advisory_ms;
} windows[] = {
    {20 * MINUTE_MS, 5 * MINUTE_MS},
    {90 * MINUTE_MS - 1, 15 * MINUTE_MS},
    {INT64_MAX, 60 * MINUTE_MS},
};

/* After a failed refresh with valid credentials: the next retry is after a uniformly random time in
 * [pause, 2 * pause]; pause is at most this and at most a quarter of the remaining lifetime. */
#define PAUSE_MAX_MS (5 * MINUTE_MS)
#define PAUSE_MIN_MS 1000

/* Without valid credentials waiting callers have little time: a transient fault is remembered only
 * to space the retries, which back off while a service is down; a refusal as usual. */
#define FAULT_MS     1000
#define FAULT_MAX_MS 8000

/* How long a request waits for a refresh while the kept credentials are still valid. */
#define PATIENCE_MS 2000

/* A monotonic timer does not notice a suspend or a clock change, so the wall clock is checked
 * periodically. */
#define RECHECK_MS MINUTE_MS

/* ---- when to fetch ---- */

enum need { NEED_NOTHING, NEED_ADVISORY, NEED_MANDATORY };

static int64_t source_wall(const struct source *source)
{
    return aws_client_wall(source->pool->context.client);
}

static bool source_is_valid(const struct source *source)
{
    return source->current != NULL && source->current->expires_ms > source_wall(source);
}

static enum need source_need(const struct source *source)
{
    bool stale = source->stale || (source->fetching && source->was_stale);

    if (!source_is_valid(source) || stale ||
        source->current->expires_ms == CREDENTIALS_NEVER_EXPIRE ||
        source_wall(source) >= source->mandatory_at)
        return NEED_MANDATORY;
    return source_wall(source) >= source->advisory_at ? NEED_ADVISORY : NEED_NOTHING;
}

/* Milliseconds until the next fetch is allowed; 0: now. */
static int64_t source_pause_left(const struct source *source)
{
    int64_t end = source->failed_at +
                  (source_is_valid(source) ? source->pause_ms : source->memory_ms);
    int64_t now = loop_now(source->pool->context.loop);

    return source->failed && end > now ? end - now : 0;
}

static uint32_t source_random_below(const struct source *source, int64_t bound)
{
    return bound > 0 ? (uint32_t)(source->pool->context.random() % (uint64_t)bound) : 0;
}

int64_t source_refresh_in(const struct source *source)
{
    int64_t delay;

    if (!source_is_valid(source) || !source->used ||
        source->current->expires_ms == CREDENTIALS_NEVER_EXPIRE)
        return -1;
    delay = source_need(source) == NEED_NOTHING
                ? saturating_subtract(source->advisory_at, source_wall(source))
                : 0;
    if (delay < source_pause_left(source))
        delay = source_pause_left(source);
    return delay;
}

static void source_schedule(struct source *source)
{
    int64_t delay = source_refresh_in(source);

    if (delay < 0)
        loop_timer_stop(source->timer);
    else
        loop_timer_start(source->timer, delay < RECHECK_MS ? delay : RECHECK_MS);
}

/* ---- requests ---- */

static void set_shutting_down(struct failure *failure)
{
    failure_set(failure, ERROR_SHUTTING_DOWN, "the identity is being shut down");
}

/* A request that arrives meanwhile waits in a new ring, one that is cancelled still has valid
 * neighbours; and a callback may free the source: so only local data is used. */
static void requests_answer(
    struct ring *requests, struct credentials *credentials, const struct failure *failure)
{
    struct ring waiting;

    ring_take_all(requests, &waiting);
    while (!ring_is_empty(&waiting)) {
        struct credentials_request *request = RING_MEMBER(
            ring_pop(&waiting), struct credentials_request, link);

        request->is_waiting = false;
        request->done(request->data, credentials, failure);
    }
}

/* The valid credentials for an answer, held; or NULL. */
static struct credentials *source_take(struct source *source)
{
    if (!source_is_valid(source))
        return NULL;
    source->used = true;
    if (!source->fetching)
        source_schedule(source);
    return credentials_ref(source->current);
}

static struct failure source_failure(const struct source *source)
{
    struct failure failure = source->failure;

    if (failure.retry_after_ms < source_pause_left(source))
        failure.retry_after_ms = source_pause_left(source);
    return failure;
}

static void source_answer_finished(struct source *source)
{
    struct credentials *credentials = source->answer;
    struct failure failure;

    source->answer = NULL;
    if (credentials == NULL)
        failure = source_failure(source);
    requests_answer(&source->waiting, credentials, credentials == NULL ? &failure : NULL);
    credentials_unref(credentials);
}

/* Answers the waiting requests with the present state. An answer often finishes the fetch of
 * another source: its requests are answered after the first callback has returned, not from within
 * it, so that each function is on the stack only once. The source may be freed afterwards. */
static void source_answer(struct source *source)
{
    struct sources *pool = source->pool;

    source->answer = source_take(source);
    ring_add(&pool->finished, &source->finished);
    if (pool->answering)
        return;
    pool->answering = true;
    while (!ring_is_empty(&pool->finished))
        source_answer_finished(RING_MEMBER(ring_pop(&pool->finished), struct source, finished));
    pool->answering = false;
}

/* The source may be freed afterwards. */
static void source_fetch(struct source *source)
{
    source->was_stale = source->stale;
    source->stale = false;
    source->is_troubled = false;
    source->fetching = true;
    if (source_is_valid(source))
        loop_timer_start(source->timer, PATIENCE_MS);
    else
        loop_timer_stop(source->timer);
    source->provider->ops->fetch(source->provider);
}

static void on_timer(void *data)
{
    struct source *source = data;

    if (source->fetching) {
        if (!ring_is_empty(&source->waiting) && source_is_valid(source))
            source_answer(source);
    } else if (source->used && source_need(source) != NEED_NOTHING &&
               source_pause_left(source) == 0) {
        source_fetch(source);
    } else {
        source_schedule(source);
    }
}

/* For NEED_ADVISORY the timer starts the refresh. */
static bool source_must_wait(const struct source *source)
{
    return !ring_is_empty(&source->finished) ||
           (source_need(source) == NEED_MANDATORY &&
               (source->fetching || source_pause_left(source) == 0));
}

static void source_wait(struct source *source, struct credentials_request *request)
{
    bool is_first = ring_is_empty(&source->waiting);

    request->is_waiting = true;
    ring_add(&source->waiting, &request->link);
    if (!ring_is_empty(&source->finished))
        return;
    if (!source->fetching) {
        source_fetch(source);
        return;
    }
    if (is_first && source_is_valid(source))
        loop_timer_start(source->timer, PATIENCE_MS);
    /* The next attempt may come after this request's deadline. */
    if (source->is_troubled && request->trouble != NULL)
        request->trouble(request->data, &source->trouble);
}

/* ---- the choice of a chain ---- */

/* 0 with source->below, or -1 with source->failure. */
static int chain_settle(struct source *source)
{
    struct chain_choice choice = {.spec = {.region = source->spec.region}};
    struct source *chosen;

    source->failed = true;
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
    source->failed = false;
    facts_set(&source->facts.why, choice.why);
    return 0;
}

/* The source that answers the requests; NULL with source->failure. A chain does not choose again
 * while requests wait for its present choice. */
static struct source *source_choose(struct source *source)
{
    if (source->provider != NULL)
        return source;
    if (source->below == NULL || (source->reconsider && ring_is_empty(&source->below->waiting)))
        chain_settle(source);
    return source->below;
}

void source_get(struct source *source, struct credentials_request *request)
{
    struct source *chosen = source->closing ? NULL : source_choose(source);
    struct credentials *credentials = NULL;
    struct failure failure;

    if (chosen != NULL && source_must_wait(chosen)) {
        source_wait(chosen, request);
        return;
    }
    if (source->closing)
        set_shutting_down(&failure);
    else if (chosen == NULL)
        failure = source->failure;
    else if ((credentials = source_take(chosen)) == NULL)
        failure = source_failure(chosen);
    request->done(request->data, credentials, credentials == NULL ? &failure : NULL);
    credentials_unref(credentials);
}

void source_cancel(struct credentials_request *request)
{
    if (request->is_waiting)
        ring_remove(&request->link);
    request->is_waiting = false;
}

/* ---- the end of a fetch ---- */

static int64_t advisory_window(int64_t life)
{
    size_t i = 0;

    while (life > windows[i].life_ms)
        i++;
    return life / 2 < windows[0].advisory_ms ? life / 2 : windows[i].advisory_ms;
}

static void source_keep(struct source *source, struct credentials *credentials)
{
    int64_t life = saturating_subtract(credentials->expires_ms, source_wall(source));
    int64_t advisory = advisory_window(life);
    int64_t mandatory = life / 10 < MANDATORY_MS ? life / 10 : MANDATORY_MS;

    if (source->current != credentials)
        log_event(LOG_LEVEL_INFO, "credentials_fetched", LOG_TEXT("kind", source->facts.kind),
            LOG_TEXT("role", source->facts.role != NULL ? source->facts.role : ""),
            LOG_NUMBER("expires_in_s",
                credentials->expires_ms == CREDENTIALS_NEVER_EXPIRE ? -1 : life / 1000));
    credentials_ref(credentials);
    credentials_unref(source->current);
    source->current = credentials;
    source->failed = false;
    source->refusals = 0;
    source->faults = 0;
    source->used = false;
    if (credentials->expires_ms == CREDENTIALS_NEVER_EXPIRE)
        return;
    source->mandatory_at = saturating_subtract(credentials->expires_ms, mandatory);
    /* Pods that started together must not refresh together. */
    source->advisory_at = saturating_add(saturating_subtract(credentials->expires_ms, advisory),
        source_random_below(source, (advisory - mandatory) / 4));
}

static bool is_refusal(const struct failure *failure)
{
    return failure->code == ERROR_ACCESS_DENIED ||
           (failure->aws_code[0] != '\0' && !failure->retryable);
}

/* A fault of a service, not a missing file: checking a file again costs nothing. */
static bool is_fault(const struct failure *failure)
{
    return failure->code == ERROR_AWS_UNAVAILABLE || failure->code == ERROR_THROTTLED;
}

static void source_set_pauses(struct source *source)
{
    int64_t pause = PAUSE_MAX_MS;
    int64_t fault;

    source->refusals = is_refusal(&source->failure) ? source->refusals + 1 : 0;
    source->faults = is_fault(&source->failure) && !source_is_valid(source) ? source->faults + 1
                                                                            : 0;
    fault = backoff_ms(FAULT_MS, FAULT_MAX_MS, source->faults > 0 ? source->faults - 1 : 0);
    source->memory_ms = source->refusals > 0 ? backoff_refused_ms(source->refusals - 1)
                                             : fault / 2 + source_random_below(source, fault / 2);
    if (source_is_valid(source) && source->current->expires_ms == CREDENTIALS_NEVER_EXPIRE)
        pause = PAUSE_MIN_MS; /* a file that is being replaced: present again in a moment */
    else if (source_is_valid(source) &&
             saturating_subtract(source->current->expires_ms, source_wall(source)) / 4 < pause)
        pause = saturating_subtract(source->current->expires_ms, source_wall(source)) / 4;
    if (pause < PAUSE_MIN_MS)
        pause = PAUSE_MIN_MS;
    source->pause_ms = pause + source_random_below(source, pause + 1);
}

static void source_remember(struct source *source, const struct failure *failure)
{
    log_failure(LOG_LEVEL_WARN,
        source_is_valid(source) ? "credentials_refresh_failed" : "credentials_failed",
        source->facts.kind, failure);
    source->failed = true;
    source->failure = *failure;
    source->failed_at = loop_now(source->pool->context.loop);
    source->stale |= source->was_stale;
    source_set_pauses(source);
}

/* Whether the received credentials can be used; else *failure. */
static bool source_accepts(
    const struct source *source, const struct credentials *credentials, struct failure *failure)
{
    aws_client_check_clock(source->pool->context.client, credentials->expires_ms);
    if (credentials->expires_ms > source_wall(source))
        return true;
    failure_set(failure, ERROR_CREDENTIALS,
        "%s: the received credentials expired %lld s ago; is this machine's clock right?",
        source->facts.kind,
        (long long)(saturating_subtract(source_wall(source), credentials->expires_ms) / 1000));
    failure->stage = STAGE_CLOCK;
    return false;
}

static void on_fetched(void *data, const struct fetch_end *end)
{
    struct source *source = data;
    const struct failure *failure = end->failure;
    struct failure expired;

    if (end->credentials == NULL && failure == NULL) {
        if (end->refused != NULL)
            sources_refused(source->pool, end->refused, end->refused_code);
        source_get(source->below, &source->base);
        return;
    }
    if (end->credentials != NULL && !source_accepts(source, end->credentials, &expired))
        failure = &expired;
    if (failure == NULL)
        source_keep(source, end->credentials);
    else
        source_remember(source, failure);
    source->fetching = false;
    if (!ring_is_empty(&source->waiting))
        source_answer(source);
    else
        source_schedule(source);
}

static void on_trouble(void *data, const struct failure *failure)
{
    struct source *source = data;

    source->trouble = *failure;
    source->is_troubled = true;
    RING_EACH(at, &source->waiting) {
        struct credentials_request *request = RING_MEMBER(at, struct credentials_request, link);

        if (request->trouble != NULL)
            request->trouble(request->data, failure);
    }
}

static const struct provider_owner source_owner = {.done = on_fetched, .trouble = on_trouble};

static void on_base(void *data, struct credentials *credentials, const struct failure *failure)
{
    struct source *source = data;

    source->provider->ops->resume(source->provider, credentials, failure);
}

/* ---- one function for each kind: from its spec to a provider ---- */

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

static struct provider *make_web_identity(struct source *source)
{
    const struct identity_context *context = &source->pool->context;
    struct web_identity_options options = {
        .context = context,
        .facts = &source->facts,
        .token_file = context_variable(context, "AWS_WEB_IDENTITY_TOKEN_FILE"),
        .role = {.source = SOURCE_ENVIRONMENT, .text = "AWS_ROLE_ARN", .origin = "web identity"},
        .region = source->spec.region,
    };

    if (source->kind == SOURCE_KIND_AWS)
        options.role = source->spec.role;
    return web_identity_create(&options);
}

static struct provider *make_assume_role(struct source *source)
{
    const struct identity_context *context = &source->pool->context;
    bool on_web_identity = source->spec.kind == IDENTITY_WEB_IDENTITY;
    struct identity_spec base = {.region = source->spec.region};
    struct assume_role_options options = {
        .context = context,
        .facts = &source->facts,
        .role = source->spec.role,
        .external_id = source->spec.external_id,
        .base_role = on_web_identity ? context_variable(context, "AWS_ROLE_ARN") : NULL,
        .region = source->spec.region,
    };

    source->below = source_acquire(
        source->pool, on_web_identity ? SOURCE_KIND_WEB_IDENTITY : SOURCE_KIND_CHAIN, &base);
    if (source->below == NULL)
        return NULL;
    /* The rule of podIdentity `aws`; without a token file AssumeRole is the first attempt. */
    if (source->kind == SOURCE_KIND_AWS &&
        context_variable(context, "AWS_WEB_IDENTITY_TOKEN_FILE") != NULL) {
        options.web_identity = make_web_identity(source);
        if (options.web_identity == NULL)
            return NULL;
    }
    return assume_role_create(&options);
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

static const struct kind {
    struct provider *(*make)(struct source *source); /* NULL: a chain has no provider of its own */
    bool asks_sts;                                   /* so the region matters */
} kinds[SOURCE_KINDS] = {
    [SOURCE_KIND_CHAIN] = {NULL, true},
    [SOURCE_KIND_STATIC] = {make_static, false},
    [SOURCE_KIND_WEB_IDENTITY] = {make_web_identity, true},
    [SOURCE_KIND_AWS] = {make_assume_role, true},
    [SOURCE_KIND_ASSUME_ROLE] = {make_assume_role, true},
    [SOURCE_KIND_PROFILE] = {make_profile, true},
    [SOURCE_KIND_CONTAINER] = {make_container, false},
    [SOURCE_KIND_IMDS] = {make_imds, false},
    [SOURCE_KIND_KIAM] = {make_imds, false},
};

/* ---- the pool ---- */

void sources_init(struct sources *pool, const struct identity_context *context)
{
    *pool = (struct sources){.context = *context};
    ring_init(&pool->finished);
}

/* Only the fields that the kind uses, so that equal sources compare equal. */
static struct identity_spec source_reduce(
    const struct sources *pool, enum source_kind kind, const struct identity_spec *spec)
{
    struct identity_spec reduced = {.kind = IDENTITY_CHAIN};

    if (kinds[kind].asks_sts && pool->context.environment.region == NULL)
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
    struct failure failure;

    source->closing = true;
    set_shutting_down(&failure);
    ring_remove(&source->finished);
    credentials_unref(source->answer);
    requests_answer(&source->waiting, NULL, &failure);
    source_cancel(&source->base);
    provider_destroy(source->provider);
    source_release(source->below);
    loop_timer_destroy(source->timer);
    credentials_unref(source->current);
    facts_clear(&source->facts);
    identity_spec_clear(&source->spec);
    free(source);
}

void source_set_provider(struct source *source, struct provider *provider)
{
    provider_destroy(source->provider);
    source->provider = provider;
    provider->owner = &source_owner;
    provider->data = source;
}

/* 0 or -ENOMEM */
static int source_begin(struct source *source)
{
    struct provider *provider;

    if (source->kind == SOURCE_KIND_CHAIN) {
        source->facts.kind = "chain";
        chain_settle(source); /* for whoami, which may be called first */
        return 0;
    }
    source->timer = loop_timer_create(source->pool->context.loop, on_timer, source);
    provider = source->timer != NULL ? kinds[source->kind].make(source) : NULL;
    if (provider == NULL)
        return -ENOMEM;
    source_set_provider(source, provider);
    return 0;
}

static struct source *source_create(
    struct sources *pool, enum source_kind kind, const struct identity_spec *spec)
{
    struct source *source = calloc(1, sizeof(*source));

    if (source == NULL)
        return NULL;
    source->pool = pool;
    source->references = 1;
    source->kind = kind;
    source->base = (struct credentials_request){
        .done = on_base, .trouble = on_trouble, .data = source};
    ring_init(&source->waiting);
    ring_init(&source->finished);
    if (identity_spec_copy(&source->spec, spec) < 0 || source_begin(source) < 0) {
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

struct source *source_keeper(struct source *source)
{
    while (source != NULL && source->provider == NULL)
        source = source->below;
    return source;
}

static void source_refused(
    struct source *source, const struct credentials *credentials, const char *aws_code)
{
    if (source->current == NULL || source->current != credentials)
        return;
    if (strncmp(aws_code, "ExpiredToken", strlen("ExpiredToken")) != 0) {
        /* A fetch under way already brings new credentials: it is worth waiting for. */
        *(source->fetching ? &source->was_stale : &source->stale) = true;
        return;
    }
    credentials_unref(source->current);
    source->current = NULL;
}

void sources_refused(
    struct sources *pool, const struct credentials *credentials, const char *aws_code)
{
    for (struct source *source = pool->first; source != NULL; source = source->next)
        source_refused(source, credentials, aws_code);
}

void source_refresh(struct source *source)
{
    for (; source != NULL; source = source->below) {
        source->reconsider = true;
        source->stale = true;
        source->pause_ms = 0;
        source->memory_ms = 0;
        source->faults = 0;
    }
}

const struct credentials *source_credentials(const struct source *source)
{
    return source_is_valid(source) ? source->current : NULL;
}
