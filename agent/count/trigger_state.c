/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/count/trigger_state.h"

#include "agent/log.h"
#include "proto/limits.h"
#include "proto/saturating.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct waiters {
    struct loop *loop;
    struct loop_timer *timer; /* created when first needed; for: */
    int64_t earliest; /* a deadline, perhaps of a request that left; INT64_MAX: it does not run */
    struct ring requests;       /* count_request::link, in the order in which they joined */
    struct deadlines deadlines; /* count_request::deadline */
    int64_t latest; /* latest deadline since the waiters were last empty; INT64_MIN: none */
    loop_fn *late;  /* called when deadlines passed: waiters_take_late gets them */
    void *data;
};

struct watchers {
    struct ring watching; /* count_watch::link */
};

/* Notifies one watcher, which may stop watching meanwhile. */
typedef void watchers_tell_fn(void *data, struct count_watch *watch);

struct trigger_state {
    struct count_context *context;
    struct snapshot *snapshot;
    const struct trigger *trigger;
    struct identity *identity;
    char *values;
    struct cache cache;
    struct count_value bound;    /* the last lower bound, which is no count; pages 0: none */
    int64_t bound_at;            /* when it was counted */
    struct count_rate rate;      /* of the exact counts */
    struct packed_answer packed; /* of the fresh answer */
    struct page_log pages;       /* of the value, as long as it may answer new requests */
    struct flight *flight;       /* NULL: none */
    struct flight_patience patience;
    struct count_goal goal; /* of the flight; raised while it lasts, never lowered */
    struct share_memory share_memory;
    struct rcu_meter meter;
    struct held_budget *budget; /* the trigger's own; held; NULL: it has none */
    char *counted_by; /* the agent of the fleet that counted the value; owned; NULL: this one */
    struct waiters waiters;
    struct watchers watchers;
    struct loop_timer *refresh; /* of a warm or watched trigger */
    struct outage outage;       /* of its flights, for the log */
    bool abandoned;
};

static void trigger_state_set_patience(struct trigger_state *state);
static bool trigger_state_overran(const struct trigger_state *state);
static bool trigger_state_is_kept_fresh(const struct trigger_state *state);
static int trigger_state_schedule_refresh(struct trigger_state *state);
static void trigger_state_tell(struct trigger_state *state, const struct failure *failure);

/* ---- waiters ---- */

static struct count_request *request_of(struct ring *link)
{
    return RING_MEMBER(link, struct count_request, link);
}

/* Sets the timer to the earliest deadline. */
static void arm(struct waiters *waiters)
{
    const struct deadline *first = deadlines_first(&waiters->deadlines);

    waiters->earliest = first != NULL ? first->at : INT64_MAX;
    if (first == NULL)
        loop_timer_stop(waiters->timer);
    else
        loop_timer_start(waiters->timer, first->at - loop_now(waiters->loop));
}

static void waiters_init(struct waiters *waiters, struct loop *loop, loop_fn *late, void *data)
{
    waiters->loop = loop;
    waiters->timer = NULL;
    waiters->earliest = INT64_MAX;
    waiters->latest = INT64_MIN;
    waiters->late = late;
    waiters->data = data;
    ring_init(&waiters->requests);
    waiters->deadlines = (struct deadlines){.heap = NULL};
}

/* no request waits any more */
static void waiters_clear(struct waiters *waiters)
{
    loop_timer_destroy(waiters->timer);
    waiters->timer = NULL;
    deadlines_free(&waiters->deadlines);
}

/* The caller has set the request's deadline. 0, or -ENOMEM: then the request does not wait. */
static int waiters_join(struct waiters *waiters, struct count_request *request)
{
    if (waiters->timer == NULL)
        waiters->timer = loop_timer_create(waiters->loop, waiters->late, waiters->data);
    if (waiters->timer == NULL ||
        deadlines_reserve(&waiters->deadlines, waiters->deadlines.count + 1) < 0)
        return -ENOMEM;
    ring_add(&waiters->requests, &request->link);
    deadlines_set(&waiters->deadlines, &request->deadline, request->deadline.at);
    if (request->deadline.at > waiters->latest)
        waiters->latest = request->deadline.at;
    if (request->deadline.at < waiters->earliest)
        arm(waiters);
    return 0;
}

