/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/cached.h"

#include "agent/aws/retry.h"
#include "agent/log.h"
#include "proto/saturating.h"

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

struct cached {
    struct provider base;
    struct provider *source;         /* owned */
    struct provider_request request; /* to the source */
    const struct identity_context *context;
    const struct facts *facts;
    struct loop_timer *timer; /* the next refresh; during a refresh, the patience of the waiters */
    struct credentials *current;
    int64_t advisory_at, mandatory_at; /* wall clock */
    bool stale;                        /* new credentials are wanted, since the last success */
    bool was_stale;                    /* the same, for the fetch under way */
    bool used;                         /* since they were fetched: else the next are not needed */
    bool failed;                       /* the last fetch, with this: */
    struct failure failure;
    int64_t failed_at; /* monotonic, as all below */
    int64_t pause_ms;  /* before the next retry while credentials are valid */
    int64_t memory_ms; /* before the next retry without valid credentials */
    uint32_t refusals; /* in a row */
    uint32_t faults;   /* of a service, in a row, without valid credentials */
};

enum need { NEED_NOTHING, NEED_ADVISORY, NEED_MANDATORY };

static int64_t cached_wall(const struct cached *self)
{
    return aws_client_wall(self->context->client);
}

static bool is_valid(const struct cached *self)
{
    return self->current != NULL && self->current->expires_ms > cached_wall(self);
}

static bool is_fetching(const struct cached *self)
{
    return self->request.provider != NULL;
}

static enum need need_of(const struct cached *self)
{
    bool stale = self->stale || (is_fetching(self) && self->was_stale);

    if (!is_valid(self) || stale || self->current->expires_ms == CREDENTIALS_NEVER_EXPIRE ||
        cached_wall(self) >= self->mandatory_at)
        return NEED_MANDATORY;
    return cached_wall(self) >= self->advisory_at ? NEED_ADVISORY : NEED_NOTHING;
}

/* Milliseconds until the next fetch is allowed; 0: now. */
static int64_t pause_left(const struct cached *self)
{
    int64_t end = self->failed_at + (is_valid(self) ? self->pause_ms : self->memory_ms);
    int64_t now = loop_now(self->context->loop);

    return self->failed && end > now ? end - now : 0;
}

static uint32_t random_below(const struct cached *self, int64_t bound)
{
    return bound > 0 ? (uint32_t)(self->context->random() % (uint64_t)bound) : 0;
}

/* -1: no caller needs the next credentials, or they never expire. */
static int64_t refresh_in(const struct cached *self)
{
    int64_t delay;

    if (!is_valid(self) || !self->used || self->current->expires_ms == CREDENTIALS_NEVER_EXPIRE)
        return -1;
    delay = need_of(self) == NEED_NOTHING
                ? saturating_subtract(self->advisory_at, cached_wall(self))
                : 0;
    if (delay < pause_left(self))
        delay = pause_left(self);
    return delay;
}

static void cached_schedule(struct cached *self)
{
    int64_t delay = refresh_in(self);

    if (delay < 0)
        loop_timer_stop(self->timer);
    else
        loop_timer_start(self->timer, delay < RECHECK_MS ? delay : RECHECK_MS);
}

/* Answers the waiters with the present state. The provider may be freed afterwards. */
static void cached_answer(struct cached *self)
{
    struct failure failure;

    if (is_valid(self)) {
        self->used = true;
        if (!is_fetching(self))
            cached_schedule(self);
        provider_finish(&self->base, self->current, NULL);
        return;
    }
    failure = self->failure;
    if (failure.retry_after_ms < pause_left(self))
        failure.retry_after_ms = pause_left(self);
    provider_finish(&self->base, NULL, &failure);
}

/* The provider may be freed afterwards. */
static void start_fetch(struct cached *self)
{
    self->was_stale = self->stale;
    self->stale = false;
    if (is_valid(self))
        loop_timer_start(self->timer, PATIENCE_MS);
    else
        loop_timer_stop(self->timer);
    provider_get(self->source, &self->request);
}

static void on_timer(void *data)
{
    struct cached *self = data;

    if (is_fetching(self)) {
        if (self->base.fetching && is_valid(self))
            cached_answer(self);
    } else if (self->used && need_of(self) != NEED_NOTHING && pause_left(self) == 0) {
        start_fetch(self);
    } else {
        cached_schedule(self);
    }
}

static void cached_fetch(struct provider *provider)
{
    struct cached *self = (struct cached *)provider;
    enum need need = need_of(self);

    if (need == NEED_MANDATORY && is_fetching(self)) {
        if (is_valid(self))
            loop_timer_start(self->timer, PATIENCE_MS);
    } else if (need == NEED_MANDATORY && pause_left(self) == 0) {
        start_fetch(self);
    } else {
        cached_answer(self); /* for NEED_ADVISORY the timer starts the background refresh */
    }
}

/* ---- the end of a fetch ---- */

static int64_t advisory_window(int64_t life)
{
    size_t i = 0;

    while (life > windows[i].life_ms)
        i++;
    return life / 2 < windows[0].advisory_ms ? life / 2 : windows[i].advisory_ms;
}

