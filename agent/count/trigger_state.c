/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/count/trigger_state.h"

#include "agent/log.h"
#include "proto/limits.h"
#include "proto/saturating.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct trigger_state {
    struct count_context *context;
    struct snapshot *snapshot;
    const struct trigger *trigger;
    struct identity *identity;
    char *values;
    struct cache cache;
    struct page_log pages; /* of the value, as long as it may answer new requests */
    struct flight *flight; /* NULL: none */
    struct share_memory share_memory;
    struct rcu_meter meter;
    struct held_budget *budget; /* the trigger's own; held; NULL: it has none */
    struct waiters waiters;
    struct watchers watchers;
    struct loop_timer *refresh; /* of a warm or watched trigger */
    struct outage outage;       /* of its flights, for the log */
    bool abandoned;
    struct ring link; /* count_context::abandoned */
};

static void trigger_state_set_patience(struct trigger_state *state);
static bool trigger_state_is_kept_fresh(const struct trigger_state *state);
static int trigger_state_schedule_refresh(struct trigger_state *state);
static void trigger_state_notify(struct trigger_state *state, const struct failure *failure);

/* ---- state ---- */

#define UNATTENDED_MS                                                                              \
    60000 /* how long a count continues without requests; or twice the pollingInterval */
#define RATE_COUNTS      4 /* of pollingInterval, between: */
#define RATE_LEAST_MS    30000
#define RATE_MOST_MS     600000
#define PATIENT_ATTEMPTS 3 /* of a page, if no caller needs more: AWS's standard number */

/* For backoff and deadlines, and for the age of the value. */
static int64_t trigger_state_now(const struct trigger_state *state)
{
    return loop_now(state->context->loop);
}

static int64_t trigger_state_age_now(const struct trigger_state *state)
{
    return loop_now_with_sleep(state->context->loop);
}

/* ---- answers ---- */

static bool trigger_state_may_serve_stale(const struct trigger_state *state)
{
    return cache_may_serve_stale(
        &state->cache, state->context->max_stale_ms, trigger_state_age_now(state));
}

/* Adds what the cache does not know. */
static void trigger_state_complete(struct trigger_state *state, struct count_answer *answer)
{
    const struct trigger_scaling *scaling = &state->trigger->scaling;

    answer->trigger = state->trigger;
    answer->fallback = scaling->has_fallback &&
                       state->cache.failures > (uint32_t)scaling->fallback_threshold;
    if (answer->value != &state->cache.value || answer->quality == QUALITY_STALE)
        return;
    answer->packed = &state->cache.packed;
    if (state->pages.count > 0)
        answer->pages = &state->pages;
}

/* failure NULL: the value is fresh. */
static void trigger_state_answer_request(
    struct trigger_state *state, struct count_request *request, const struct failure *failure)
{
    static const struct failure too_low = {.code = ERROR_INTERNAL,
        .retryable = true,
        .message = "the count ended before it was enough for this request"};
    int64_t now = trigger_state_age_now(state);
    struct count_answer answer;

    if (cache_has_bound(&state->cache, request->enough, request->since)) {
        cache_answer_bound(&state->cache, now, &answer);
    } else if (failure == NULL && state->cache.has_value) {
        cache_answer_fresh(&state->cache, now, &answer);
    } else {
        cache_answer_failed(&state->cache, failure != NULL ? failure : &too_low,
            state->context->max_stale_ms, now, &answer);
    }
    trigger_state_complete(state, &answer);
    if (answer.value != NULL && answer.quality == QUALITY_STALE)
        state->context->stats.stale_served++;
    request->done(request->data, &answer);
}

static void trigger_state_answer_each(
    struct trigger_state *state, struct ring *requests, const struct failure *failure)
{
    while (!ring_is_empty(requests)) {
        trigger_state_answer_request(
            state, RING_MEMBER(ring_pop(requests), struct count_request, link), failure);
    }
}

static void trigger_state_answer_all(struct trigger_state *state, const struct failure *failure)
{
    struct ring taken;

    waiters_take_all(&state->waiters, &taken);
    trigger_state_answer_each(state, &taken, failure);
}

/* No request can reach an abandoned state: without waiters its flight is useless. */
static void trigger_state_end_if_unwanted(struct trigger_state *state)
{
    if (!state->abandoned || trigger_state_is_wanted(state))
        return;
    if (state->flight != NULL)
        flight_cancel(state->flight);
    state->flight = NULL;
    loop_timer_start(state->context->reaper, 0);
}