/* Frees the heap when it is empty: one burst of waiters would hold its memory for ever. */
static void waiters_settle(struct waiters *waiters)
{
    if (!ring_is_empty(&waiters->requests) || waiters->timer == NULL)
        return;
    waiters->latest = INT64_MIN;
    deadlines_free(&waiters->deadlines);
    arm(waiters);
}

static void waiters_leave(struct waiters *waiters, struct count_request *request)
{
    ring_remove(&request->link);
    deadlines_remove(&waiters->deadlines, &request->deadline);
    /* While others wait the timer may fire too early, which costs less than resetting it at each
     * leave. */
    waiters_settle(waiters);
}

static bool waiters_are_none(const struct waiters *waiters)
{
    return ring_is_empty(&waiters->requests);
}

/* Those for whom this count is enough are answered in the next turn of the loop, as late ones are:
 * the caller is in the middle of a page. */
static void waiters_hurry(struct waiters *waiters, uint64_t count)
{
    int64_t now = loop_now(waiters->loop);

    for (struct ring *at = waiters->requests.next; at != &waiters->requests; at = at->next) {
        struct count_request *request = request_of(at);

        if (request->enough > 0 && request->enough <= count)
            deadlines_set(&waiters->deadlines, &request->deadline, now);
    }
    arm(waiters);
}

/* Moves all waiters, or those whose deadline has passed, to `taken`, so that callbacks cannot
 * disturb the loop; a request that leaves is removed from there, too. */
static void waiters_take_all(struct waiters *waiters, struct ring *taken)
{
    ring_take_all(&waiters->requests, taken);
    for (struct ring *at = taken->next; at != taken; at = at->next)
        request_of(at)->deadline.place = 0;
    waiters_settle(waiters);
}

static void waiters_take_late(struct waiters *waiters, struct ring *taken)
{
    int64_t now = loop_now(waiters->loop);
    struct deadline *first;

    ring_init(taken);
    while ((first = deadlines_first(&waiters->deadlines)) != NULL && first->at <= now) {
        struct count_request *request = RING_MEMBER(first, struct count_request, deadline);

        deadlines_remove(&waiters->deadlines, first);
        ring_remove(&request->link);
        ring_add(taken, &request->link);
    }
    arm(waiters);
    waiters_settle(waiters);
}

/* ---- watchers ---- */

static struct count_watch *watchers_watch_of(struct ring *link)
{
    return RING_MEMBER(link, struct count_watch, link);
}

static void watchers_init(struct watchers *watchers)
{
    ring_init(&watchers->watching);
}

static void watchers_add(struct watchers *watchers, struct count_watch *watch)
{
    ring_add(&watchers->watching, &watch->link);
}

/* allowed when it does not watch */
static void watchers_remove(struct count_watch *watch)
{
    ring_remove(&watch->link);
}

static bool watchers_are_none(const struct watchers *watchers)
{
    return ring_is_empty(&watchers->watching);
}

/* The smallest max age that a watcher wants; default_ms stands for "not set". INT64_MAX: there are
 * none. */
static int64_t watchers_max_age(const struct watchers *watchers, int64_t default_ms)
{
    int64_t least = INT64_MAX;

    for (struct ring *at = watchers->watching.next; at != &watchers->watching; at = at->next) {
        int64_t wish = watchers_watch_of(at)->max_age_ms;

        if (wish == COUNT_AGE_DEFAULT)
            wish = default_ms;
        if (wish < least)
            least = wish;
    }
    return least;
}