static void cached_keep(struct cached *self, struct credentials *credentials)
{
    int64_t life = saturating_subtract(credentials->expires_ms, cached_wall(self));
    int64_t advisory = advisory_window(life);
    int64_t mandatory = life / 10 < MANDATORY_MS ? life / 10 : MANDATORY_MS;

    if (self->current != credentials)
        log_event(LOG_LEVEL_INFO, "credentials_fetched", LOG_TEXT("kind", self->facts->kind),
            LOG_TEXT("role", self->facts->role != NULL ? self->facts->role : ""),
            LOG_NUMBER("expires_in_s",
                credentials->expires_ms == CREDENTIALS_NEVER_EXPIRE ? -1 : life / 1000));
    credentials_ref(credentials);
    credentials_unref(self->current);
    self->current = credentials;
    self->failed = false;
    self->refusals = 0;
    self->faults = 0;
    self->used = false;
    if (credentials->expires_ms == CREDENTIALS_NEVER_EXPIRE)
        return;
    self->mandatory_at = saturating_subtract(credentials->expires_ms, mandatory);
    /* Pods that started together must not refresh together. */
    self->advisory_at = saturating_add(saturating_subtract(credentials->expires_ms, advisory),
        random_below(self, (advisory - mandatory) / 4));
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

static void set_pauses(struct cached *self)
{
    int64_t pause = PAUSE_MAX_MS;
    int64_t fault;

    self->refusals = is_refusal(&self->failure) ? self->refusals + 1 : 0;
    self->faults = is_fault(&self->failure) && !is_valid(self) ? self->faults + 1 : 0;
    fault = backoff_ms(FAULT_MS, FAULT_MAX_MS, self->faults > 0 ? self->faults - 1 : 0);
    self->memory_ms = self->refusals > 0 ? backoff_refused_ms(self->refusals - 1)
                                         : fault / 2 + random_below(self, fault / 2);
    if (is_valid(self) && self->current->expires_ms == CREDENTIALS_NEVER_EXPIRE)
        pause = PAUSE_MIN_MS; /* a file that is being replaced: present again in a moment */
    else if (is_valid(self) &&
             saturating_subtract(self->current->expires_ms, cached_wall(self)) / 4 < pause)
        pause = saturating_subtract(self->current->expires_ms, cached_wall(self)) / 4;
    if (pause < PAUSE_MIN_MS)
        pause = PAUSE_MIN_MS;
    self->pause_ms = pause + random_below(self, pause + 1);
}

static void cached_remember(struct cached *self, const struct failure *failure)
{
    log_failure(LOG_LEVEL_WARN,
        is_valid(self) ? "credentials_refresh_failed" : "credentials_failed", self->facts->kind,
        failure);
    self->failed = true;
    self->failure = *failure;
    self->failed_at = loop_now(self->context->loop);
    self->stale |= self->was_stale;
    set_pauses(self);
}

static void on_source(void *data, struct credentials *credentials, const struct failure *failure)
{
    struct cached *self = data;
    struct failure expired;

    if (credentials != NULL)
        aws_client_check_clock(self->context->client, credentials->expires_ms);
    if (credentials != NULL && credentials->expires_ms <= cached_wall(self)) {
        failure_set(&expired, ERROR_CREDENTIALS,
            "%s: the credentials that came had expired %lld s before; is this machine's clock "
            "right?",
            self->facts->kind,
            (long long)(saturating_subtract(cached_wall(self), credentials->expires_ms) / 1000));
        expired.stage = STAGE_CLOCK;
        credentials = NULL;
        failure = &expired;
    }
    if (credentials != NULL)
        cached_keep(self, credentials);
    else
        cached_remember(self, failure);
    if (self->base.fetching)
        cached_answer(self);
    else
        cached_schedule(self);
}

/* ---- the provider ---- */

void cached_refused(
    struct provider *provider, const struct credentials *credentials, const char *aws_code)
{
    struct cached *self = (struct cached *)provider;

    if (self->current == NULL || self->current != credentials)
        return;
    if (strncmp(aws_code, "ExpiredToken", strlen("ExpiredToken")) != 0) {
        /* A fetch under way already brings new credentials: it is worth waiting for. */
        *(is_fetching(self) ? &self->was_stale : &self->stale) = true;
        return;
    }
    credentials_unref(self->current);
    self->current = NULL;
}

void cached_refresh(struct provider *provider)
{
    struct cached *self = (struct cached *)provider;

    self->stale = true;
    self->pause_ms = 0;
    self->memory_ms = 0;
    self->faults = 0;
}

void cached_describe(const struct provider *provider, struct cached_state *state)
{
    const struct cached *self = (const struct cached *)provider;

    *state = (struct cached_state){
        .credentials = is_valid(self) ? self->current : NULL,
        .fetching = is_fetching(self),
        .failure = self->failed ? &self->failure : NULL,
        .refresh_in_ms = refresh_in(self),
    };
}

static void cached_destroy(struct provider *provider)
{
    struct cached *self = (struct cached *)provider;

    provider_cancel(&self->request);
    provider_destroy(self->source);
    loop_timer_destroy(self->timer);
    credentials_unref(self->current);
    free(self);
}

static const struct provider_ops cached_ops = {
    .kind = "cached", .fetch = cached_fetch, .destroy = cached_destroy};

struct provider *cached_create(
    const struct identity_context *context, const struct facts *facts, struct provider *source)
{
    struct cached *self = calloc(1, sizeof(*self));

    if (self != NULL)
        self->timer = loop_timer_create(context->loop, on_timer, self);
    if (source == NULL || self == NULL || self->timer == NULL) {
        if (self != NULL)
            loop_timer_destroy(self->timer);
        free(self);
        provider_destroy(source);
        return NULL;
    }
    provider_init(&self->base, &cached_ops);
    self->source = source;
    self->request.done = on_source;
    self->request.trouble = provider_trouble;
    self->request.data = self;
    self->context = context;
    self->facts = facts;
    return &self->base;
}
