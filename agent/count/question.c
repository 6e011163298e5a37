#include "agent/count/question.h"

#include "agent/count/waiters.h"
#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>

#define PATIENT_ATTEMPTS 3 /* of a page, where nobody needs more: AWS's standard number */

struct question {
    struct count_context *context;
    struct snapshot *snapshot;
    const struct trigger *trigger;
    struct identity *identity;
    char *values;
    struct cache cache;
    struct flight *flight; /* NULL: none */
    struct waiters waiters;
    struct ring watching;       /* count_watch::link */
    struct loop_timer *refresh; /* of a warm or watched question */
    bool abandoned;
};

static void refresh_schedule(struct question *question);

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

static int64_t now_of(const struct question *question)
{
    return loop_now(question->context->loop);
}

/* ---- answers ----------------------------------------------------------------------------------
 */

static bool may_serve_stale(const struct question *question)
{
    return cache_may_serve_stale(
        &question->cache, question->context->max_stale_ms, now_of(question));
}

static struct count_answer answer_base(const struct question *question)
{
    const struct trigger_scaling *scaling = &question->trigger->scaling;
    struct count_answer answer = {.trigger = question->trigger};

    answer.fallback = scaling->has_fallback &&
                      question->cache.failures > (uint32_t)scaling->fallback_threshold;
    return answer;
}

static struct count_answer answer_fresh(const struct question *question)
{
    struct count_answer answer = answer_base(question);

    answer.value = &question->cache.value;
    answer.quality = question->cache.value.at_least ? QUALITY_AT_LEAST : QUALITY_EXACT;
    answer.age_ms = cache_age(&question->cache, now_of(question));
    return answer;
}

/* The last good value marked stale where it is young enough, else the failure. */
static struct count_answer answer_failed(struct question *question, const struct failure *failure)
{
    struct count_answer answer = answer_base(question);

    answer.failure = failure;
    if (may_serve_stale(question)) {
        answer.value = &question->cache.value;
        answer.quality = QUALITY_STALE;
        answer.age_ms = cache_age(&question->cache, now_of(question));
        question->context->stats.stale_served++;
    }
    return answer;
}

static void answer_each(
    struct question *question, struct ring *requests, const struct failure *failure)
{
    while (!ring_is_empty(requests)) {
        struct count_request *request = RING_MEMBER(ring_pop(requests), struct count_request, link);
        struct count_answer answer = failure == NULL ? answer_fresh(question)
                                                     : answer_failed(question, failure);

        request->done(request->data, &answer);
    }
}

static void answer_all(struct question *question, const struct failure *failure)
{
    struct ring taken;

    waiters_take_all(&question->waiters, &taken);
    answer_each(question, &taken, failure);
}

static void tell_watchers(struct question *question, const struct failure *failure)
{
    struct ring told;

    ring_take_all(&question->watching, &told);
    while (!ring_is_empty(&told)) {
        struct count_watch *watch = RING_MEMBER(ring_pop(&told), struct count_watch, link);
        struct count_answer answer = failure == NULL ? answer_fresh(question)
                                                     : answer_failed(question, failure);

        ring_add(&question->watching, &watch->link);
        watch->changed(watch->data, &answer);
    }
}

static void timeout_failure(const struct question *question, struct failure *failure)
{
    const struct flight_progress *progress =
        question->flight != NULL ? flight_progress(question->flight) : NULL;

    if (progress != NULL && progress->last_attempt.code != ERROR_NONE) {
        const struct failure *last = &progress->last_attempt;

        failure_set(
            failure, ERROR_TIMEOUT, "no count within the deadline; last: %s", last->message);
        failure_set_aws(failure, last->aws_code, last->aws_request_id, last->aws_reasons);
    } else if (progress != NULL && progress->so_far.pages > 0) {
        failure_set(failure, ERROR_TIMEOUT,
            "still counting: %llu items on %u pages so far; ask again, or with a longer timeout",
            (unsigned long long)progress->so_far.count, progress->so_far.pages);
    } else {
        failure_set(failure, ERROR_TIMEOUT, "no count within the deadline; AWS has not answered");
    }
}

static void deadlines_passed(void *data)
{
    struct question *question = data;
    struct failure failure;
    struct ring late;

    timeout_failure(question, &failure);
    waiters_take_late(&question->waiters, &late);
    answer_each(question, &late, &failure);
}