static void watchers_tell_each(struct watchers *watchers, watchers_tell_fn *tell, void *data)
{
    struct ring untold;

    ring_take_all(&watchers->watching, &untold);
    while (!ring_is_empty(&untold)) {
        struct count_watch *watch = watchers_watch_of(ring_pop(&untold));

        ring_add(&watchers->watching, &watch->link);
        tell(data, watch);
    }
}

/* Afterwards none of them watches any more. */
static void watchers_clear(struct watchers *watchers)
{
    while (!watchers_are_none(watchers))
        ring_pop(&watchers->watching);
}

/* notifies each watcher that the trigger is gone */
static void watchers_dismiss(struct watchers *watchers)
{
    while (!watchers_are_none(watchers)) {
        struct count_watch *watch = watchers_watch_of(ring_pop(&watchers->watching));

        watch->gone(watch->data);
    }
}

/* ---- state ---- */

#define UNATTENDED_MS                                                                              \
    60000 /* how long a count continues without requests; or twice the pollingInterval */
#define RATE_COUNTS      4 /* of pollingInterval, between: */
#define RATE_LEAST_MS    30000
#define RATE_MOST_MS     600000
#define PATIENT_ATTEMPTS 3 /* of a page, if no caller needs more: AWS's standard number */

const char *count_quality_name(enum count_quality quality)
{
    switch (quality) {
    case QUALITY_EXACT:
        return "exact";
    case QUALITY_AT_LEAST:
        return "at_least";
    case QUALITY_STALE:
        return "stale";
    }
    return "stale";
}

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

static bool may_serve_stale(const struct trigger_state *state)
{
    return cache_may_serve_stale(
        &state->cache, state->context->max_stale_ms, trigger_state_age_now(state));
}

static struct count_answer answer_base(const struct trigger_state *state)
{
    const struct trigger_scaling *scaling = &state->trigger->scaling;
    struct count_answer answer = {.trigger = state->trigger};

    answer.fallback = scaling->has_fallback &&
                      state->cache.failures > (uint32_t)scaling->fallback_threshold;
    return answer;
}

static struct count_answer fresh_at(const struct trigger_state *state, int64_t now)
{
    struct count_answer answer = answer_base(state);

    answer.value = &state->cache.value;
    answer.quality = state->cache.value.at_least ? QUALITY_AT_LEAST : QUALITY_EXACT;
    answer.age_ms = cache_age(&state->cache, now);
    answer.counted_by = state->counted_by;
    if (answer.quality == QUALITY_EXACT)
        answer.rate = &state->rate;
    answer.value_at = state->cache.value_at;
    if (answer.value->is_partial && state->cache.failures > 0)
        answer.failure = cache_failure(&state->cache);
    if (state->pages.count > 0)
        answer.pages = &state->pages;
    return answer;
}

/* The value as it is. */
static struct count_answer trigger_state_fresh(const struct trigger_state *state)
{
    return fresh_at(state, trigger_state_age_now(state));
}

/* The last good value marked stale if it is young enough, else the failure, which is borrowed. */
static struct count_answer trigger_state_failed(
    const struct trigger_state *state, const struct failure *failure)
{
    struct count_answer answer = answer_base(state);

    answer.failure = failure;
    if (may_serve_stale(state)) {
        answer.value = &state->cache.value;
        answer.quality = QUALITY_STALE;
        answer.counted_by = state->counted_by;
        answer.age_ms = cache_age(&state->cache, trigger_state_age_now(state));
    }
    return answer;
}

/* Whether the lower bound, counted at `since` or later, reaches what is enough. */
static bool trigger_state_has_bound(
    const struct trigger_state *state, uint64_t enough, int64_t since)
{
    return enough > 0 && state->bound.pages > 0 && state->bound.count >= enough &&
           state->bound_at >= since;
}

static struct count_answer trigger_state_bound(const struct trigger_state *state)
{
    struct count_answer answer = answer_base(state);

    answer.value = &state->bound;
    answer.quality = QUALITY_AT_LEAST;
    answer.age_ms = saturating_subtract(trigger_state_age_now(state), state->bound_at);
    return answer;
}