static void deadlines_passed(void *data)
{
    struct trigger_state *state = data;
    struct failure failure;
    struct ring late;

    flight_why_late(state->flight, &failure);
    waiters_take_late(&state->waiters, &late);
    trigger_state_answer_each(state, &late, &failure);
    trigger_state_set_patience(state);
    trigger_state_end_if_unwanted(state);
}

/* Long enough for several counts, so that one burst is not taken for the rate. */
static int64_t trigger_state_rate_window(const struct trigger_state *state)
{
    int64_t polling_ms = state->trigger->polling_ms;

    if (polling_ms >= RATE_MOST_MS / RATE_COUNTS)
        return RATE_MOST_MS;
    return polling_ms * RATE_COUNTS > RATE_LEAST_MS ? polling_ms * RATE_COUNTS : RATE_LEAST_MS;
}

static void trigger_state_store(struct trigger_state *state, const struct count_value *value)
{
    const struct flight_progress *progress = flight_progress(state->flight);
    int64_t now = trigger_state_age_now(state);

    if (value->is_bound) {
        cache_store_bound(&state->cache, value, now);
        if (!cache_overran(&state->cache))
            cache_succeed(&state->cache);
        return;
    }
    cache_store(
        &state->cache, value, progress->counted_by, saturating_subtract(now, progress->age_ms));
    if (!value->at_least)
        count_rate_add(&state->cache.rate, value->count, state->cache.value_at,
            trigger_state_rate_window(state));
    page_log_move(&state->pages, flight_pages(state->flight));
}

/* *answered is the failure as answered to callers: it includes how long it is remembered. */
static void trigger_state_store_failure(
    struct trigger_state *state, const struct failure *failure, struct failure *answered)
{
    struct cache *cache = &state->cache;
    int64_t wait;

    cache_fail(cache, failure, trigger_state_now(state), state->context->random());
    *answered = *failure;
    wait = cache->not_before - trigger_state_now(state);
    if ((cache->refused || answered->retry_after_ms > 0) && failure->code != ERROR_BUSY)
        answered->retry_after_ms = wait;
}

/* ---- the log ---- */

/* next_ms: the earliest retry; if nothing keeps the count fresh, the next client's request starts
 * it. */
static void trigger_state_log_failed(
    struct trigger_state *state, const struct failure *failure, int64_t next_ms)
{
    struct log_field fields[LOG_FAILURE_FIELDS + 5] = {0};
    size_t count = 0;

    if (!outage_failed(&state->outage, trigger_state_now(state)))
        return;
    fields[count++] = LOG_TEXT("trigger", state->trigger->name);
    count += log_failure_fields(&fields[count], failure);
    fields[count++] = LOG_NUMBER("failures", state->outage.failures);
    fields[count++] = LOG_NUMBER("next_attempt_ms", next_ms > 0 ? next_ms : 0);
    if (!trigger_state_is_kept_fresh(state))
        fields[count++] = LOG_TEXT("next_attempt", "on_request");
    log_write(LOG_LEVEL_WARN, "count_failed", fields);
}

static void trigger_state_log_recovered(struct trigger_state *state)
{
    struct outage ended;

    if (outage_over(&state->outage, &ended))
        log_event(LOG_LEVEL_WARN, "count_recovered", LOG_TEXT("trigger", state->trigger->name),
            LOG_NUMBER("failures", ended.failures),
            LOG_NUMBER("failed_for_ms", trigger_state_now(state) - ended.since_ms));
}

/* ---- the flight ---- */

/* Callers that a stale value cannot serve get every attempt that fits their deadline; for others a
 * few attempts are enough. */
static struct flight_patience trigger_state_patience(const struct trigger_state *state)
{
    bool is_wanted = trigger_state_is_kept_fresh(state) || !waiters_are_none(&state->waiters);
    int64_t twice_polling = saturating_add(state->trigger->polling_ms, state->trigger->polling_ms);

    return (struct flight_patience){
        .retry = {.until = trigger_state_may_serve_stale(state) ? INT64_MIN : state->waiters.latest,
            .attempts = is_wanted ? PATIENT_ATTEMPTS : 0},
        .unattended_ms = is_wanted                       ? INT64_MAX
                         : twice_polling > UNATTENDED_MS ? twice_polling
                                                         : UNATTENDED_MS};
}