/* ---- the flight -------------------------------------------------------------------------------
 */

static bool is_kept_fresh(const struct question *question)
{
    return !question->abandoned && (question->trigger->warm || !ring_is_empty(&question->watching));
}

/* Those whom a stale value cannot help are worth every attempt that fits their deadline; for
 * others a few attempts do. */
static bool on_retry_wanted(void *data, int64_t delay_ms)
{
    struct question *question = data;

    if (!may_serve_stale(question) &&
        waiters_outlast(&question->waiters, now_of(question) + delay_ms))
        return true;
    return (is_kept_fresh(question) || !waiters_are_none(&question->waiters)) &&
           flight_progress(question->flight)->failed_attempts < PATIENT_ATTEMPTS;
}

static void on_flight_done(
    void *data, const struct count_value *value, const struct failure *failure)
{
    struct question *question = data;

    question->flight = NULL;
    if (value != NULL)
        cache_store(&question->cache, value, now_of(question));
    else
        cache_fail(&question->cache, failure, now_of(question), question->context->random());
    refresh_schedule(question);
    answer_all(question, failure);
    tell_watchers(question, failure);
    if (question->abandoned && question->flight == NULL)
        loop_timer_start(question->context->reaper, 0);
}

/* Takes off now, or when the back-off after a failure is over. */
static void start_flight(struct question *question)
{
    static const struct flight_events events = {
        .retry_wanted = on_retry_wanted, .done = on_flight_done};
    const struct cache *cache = &question->cache;
    int64_t wait = cache->failures > 0 ? cache->not_before - now_of(question) : 0;
    struct failure failure;

    question->flight = flight_start(question->context, question->snapshot,
        &question->trigger->query, question->identity, question->values, wait > 0 ? wait : 0,
        wait > 0 ? &cache->failure : NULL, &events, question);
    if (question->flight == NULL) {
        failure_set(&failure, ERROR_INTERNAL, "no memory for a count");
        answer_all(question, &failure);
    }
}

/* ---- asking ------------------------------------------------------------------------------------
 */

/* A failure that is still to be respected answers at once: what was refused, what cannot be tried
 * again in time, and what a stale value can help over. */
static bool answer_from_failure(struct question *question, struct count_request *request)
{
    struct cache *cache = &question->cache;
    int64_t wait = cache->not_before - now_of(question);
    struct failure failure;
    struct count_answer answer;

    if (question->flight != NULL || cache->failures == 0 || wait <= 0)
        return false;
    if (!cache->refused && cache->not_before < request->deadline && !may_serve_stale(question))
        return false;
    failure = cache->failure;
    failure.retry_after_ms = wait;
    answer = answer_failed(question, &failure);
    request->done(request->data, &answer);
    return true;
}

static int64_t deadline_of(const struct question *question, const struct count_request *request)
{
    int64_t margin = request->timeout_ms > 2 * TIMEOUT_MARGIN_MS ? TIMEOUT_MARGIN_MS
                                                                 : request->timeout_ms / 2;

    return now_of(question) + request->timeout_ms - margin;
}

void question_ask(struct question *question, struct count_request *request)
{
    struct count_context *context = question->context;
    int64_t max_age = request->max_age_ms == COUNT_AGE_DEFAULT ? question->trigger->polling_ms
                                                               : request->max_age_ms;

    ring_init(&request->link);
    request->question = question;
    request->deadline = deadline_of(question, request);
    if (max_age < context->min_age_ms)
        max_age = context->min_age_ms;
    if (cache_is_fresh(&question->cache, max_age, now_of(question))) {
        struct count_answer answer = answer_fresh(question);

        context->stats.hits++;
        request->done(request->data, &answer);
        return;
    }
    if (answer_from_failure(question, request))
        return;
    if (waiters_join(&question->waiters, request) < 0) {
        struct failure failure;
        struct count_answer answer;

        failure_set(&failure, ERROR_INTERNAL, "no memory for a deadline");
        answer = answer_failed(question, &failure);
        request->done(request->data, &answer);
    } else if (question->flight != NULL) {
        context->stats.joined++;
    } else {
        context->stats.misses++;
        start_flight(question);
    }
}