/* failure NULL: the value is fresh. */
static void answer_request(
    struct trigger_state *state, struct count_request *request, const struct failure *failure)
{
    static const struct failure too_low = {.code = ERROR_INTERNAL,
        .retryable = true,
        .message = "the count ended before it was enough for this request"};
    struct count_answer answer;

    if (trigger_state_has_bound(state, request->enough, request->since)) {
        answer = trigger_state_bound(state);
    } else if (failure == NULL && state->cache.has_value) {
        answer = trigger_state_fresh(state);
        answer.packed = &state->packed;
    } else {
        answer = trigger_state_failed(state, failure != NULL ? failure : &too_low);
    }
    if (answer.value != NULL && answer.quality == QUALITY_STALE)
        state->context->stats.stale_served++;
    request->done(request->data, &answer);
}

static void answer_each(
    struct trigger_state *state, struct ring *requests, const struct failure *failure)
{
    while (!ring_is_empty(requests)) {
        answer_request(state, RING_MEMBER(ring_pop(requests), struct count_request, link), failure);
    }
}

static void answer_all(struct trigger_state *state, const struct failure *failure)
{
    struct ring taken;

    waiters_take_all(&state->waiters, &taken);
    answer_each(state, &taken, failure);
}

/* No request can reach an abandoned state: without waiters its flight is useless. */
static void end_if_unwanted(struct trigger_state *state)
{
    if (!state->abandoned || !waiters_are_none(&state->waiters))
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

    flight_late(state->flight, &failure);
    waiters_take_late(&state->waiters, &late);
    answer_each(state, &late, &failure);
    trigger_state_set_patience(state);
    end_if_unwanted(state);
}

static void store_bound(struct trigger_state *state, const struct count_value *value)
{
    state->bound = *value;
    state->bound_at = trigger_state_age_now(state);
}

/* Long enough for several counts, so that one burst is not taken for the rate. */
static int64_t rate_window(const struct trigger_state *state)
{
    int64_t polling_ms = state->trigger->polling_ms;

    if (polling_ms >= RATE_MOST_MS / RATE_COUNTS)
        return RATE_MOST_MS;
    return polling_ms * RATE_COUNTS > RATE_LEAST_MS ? polling_ms * RATE_COUNTS : RATE_LEAST_MS;
}

static void store(struct trigger_state *state, const struct count_value *value)
{
    const struct flight_progress *progress = flight_progress(state->flight);

    if (value->is_bound) {
        store_bound(state, value);
        if (!trigger_state_overran(state))
            cache_succeed(&state->cache);
        buffer_clear(&state->packed.bytes);
        return;
    }
    cache_store(
        &state->cache, value, saturating_subtract(trigger_state_age_now(state), progress->age_ms));
    if (!value->at_least)
        count_rate_add(&state->rate, value->count, state->cache.value_at, rate_window(state));
    free(state->counted_by);
    state->counted_by = value->is_shared ? strdup(progress->counted_by) : NULL;
    page_log_move(&state->pages, flight_pages(state->flight));
    buffer_clear(&state->packed.bytes);
}

/* *told is the failure as answered to callers: it includes how long it is remembered. */
static void store_failure(
    struct trigger_state *state, const struct failure *failure, struct failure *told)
{
    struct cache *cache = &state->cache;
    int64_t wait;

    cache_fail(cache, failure, trigger_state_now(state), state->context->random());
    buffer_clear(&state->packed.bytes);
    *told = *failure;
    wait = cache->not_before - trigger_state_now(state);
    if ((cache->refused || told->retry_after_ms > 0) && failure->code != ERROR_BUSY)
        told->retry_after_ms = wait;
}

/* ---- the log ---- */

/* next_ms: the earliest retry; if nothing keeps the count fresh, the next client's request starts
 * it. */
static void log_failed(struct trigger_state *state, const struct failure *failure, int64_t next_ms)
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