/* After requests or watchers have come or gone. */
static void trigger_state_set_patience(struct trigger_state *state)
{
    struct flight_patience patience;

    if (state->flight == NULL)
        return;
    patience = trigger_state_patience(state);
    flight_set_patience(state->flight, &patience);
}

/* A flight may last minutes: its failures are logged before it ends. */
static void on_retrying(void *data, int64_t delay_ms)
{
    struct trigger_state *state = data;
    const struct flight_progress *progress = flight_progress(state->flight);

    if (progress->failed_attempts >= PATIENT_ATTEMPTS)
        trigger_state_log_failed(state, &progress->last_attempt, delay_ms);
}

static void on_flight_page(void *data)
{
    struct trigger_state *state = data;
    const struct count_value *so_far = &flight_progress(state->flight)->so_far;

    if (so_far->count == 0 || waiters_are_none(&state->waiters))
        return;
    cache_store_bound(&state->cache, so_far, trigger_state_age_now(state));
    waiters_satisfy(&state->waiters, so_far->count);
}

/* The flight ended at the flight timeout. Its pages are a lower bound, unless no item was on them:
 * that says nothing, and must not look like a count of 0. Whether there is a value to answer. */
static bool trigger_state_store_overrun(struct trigger_state *state,
    const struct count_value *value, const struct failure *failure, struct failure *answered)
{
    bool has_items = value->count > 0;

    if (has_items)
        trigger_state_store(state, value);
    cache_overrun(&state->cache, failure, trigger_state_now(state));
    *answered = *failure;
    if (state->cache.refused)
        answered->retry_after_ms = state->cache.not_before - trigger_state_now(state);
    return has_items;
}

/* Keeps the result of a flight. The failure to answer, in *answered; NULL: the value. */
static const struct failure *trigger_state_store_result(struct trigger_state *state,
    const struct count_value *value, const struct failure *failure, struct failure *answered)
{
    bool has_value = false;

    if (failure == NULL) {
        trigger_state_store(state, value);
        trigger_state_log_recovered(state);
        return NULL;
    }
    if (value != NULL)
        has_value = trigger_state_store_overrun(state, value, failure, answered);
    else
        trigger_state_store_failure(state, failure, answered);
    trigger_state_log_failed(state, failure, state->cache.not_before - trigger_state_now(state));
    return has_value ? NULL : answered;
}

static void on_flight_done(
    void *data, const struct count_value *value, const struct failure *failure)
{
    struct trigger_state *state = data;
    struct failure answered;

    failure = trigger_state_store_result(state, value, failure, &answered);
    state->flight = NULL;
    trigger_state_schedule_refresh(state);
    trigger_state_answer_all(state, failure);
    if (state->context->min_age_ms == 0) /* a request for age 0 gets a flight */
        page_log_clear(&state->pages);
    if (value == NULL || !value->is_bound)
        trigger_state_notify(state, failure);
    trigger_state_end_if_unwanted(state);
}

/* How long no flight may start: after a failure its backoff. A threshold is short enough to be
 * counted where the whole took too long. */
static int64_t trigger_state_wait(const struct trigger_state *state, uint64_t enough)
{
    if (state->cache.failures == 0 || (enough > 0 && cache_overran(&state->cache)))
        return 0;
    return state->cache.not_before - trigger_state_now(state);
}

/* A threshold reads a page with a Limit; else the last count says what this one will cost. */
static double trigger_state_expected_rcu(
    const struct trigger_state *state, const struct count_goal *goal)
{
    if (goal->enough > 0)
        return 1;
    return state->cache.has_value ? state->cache.value.consumed_rcu : 0;
}

/* It begins now, or after the backoff of a failure. is_own: as in a request. */
static void trigger_state_start_flight(
    struct trigger_state *state, const struct count_goal *goal, bool is_own)
{
    static const struct flight_events events = {
        .page = on_flight_page, .retrying = on_retrying, .done = on_flight_done};
    const struct cache *cache = &state->cache;
    int64_t wait = trigger_state_wait(state, goal->enough);
    struct failure failure;

    state->flight = flight_start(state->context,
        &(struct flight_options){.snapshot = state->snapshot,
            .query = &state->trigger->query,
            .identity = state->identity,
            .values = state->values,
            .patience = trigger_state_patience(state),
            .goal = *goal,
            .share_table = is_own ? NULL : trigger_state_share_table(state),
            .trigger = state->trigger,
            .share_memory = &state->share_memory,
            .meter = &state->meter,
            .budget = state->budget != NULL ? &state->budget->budget : NULL,
            .expected_rcu = trigger_state_expected_rcu(state, goal),
            .delay_ms = wait > 0 ? wait : 0,
            .last = wait > 0 ? cache_failure(cache) : NULL},
        &events, state);
    if (state->flight == NULL) {
        failure_set(&failure, ERROR_INTERNAL, "no memory for a count");
        trigger_state_answer_all(state, &failure);
    }
}