void question_leave(struct count_request *request)
{
    if (!ring_is_empty(&request->link))
        waiters_leave(&request->question->waiters, request);
}

/* ---- kept fresh --------------------------------------------------------------------------------
 */

static void refresh_fired(void *data)
{
    struct question *question = data;

    if (question->flight == NULL && is_kept_fresh(question))
        start_flight(question);
}

/* The next refresh of a warm or watched question: one pollingInterval after the last count. */
static void refresh_schedule(struct question *question)
{
    int64_t delay = 0;

    if (!is_kept_fresh(question)) {
        loop_timer_destroy(question->refresh);
        question->refresh = NULL;
        return;
    }
    if (question->refresh == NULL)
        question->refresh = loop_timer_create(question->context->loop, refresh_fired, question);
    if (question->refresh == NULL)
        return; /* the next flight's end tries again */
    if (question->cache.failures > 0)
        delay = question->cache.not_before - now_of(question);
    else if (question->cache.has_value)
        delay = question->trigger->polling_ms - cache_age(&question->cache, now_of(question));
    loop_timer_start(question->refresh, delay);
}

void question_watch(struct question *question, struct count_watch *watch)
{
    ring_add(&question->watching, &watch->link);
    if (question->flight == NULL)
        refresh_schedule(question);
}

void question_unwatch(struct count_watch *watch)
{
    ring_remove(&watch->link);
}

/* ---- life --------------------------------------------------------------------------------------
 */

struct question *question_create(struct count_context *context, struct snapshot *snapshot,
    const struct trigger *trigger, struct identity *identity, const char *values)
{
    struct question *question = calloc(1, sizeof(*question));

    if (question == NULL)
        return NULL;
    if (values != NULL) {
        question->values = strdup(values);
        if (question->values == NULL) {
            free(question);
            return NULL;
        }
    }
    question->context = context;
    question->snapshot = snapshot_ref(snapshot);
    question->trigger = trigger;
    question->identity = identity;
    cache_init(&question->cache);
    waiters_init(&question->waiters, context->loop, deadlines_passed, question);
    ring_init(&question->watching);
    if (trigger->warm)
        refresh_schedule(question);
    return question;
}

void question_destroy(struct question *question)
{
    struct failure failure;
    struct ring watching;

    if (question == NULL)
        return;
    if (question->flight != NULL)
        flight_cancel(question->flight);
    question->flight = NULL;
    failure_set(&failure, ERROR_SHUTTING_DOWN, "the agent is shutting down");
    answer_all(question, &failure);
    ring_take_all(&question->watching, &watching);
    while (!ring_is_empty(&watching))
        ring_pop(&watching);
    waiters_clear(&question->waiters);
    loop_timer_destroy(question->refresh);
    snapshot_unref(question->snapshot);
    identity_release(question->identity);
    free(question->values);
    free(question);
}

void question_adopt(
    struct question *question, struct snapshot *snapshot, const struct trigger *trigger)
{
    snapshot_ref(snapshot);
    snapshot_unref(question->snapshot);
    question->snapshot = snapshot;
    question->trigger = trigger;
    if (question->flight == NULL)
        refresh_schedule(question);
}

void question_abandon(struct question *question)
{
    question->abandoned = true;
    if (question->flight == NULL)
        loop_timer_start(question->context->reaper, 0);
}

bool question_is_idle(const struct question *question)
{
    return question->flight == NULL;
}

void question_peek(const struct question *question, struct count_answer *answer)
{
    const struct cache *cache = &question->cache;

    *answer = answer_base(question);
    if (cache->failures > 0)
        answer->failure = &cache->failure;
    if (!cache->has_value)
        return;
    answer->value = &cache->value;
    answer->age_ms = cache_age(cache, now_of(question));
    answer->quality = !cache_is_fresh(cache, question->trigger->polling_ms, now_of(question))
                          ? QUALITY_STALE
                      : cache->value.at_least ? QUALITY_AT_LEAST
                                              : QUALITY_EXACT;
}

const struct trigger *question_trigger(const struct question *question)
{
    return question->trigger;
}

const char *question_values(const struct question *question)
{
    return question->values;
}

struct identity *question_identity(const struct question *question)
{
    return question->identity;
}