static void log_recovered(struct trigger_state *state)
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
static void trigger_state_set_patience(struct trigger_state *state)
{
    bool is_wanted = trigger_state_is_kept_fresh(state) || !waiters_are_none(&state->waiters);
    int64_t twice_polling = saturating_add(state->trigger->polling_ms, state->trigger->polling_ms);

    state->patience = (struct flight_patience){
        .retry = {.until = may_serve_stale(state) ? INT64_MIN : state->waiters.latest,
            .attempts = is_wanted ? PATIENT_ATTEMPTS : 0},
        .unattended_ms = is_wanted                       ? INT64_MAX
                         : twice_polling > UNATTENDED_MS ? twice_polling
                                                         : UNATTENDED_MS};
}

/* A flight may last minutes: its failures are logged before it ends. */
static void on_retrying(void *data, int64_t delay_ms)
{
    struct trigger_state *state = data;
    const struct flight_progress *progress = flight_progress(state->flight);

    if (progress->failed_attempts >= PATIENT_ATTEMPTS)
        log_failed(state, &progress->last_attempt, delay_ms);
}

static void on_flight_page(void *data)
{
    struct trigger_state *state = data;
    const struct count_value *so_far = &flight_progress(state->flight)->so_far;

    if (so_far->count == 0 || waiters_are_none(&state->waiters))
        return;
    store_bound(state, so_far);
    waiters_hurry(&state->waiters, so_far->count);
}

/* The flight ended at the flight timeout. Its pages are a lower bound, unless no item was on them:
 * that says nothing, and must not look like a count of 0. Whether there is a value to answer. */
static bool store_overrun(struct trigger_state *state, const struct count_value *value,
    const struct failure *failure, struct failure *told)
{
    bool has_items = value->count > 0;

    if (has_items)
        store(state, value);
    cache_overrun(&state->cache, failure, trigger_state_now(state));
    buffer_clear(&state->packed.bytes);
    *told = *failure;
    if (state->cache.refused)
        told->retry_after_ms = state->cache.not_before - trigger_state_now(state);
    return has_items;
}

/* Keeps the result of a flight. The failure to answer, in *told; NULL: the value. */
static const struct failure *store_result(struct trigger_state *state,
    const struct count_value *value, const struct failure *failure, struct failure *told)
{
    bool has_value = false;

    if (failure == NULL) {
        store(state, value);
        log_recovered(state);
        return NULL;
    }
    if (value != NULL)
        has_value = store_overrun(state, value, failure, told);
    else
        store_failure(state, failure, told);
    log_failed(state, failure, state->cache.not_before - trigger_state_now(state));
    return has_value ? NULL : told;
}

static void on_flight_done(
    void *data, const struct count_value *value, const struct failure *failure)
{
    struct trigger_state *state = data;
    struct failure told;

    failure = store_result(state, value, failure, &told);
    state->flight = NULL;
    trigger_state_schedule_refresh(state);
    answer_all(state, failure);
    if (state->context->min_age_ms == 0) /* a request for age 0 gets a flight */
        page_log_clear(&state->pages);
    if (value == NULL || !value->is_bound)
        trigger_state_tell(state, failure);
    end_if_unwanted(state);
}

static void trigger_state_raise_goal(
    struct trigger_state *state, uint64_t enough, int64_t max_age_ms)
{
    if (max_age_ms < state->goal.max_age_ms)
        state->goal.max_age_ms = max_age_ms;
    if (enough == 0)
        state->goal.enough = 0;
    else if (state->goal.enough > 0 && enough > state->goal.enough)
        state->goal.enough = enough;
}

/* Counts of the whole are refused for a while, because they took too long. */
static bool trigger_state_overran(const struct trigger_state *state)
{
    const struct cache *cache = &state->cache;

    return cache->refused && cache->overruns > 0 && cache_failure(cache)->code == ERROR_TIMEOUT;
}

/* How long no flight may start: after a failure its backoff. A threshold is short enough to be
 * counted where the whole took too long. */