/* ---- requests ---- */

/* A remembered failure answers at once if AWS refused, if no retry fits the deadline, or if a stale
 * value can be answered instead. */
static bool answer_from_failure(struct trigger_state *state, struct count_request *request)
{
    struct cache *cache = &state->cache;
    int64_t wait = trigger_state_wait(state, request->enough);
    struct failure failure;

    if (state->flight != NULL || wait <= 0)
        return false;
    if (!cache->refused && cache->not_before < request->deadline.at &&
        !trigger_state_may_serve_stale(state))
        return false;
    failure = *cache_failure(cache);
    failure.retry_after_ms = wait;
    trigger_state_answer_request(state, request, &failure);
    return true;
}

int64_t count_wait_ms(int64_t timeout_ms)
{
    int64_t margin = timeout_ms > 2 * TIMEOUT_MARGIN_MS ? TIMEOUT_MARGIN_MS : timeout_ms / 2;

    return timeout_ms - margin;
}

/* The age up to which a count is fresh for a request. */
static int64_t trigger_state_max_age(const struct trigger_state *state, int64_t max_age_ms)
{
    int64_t min_age_ms = state->context->min_age_ms;

    if (max_age_ms == COUNT_AGE_DEFAULT)
        max_age_ms = state->trigger->polling_ms;
    return max_age_ms > min_age_ms ? max_age_ms : min_age_ms;
}

bool trigger_state_answer(
    struct trigger_state *state, int64_t max_age_ms, uint64_t enough, struct count_answer *answer)
{
    int64_t now = trigger_state_age_now(state);
    int64_t most_ms = trigger_state_max_age(state, max_age_ms);

    if (cache_is_fresh(&state->cache, most_ms, now)) {
        cache_answer_fresh(&state->cache, now, answer);
    } else if (cache_has_bound(&state->cache, enough, saturating_subtract(now, most_ms - 1))) {
        cache_answer_bound(&state->cache, now, answer);
    } else {
        return false;
    }
    trigger_state_complete(state, answer);
    state->context->stats.hits++;
    return true;
}

void trigger_state_ask(struct trigger_state *state, struct count_request *request)
{
    struct count_context *context = state->context;
    struct count_answer answer;
    struct count_goal goal;

    ring_init(&request->link);
    request->state = state;
    request->deadline = (struct deadline){
        .at = saturating_add(trigger_state_now(state), count_wait_ms(request->timeout_ms))};
    goal.enough = request->enough;
    goal.max_age_ms = trigger_state_max_age(state, request->max_age_ms);
    request->since = saturating_subtract(trigger_state_age_now(state), goal.max_age_ms);
    if (trigger_state_answer(state, request->max_age_ms, request->enough, &answer)) {
        request->done(request->data, &answer);
        return;
    }
    if (answer_from_failure(state, request))
        return;
    if (waiters_join(&state->waiters, request) < 0) {
        struct failure failure;

        failure_set(&failure, ERROR_INTERNAL, "no memory for a deadline");
        trigger_state_answer_request(state, request, &failure);
    } else if (state->flight != NULL) {
        context->stats.joined++;
        trigger_state_set_patience(state);
        flight_join(state->flight, &goal);
    } else {
        context->stats.misses++;
        trigger_state_start_flight(state, &goal, request->is_own);
    }
}

void trigger_state_leave(struct count_request *request)
{
    if (ring_is_empty(&request->link))
        return;
    waiters_leave(&request->state->waiters, request);
    trigger_state_set_patience(request->state);
    trigger_state_end_if_unwanted(request->state);
}

/* ---- life ---- */

struct trigger_state *trigger_state_create(struct count_context *context, struct snapshot *snapshot,
    const struct trigger *trigger, struct identity *identity, const char *values,
    struct held_budget *budget)
{
    struct trigger_state *state = calloc(1, sizeof(*state));

    if (state == NULL)
        return NULL;
    if (values != NULL) {
        state->values = strdup(values);
        if (state->values == NULL) {
            free(state);
            return NULL;
        }
    }
    state->budget = held_budget_ref(budget);
    state->identity = identity_ref(identity);
    state->snapshot = snapshot_ref(snapshot);
    state->context = context;
    state->trigger = trigger;
    cache_init(&state->cache);
    waiters_init(&state->waiters, context->loop, deadlines_passed, state);
    watchers_init(&state->watchers);
    trigger_state_schedule_refresh(state);
    return state;
}

void trigger_state_destroy(struct trigger_state *state)
{
    struct failure failure;

    if (state == NULL)
        return;
    if (state->flight != NULL)
        flight_cancel(state->flight);
    state->flight = NULL;
    failure_set(&failure, ERROR_SHUTTING_DOWN, "the agent is shutting down");
    trigger_state_answer_all(state, &failure);
    watchers_clear(&state->watchers);
    waiters_clear(&state->waiters);
    loop_timer_destroy(state->refresh);
    snapshot_unref(state->snapshot);
    identity_release(state->identity);
    page_log_clear(&state->pages);
    cache_clear(&state->cache);
    held_budget_unref(state->budget);
    free(state->values);
    free(state);
}

void trigger_state_adopt(struct trigger_state *state, struct snapshot *snapshot,
    const struct trigger *trigger, struct held_budget *budget)
{
    snapshot_ref(snapshot);
    snapshot_unref(state->snapshot);
    state->snapshot = snapshot;
    state->trigger = trigger;
    held_budget_ref(budget);
    held_budget_unref(state->budget);
    state->budget = budget;
    state->share_memory = (struct share_memory){.failures = 0}; /* perhaps of another table */
    cache_forget_refusal(&state->cache);
    trigger_state_set_patience(state);
    trigger_state_schedule_refresh(state);
}

void trigger_state_abandon(struct trigger_state *state)
{
    state->abandoned = true;
    ring_add(&state->context->abandoned, &state->link);
    loop_timer_start(state->context->reaper, 0);
}

static struct trigger_state *trigger_state_of(struct ring *link)
{
    return RING_MEMBER(link, struct trigger_state, link);
}

void trigger_states_reap(struct count_context *context)
{
    for (struct ring *at = context->abandoned.next, *next; at != &context->abandoned; at = next) {
        next = at->next;
        if (trigger_state_is_wanted(trigger_state_of(at)))
            continue;
        ring_remove(at);
        trigger_state_destroy(trigger_state_of(at));
    }
}

void trigger_states_dismiss_watchers(struct count_context *context)
{
    RING_EACH(at, &context->abandoned)
        watchers_dismiss(&trigger_state_of(at)->watchers);
}

void trigger_states_end(struct count_context *context)
{
    while (!ring_is_empty(&context->abandoned))
        trigger_state_destroy(trigger_state_of(ring_pop(&context->abandoned)));
}

bool trigger_state_is_wanted(const struct trigger_state *state)
{
    return !waiters_are_none(&state->waiters) || !watchers_are_none(&state->watchers);
}

void trigger_state_peek(struct trigger_state *state, struct count_answer *answer)
{
    cache_answer_known(
        &state->cache, state->trigger->polling_ms, trigger_state_age_now(state), answer);
    trigger_state_complete(state, answer);
}

const char *trigger_share_table(const struct count_context *context, const struct trigger *trigger)
{
    const char *table = trigger->share_table;

    if (table == NULL)
        return context->share_table;
    return table[0] != '\0' ? table : NULL;
}

const char *trigger_state_share_table(const struct trigger_state *state)
{
    return trigger_share_table(state->context, state->trigger);
}

double trigger_state_rcu_per_hour(const struct trigger_state *state)
{
    return rcu_meter_per_hour(&state->meter, trigger_state_now(state));
}

double trigger_state_rcu_total(const struct trigger_state *state)
{
    return state->meter.total;
}

const char *trigger_state_values(const struct trigger_state *state)
{
    return state->values;
}

struct identity *trigger_state_identity(const struct trigger_state *state)
{
    return state->identity;
}

/* ---- refresh: warm and watched triggers are kept fresh ---- */

/* Not for clients' values: each set requested once would cost as much as the trigger itself, for
 * ever. */
static bool trigger_state_is_warm(const struct trigger_state *state)
{
    return state->trigger->warm && state->values == NULL;
}

/* Whether it is counted without a request. */
static bool trigger_state_is_kept_fresh(const struct trigger_state *state)
{
    return !state->abandoned &&
           (trigger_state_is_warm(state) || !watchers_are_none(&state->watchers));
}