static int64_t trigger_state_wait(const struct trigger_state *state, uint64_t enough)
{
    if (state->cache.failures == 0 || (enough > 0 && trigger_state_overran(state)))
        return 0;
    return state->cache.not_before - trigger_state_now(state);
}

/* A threshold reads a page with a Limit; else the last count says what this one will cost. */
static double trigger_state_expected_rcu(const struct trigger_state *state)
{
    if (state->goal.enough > 0)
        return 1;
    return state->cache.has_value ? state->cache.value.consumed_rcu : 0;
}

/* Takes off now, or after the backoff of a failure. The goal is in state->goal. is_own: as in a
 * request. */
static void trigger_state_start_flight(struct trigger_state *state, bool is_own)
{
    static const struct flight_events events = {
        .page = on_flight_page, .retrying = on_retrying, .done = on_flight_done};
    const struct cache *cache = &state->cache;
    int64_t wait = trigger_state_wait(state, state->goal.enough);
    struct failure failure;

    trigger_state_set_patience(state);
    state->flight = flight_start(state->context,
        &(struct flight_options){.snapshot = state->snapshot,
            .query = &state->trigger->query,
            .identity = state->identity,
            .values = state->values,
            .patience = &state->patience,
            .goal = &state->goal,
            .share_table = is_own ? NULL : trigger_state_share_table(state),
            .trigger = state->trigger,
            .share_memory = &state->share_memory,
            .meter = &state->meter,
            .budget = state->budget != NULL ? &state->budget->budget : NULL,
            .expected_rcu = trigger_state_expected_rcu(state),
            .delay_ms = wait > 0 ? wait : 0,
            .last = wait > 0 ? cache_failure(cache) : NULL},
        &events, state);
    if (state->flight == NULL) {
        failure_set(&failure, ERROR_INTERNAL, "no memory for a count");
        answer_all(state, &failure);
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
    if (!cache->refused && cache->not_before < request->deadline.at && !may_serve_stale(state))
        return false;
    failure = *cache_failure(cache);
    failure.retry_after_ms = wait;
    answer_request(state, request, &failure);
    return true;
}

int64_t count_patience(int64_t timeout_ms)
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
        *answer = fresh_at(state, now);
        answer->packed = &state->packed;
    } else if (trigger_state_has_bound(state, enough, saturating_subtract(now, most_ms - 1))) {
        *answer = trigger_state_bound(state);
    } else {
        return false;
    }
    state->context->stats.hits++;
    return true;
}

void trigger_state_ask(struct trigger_state *state, struct count_request *request)
{
    struct count_context *context = state->context;
    struct count_answer answer;
    int64_t max_age_ms;

    ring_init(&request->link);
    request->state = state;
    request->deadline = (struct deadline){
        .at = saturating_add(trigger_state_now(state), count_patience(request->timeout_ms))};
    max_age_ms = trigger_state_max_age(state, request->max_age_ms);
    request->since = saturating_subtract(trigger_state_age_now(state), max_age_ms);
    if (trigger_state_answer(state, request->max_age_ms, request->enough, &answer)) {
        request->done(request->data, &answer);
        return;
    }
    if (answer_from_failure(state, request))
        return;
    if (waiters_join(&state->waiters, request) < 0) {
        struct failure failure;

        failure_set(&failure, ERROR_INTERNAL, "no memory for a deadline");
        answer_request(state, request, &failure);
    } else if (state->flight != NULL) {
        context->stats.joined++;
        trigger_state_set_patience(state);
        trigger_state_raise_goal(state, request->enough, max_age_ms);
        flight_join(state->flight);
    } else {
        context->stats.misses++;
        state->goal = (struct count_goal){.enough = request->enough, .max_age_ms = max_age_ms};
        trigger_state_start_flight(state, request->is_own);
    }
}

void trigger_state_leave(struct count_request *request)
{
    if (ring_is_empty(&request->link))
        return;
    waiters_leave(&request->state->waiters, request);
    trigger_state_set_patience(request->state);
    end_if_unwanted(request->state);
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
    state->context = context;
    state->snapshot = snapshot_ref(snapshot);
    state->trigger = trigger;
    state->identity = identity;
    cache_init(&state->cache);
    buffer_init(&state->packed.bytes, LIMIT_OUTPUT_BYTES);
    waiters_init(&state->waiters, context->loop, deadlines_passed, state);
    watchers_init(&state->watchers);
    state->budget = held_budget_ref(budget);
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
    answer_all(state, &failure);
    watchers_clear(&state->watchers);
    waiters_clear(&state->waiters);
    loop_timer_destroy(state->refresh);
    snapshot_unref(state->snapshot);
    identity_release(state->identity);
    buffer_free(&state->packed.bytes);
    page_log_clear(&state->pages);
    cache_clear(&state->cache);
    free(state->counted_by);
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
    buffer_clear(&state->packed.bytes);
    /* The reload may have fixed the cause of the refusal, or named another table. */
    state->share_memory = (struct share_memory){.failures = 0};
    state->cache.not_before = 0;
    state->cache.refused = false;
    state->cache.overruns = 0;
    trigger_state_set_patience(state);
    trigger_state_schedule_refresh(state);
}

void trigger_state_abandon(struct trigger_state *state)
{
    state->abandoned = true;
    trigger_state_set_patience(state);
    end_if_unwanted(state);
}

bool trigger_state_is_idle(const struct trigger_state *state)
{
    return state->flight == NULL;
}

bool trigger_state_is_wanted(const struct trigger_state *state)
{
    return !waiters_are_none(&state->waiters) || !watchers_are_none(&state->watchers);
}