static void notify_watch(void *data, struct count_watch *watch)
{
    watch->changed(watch->data, data);
}

/* Notifies the watchers of the latest flight's result; failure NULL: a value. */
static void trigger_state_notify(struct trigger_state *state, const struct failure *failure)
{
    int64_t now = trigger_state_age_now(state);
    struct count_answer answer;

    if (failure == NULL)
        cache_answer_fresh(&state->cache, now, &answer);
    else
        cache_answer_failed(&state->cache, failure, state->context->max_stale_ms, now, &answer);
    trigger_state_complete(state, &answer);
    watchers_notify(&state->watchers, notify_watch, &answer);
}

/* How its count is kept fresh, for the most demanding of its watchers. */
static struct refresh trigger_state_refresh(const struct trigger_state *state)
{
    int64_t watched_ms = watchers_max_age(&state->watchers, state->trigger->polling_ms);
    int64_t warm_ms = trigger_state_is_warm(state) ? state->trigger->polling_ms : INT64_MAX;

    return refresh_of(&state->cache, watched_ms < warm_ms ? watched_ms : warm_ms,
        state->context->min_age_ms, trigger_state_share_table(state) != NULL);
}

/* The most demanding watcher may have left meanwhile. */
static void refresh_fired(void *data)
{
    struct trigger_state *state = data;
    struct refresh refresh = trigger_state_refresh(state);
    int64_t age_now = trigger_state_age_now(state);
    struct count_goal goal = {.max_age_ms = refresh_max_age(&refresh, age_now)};

    if (state->flight != NULL || !trigger_state_is_kept_fresh(state))
        return;
    if (!refresh_is_due(&refresh, trigger_state_now(state), age_now)) {
        trigger_state_schedule_refresh(state);
        return;
    }
    trigger_state_start_flight(state, &goal, false);
    if (state->flight == NULL)
        loop_timer_start(state->refresh, REFRESH_LEAST_MS); /* memory may be available by then */
}

/* Sets the timer for the next refresh, if it is to be kept fresh. 0 or -ENOMEM. */
static int trigger_state_schedule_refresh(struct trigger_state *state)
{
    if (!trigger_state_is_kept_fresh(state)) {
        loop_timer_destroy(state->refresh);
        state->refresh = NULL;
        return 0;
    }
    if (state->refresh == NULL)
        state->refresh = loop_timer_create(state->context->loop, refresh_fired, state);
    if (state->refresh == NULL)
        return -ENOMEM; /* the next flight's end tries again */
    if (state->flight == NULL) {
        struct refresh refresh = trigger_state_refresh(state);

        loop_timer_start(
            state->refresh, refresh_in_ms(&refresh, trigger_state_now(state),
                                trigger_state_age_now(state), state->context->random()));
    }
    return 0;
}

int trigger_state_watch(struct trigger_state *state, struct count_watch *watch)
{
    int r;

    watch->state = state;
    watchers_add(&state->watchers, watch);
    trigger_state_set_patience(state);
    r = trigger_state_schedule_refresh(state);
    if (r < 0)
        trigger_state_unwatch(watch);
    return r;
}

void trigger_state_unwatch(struct count_watch *watch)
{
    bool watches = !ring_is_empty(&watch->link);

    watchers_remove(watch);
    if (watches)
        trigger_state_set_patience(watch->state);
}

bool trigger_state_for_watcher(
    struct trigger_state *state, const struct count_watch *watch, struct count_answer *answer)
{
    const struct cache *cache = &state->cache;
    int64_t wanted_ms = watch->max_age_ms != COUNT_AGE_DEFAULT ? watch->max_age_ms
                                                               : state->trigger->polling_ms;
    int64_t interval = trigger_state_refresh(state).interval_ms;
    int64_t now = trigger_state_age_now(state);

    if (cache->failures > 0)
        cache_answer_failed(cache, cache_failure(cache), state->context->max_stale_ms, now, answer);
    else if (cache_is_fresh(cache, wanted_ms > interval ? wanted_ms : interval, now))
        cache_answer_fresh(cache, now, answer);
    else
        return false;
    trigger_state_complete(state, answer);
    return true;
}

static void trigger_state_notify_latest(void *data, struct count_watch *watch)
{
    struct count_answer answer;

    if (trigger_state_for_watcher(data, watch, &answer))
        watch->changed(watch->data, &answer);
}

void trigger_state_notify_watchers(struct trigger_state *state)
{
    watchers_notify(&state->watchers, trigger_state_notify_latest, state);
}