void trigger_state_peek(const struct trigger_state *state, struct count_answer *answer)
{
    const struct cache *cache = &state->cache;

    *answer = answer_base(state);
    if (cache->failures > 0)
        answer->failure = cache_failure(cache);
    if (!cache->has_value)
        return;
    answer->value = &cache->value;
    answer->counted_by = state->counted_by;
    answer->age_ms = cache_age(cache, trigger_state_age_now(state));
    answer->rate = cache->value.at_least ? NULL : &state->rate;
    answer->value_at = cache->value_at;
    answer->quality = !cache_is_fresh(
                          cache, state->trigger->polling_ms, trigger_state_age_now(state))
                          ? QUALITY_STALE
                      : cache->value.at_least ? QUALITY_AT_LEAST
                                              : QUALITY_EXACT;
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

const struct trigger *trigger_state_trigger(const struct trigger_state *state)
{
    return state->trigger;
}

const char *trigger_state_values(const struct trigger_state *state)
{
    return state->values;
}

struct identity *trigger_state_identity(const struct trigger_state *state)
{
    return state->identity;
}

/* ---- refresh ---- */

/* Trigger states that are kept fresh: warm ones, and watched ones. */

#define REFRESH_LEAST_MS 1000 /* between counts without a request */
#define REFRESH_TURNS    8    /* counts of one agent until another one takes over, on average */

/* Not for clients' values: each set requested once would cost as much as the trigger itself, for
 * ever. */
static bool is_warm(const struct trigger_state *state)
{
    return state->trigger->warm && state->values == NULL;
}

/* Whether it is counted without a request. */
static bool trigger_state_is_kept_fresh(const struct trigger_state *state)
{
    return !state->abandoned && (is_warm(state) || !watchers_are_none(&state->watchers));
}

static void tell_watch(void *data, struct count_watch *watch)
{
    watch->changed(watch->data, data);
}

/* Notifies the watchers of the latest flight's result; failure NULL: a value. */
static void trigger_state_tell(struct trigger_state *state, const struct failure *failure)
{
    struct count_answer answer = failure == NULL ? trigger_state_fresh(state)
                                                 : trigger_state_failed(state, failure);

    watchers_tell_each(&state->watchers, tell_watch, &answer);
}

/* The maximum age of the count of a warm or watched trigger. */
static int64_t refresh_interval(const struct trigger_state *state)
{
    int64_t polling = state->trigger->polling_ms;
    int64_t interval = watchers_max_age(&state->watchers, polling);

    if (is_warm(state) && polling < interval)
        interval = polling;
    if (interval < state->context->min_age_ms)
        interval = state->context->min_age_ms;
    return interval > REFRESH_LEAST_MS ? interval : REFRESH_LEAST_MS;
}

/* The agents of a fleet learn of a number together. The one that counted it counts again, by so
 * much before the interval ends: then the others find a new number at their first look. */
static int64_t refresh_early(const struct trigger_state *state)
{
    return trigger_state_share_table(state) != NULL ? refresh_interval(state) / 20 : 0;
}

/* When it refreshes, from the end of the interval on. The others, and now and then that agent, too,
 * so that another one takes over, do at random times after it; the first time within two seconds.
 */
static int64_t refresh_jitter(const struct trigger_state *state)
{
    int64_t early = refresh_early(state);
    uint32_t random = state->context->random();
    bool is_own = state->cache.has_value && state->counted_by == NULL;
    int64_t most = state->cache.has_value || 5 * early < 2000 ? 3 * early : 2000;

    if (is_own && random % REFRESH_TURNS != 0)
        return -early;
    return (int64_t)((uint64_t)random * (uint64_t)most >> 32);
}

static int64_t refresh_delay(const struct trigger_state *state)
{
    const struct cache *cache = &state->cache;
    int64_t interval = refresh_interval(state);
    int64_t wait = cache->not_before - trigger_state_now(state);

    if (cache->failures > 0) /* a refused count is not retried early */
        return cache->refused && wait < interval ? interval : wait;
    if (!cache->has_value)
        return 0;
    return interval - cache_age(cache, trigger_state_age_now(state));
}

/* The age from which on a number of the fleet will not do: that of the number to be refreshed. */
static int64_t refresh_max_age(const struct trigger_state *state)
{
    int64_t interval = refresh_interval(state);
    int64_t age = cache_age(&state->cache, trigger_state_age_now(state));

    return state->cache.has_value && age < interval ? age : interval;
}

/* The most demanding watcher may have left meanwhile. */
static void refresh_fired(void *data)
{
    struct trigger_state *state = data;

    if (state->flight != NULL || !trigger_state_is_kept_fresh(state))
        return;
    if (state->cache.failures == 0 && refresh_delay(state) > refresh_early(state)) {
        trigger_state_schedule_refresh(state);
        return;
    }
    state->goal = (struct count_goal){.enough = 0, .max_age_ms = refresh_max_age(state)};
    trigger_state_start_flight(state, false);
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
    if (state->flight == NULL)
        loop_timer_start(state->refresh, refresh_delay(state) + refresh_jitter(state));
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

bool trigger_state_known(
    const struct trigger_state *state, const struct count_watch *watch, struct count_answer *answer)
{
    const struct cache *cache = &state->cache;
    int64_t wish = watch->max_age_ms != COUNT_AGE_DEFAULT ? watch->max_age_ms
                                                          : state->trigger->polling_ms;
    int64_t interval = refresh_interval(state);

    if (cache->failures > 0)
        *answer = trigger_state_failed(state, cache_failure(cache));
    else if (cache_is_fresh(cache, wish > interval ? wish : interval, trigger_state_age_now(state)))
        *answer = trigger_state_fresh(state);
    else
        return false;
    return true;
}

static void state_tell_known(void *data, struct count_watch *watch)
{
    struct count_answer answer;

    if (trigger_state_known(data, watch, &answer))
        watch->changed(watch->data, &answer);
}

void trigger_state_tell_watchers(struct trigger_state *state)
{
    watchers_tell_each(&state->watchers, state_tell_known, state);
}

void trigger_state_dismiss_watchers(struct trigger_state *state)
{
    watchers_dismiss(&state->watchers);
    trigger_state_set_patience(state);
}
