#include "agent/count/question_state.h"

#include "agent/log.h"
#include "proto/limits.h"
#include "proto/saturating.h"

#include <stdlib.h>
#include <string.h>

#define UNATTENDED_MS                                                                              \
    60000 /* that a count goes on for a request to come; or twice the pollingInterval */
#define PATIENT_ATTEMPTS 3 /* of a page, where nobody needs more: AWS's standard number */

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

int64_t question_now(const struct question *question)
{
    return loop_now(question->context->loop);
}

int64_t question_age_now(const struct question *question)
{
    return loop_now_with_sleep(question->context->loop);
}

/* ---- answers ----------------------------------------------------------------------------------
 */

static bool may_serve_stale(const struct question *question)
{
    return cache_may_serve_stale(
        &question->cache, question->context->max_stale_ms, question_age_now(question));
}

static struct count_answer answer_base(const struct question *question)
{
    const struct trigger_scaling *scaling = &question->trigger->scaling;
    struct count_answer answer = {.trigger = question->trigger};

    answer.fallback = scaling->has_fallback &&
                      question->cache.failures > (uint32_t)scaling->fallback_threshold;
    return answer;
}

static struct count_answer fresh_at(const struct question *question, int64_t now)
{
    struct count_answer answer = answer_base(question);

    answer.value = &question->cache.value;
    answer.quality = question->cache.value.at_least ? QUALITY_AT_LEAST : QUALITY_EXACT;
    answer.age_ms = cache_age(&question->cache, now);
    if (question->pages.count > 0)
        answer.pages = &question->pages;
    return answer;
}

struct count_answer question_fresh(const struct question *question)
{
    return fresh_at(question, question_age_now(question));
}

/* The last good value marked stale where it is young enough, else the failure. */
struct count_answer question_failed(const struct question *question, const struct failure *failure)
{
    struct count_answer answer = answer_base(question);

    answer.failure = failure;
    if (may_serve_stale(question)) {
        answer.value = &question->cache.value;
        answer.quality = QUALITY_STALE;
        answer.age_ms = cache_age(&question->cache, question_age_now(question));
    }
    return answer;
}

/* failure NULL: the value is fresh. */
static void answer_request(
    struct question *question, struct count_request *request, const struct failure *failure)
{
    struct count_answer answer = failure == NULL ? question_fresh(question)
                                                 : question_failed(question, failure);

    if (failure == NULL)
        answer.packed = &question->packed;
    if (answer.value != NULL && answer.quality == QUALITY_STALE)
        question->context->stats.stale_served++;
    request->done(request->data, &answer);
}

static void answer_each(
    struct question *question, struct ring *requests, const struct failure *failure)
{
    while (!ring_is_empty(requests)) {
        answer_request(
            question, RING_MEMBER(ring_pop(requests), struct count_request, link), failure);
    }
}

static void answer_all(struct question *question, const struct failure *failure)
{
    struct ring taken;

    waiters_take_all(&question->waiters, &taken);
    answer_each(question, &taken, failure);
}

/* Nobody can ask an abandoned question any more: without anyone waiting its flight is for
 * nothing. */
static void end_if_unwanted(struct question *question)
{
    if (!question->abandoned || !waiters_are_none(&question->waiters))
        return;
    if (question->flight != NULL)
        flight_cancel(question->flight);
    question->flight = NULL;
    loop_timer_start(question->context->reaper, 0);
}

static void deadlines_passed(void *data)
{
    struct question *question = data;
    struct failure failure;
    struct ring late;

    flight_late(question->flight, &failure);
    waiters_take_late(&question->waiters, &late);
    answer_each(question, &late, &failure);
    question_set_patience(question);
    end_if_unwanted(question);
}

static void store(struct question *question, const struct count_value *value)
{
    cache_store(&question->cache, value, question_age_now(question));
    page_log_move(&question->pages, flight_pages(question->flight));
    buffer_clear(&question->packed.bytes);
}

/* *told is what everybody hears of it: how long it is remembered, too. */
static void store_failure(
    struct question *question, const struct failure *failure, struct failure *told)
{
    struct cache *cache = &question->cache;

    cache_fail(cache, failure, question_now(question), question->context->random());
    buffer_clear(&question->packed.bytes);
    *told = *failure;
    if (cache->refused || told->retry_after_ms > 0)
        told->retry_after_ms = cache->not_before - question_now(question);
}

/* ---- the log ----------------------------------------------------------------------------------
 */

/* next_ms: when it is asked again at the earliest; where nothing keeps the count fresh, by the next
 * client. */
static void log_failed(struct question *question, const struct failure *failure, int64_t next_ms)
{
    struct log_field fields[LOG_FAILURE_FIELDS + 5] = {0};
    size_t count = 0;

    if (!outage_failed(&question->outage, question_now(question)))
        return;
    fields[count++] = LOG_TEXT("trigger", question->trigger->name);
    count += log_failure_fields(&fields[count], failure);
    fields[count++] = LOG_NUMBER("failures", question->outage.failures);
    fields[count++] = LOG_NUMBER("next_attempt_ms", next_ms > 0 ? next_ms : 0);
    if (!question_is_kept_fresh(question))
        fields[count++] = LOG_TEXT("next_attempt", "on_request");
    log_write(LOG_LEVEL_WARN, "count_failed", fields);
}

static void log_recovered(struct question *question)
{
    struct outage ended;

    if (outage_over(&question->outage, &ended))
        log_event(LOG_LEVEL_WARN, "count_recovered", LOG_TEXT("trigger", question->trigger->name),
            LOG_NUMBER("failures", ended.failures),
            LOG_NUMBER("failed_for_ms", question_now(question) - ended.since_ms));
}

/* ---- the flight -------------------------------------------------------------------------------
 */

/* Those whom a stale value cannot help are worth every attempt that fits their deadline; for
 * others a few attempts do. */
void question_set_patience(struct question *question)
{
    bool is_wanted = question_is_kept_fresh(question) || !waiters_are_none(&question->waiters);
    int64_t twice_polling = saturating_add(
        question->trigger->polling_ms, question->trigger->polling_ms);

    question->patience = (struct flight_patience){
        .retry = {.until = may_serve_stale(question) ? INT64_MIN : question->waiters.latest,
            .attempts = is_wanted ? PATIENT_ATTEMPTS : 0},
        .unattended_ms = is_wanted                       ? INT64_MAX
                         : twice_polling > UNATTENDED_MS ? twice_polling
                                                         : UNATTENDED_MS};
}

/* A flight may go on for minutes: what it meets is logged before it ends. */
static void on_retrying(void *data, int64_t delay_ms)
{
    struct question *question = data;
    const struct flight_progress *progress = flight_progress(question->flight);

    if (progress->failed_attempts >= PATIENT_ATTEMPTS)
        log_failed(question, &progress->last_attempt, delay_ms);
}

static void on_flight_done(
    void *data, const struct count_value *value, const struct failure *failure)
{
    struct question *question = data;
    struct failure told;

    if (value != NULL) {
        store(question, value);
        log_recovered(question);
    } else {
        store_failure(question, failure, &told);
        log_failed(question, failure, question->cache.not_before - question_now(question));
        failure = &told;
    }
    question->flight = NULL;
    question_schedule_refresh(question);
    answer_all(question, failure);
    if (question->context->min_age_ms == 0) /* whoever asks for age 0 gets a flight */
        page_log_clear(&question->pages);
    question_tell(question, failure);
    end_if_unwanted(question);
}

/* Takes off now, or when the back-off after a failure is over. */
void question_start_flight(struct question *question)
{
    static const struct flight_events events = {.retrying = on_retrying, .done = on_flight_done};
    const struct cache *cache = &question->cache;
    int64_t wait = cache->failures > 0 ? cache->not_before - question_now(question) : 0;
    struct failure failure;

    question_set_patience(question);
    question->flight = flight_start(question->context, question->snapshot,
        &question->trigger->query, question->identity, question->values, wait > 0 ? wait : 0,
        wait > 0 ? cache_failure(cache) : NULL, &question->patience, &events, question);
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
    int64_t wait = cache->not_before - question_now(question);
    struct failure failure;

    if (question->flight != NULL || cache->failures == 0 || wait <= 0)
        return false;
    if (!cache->refused && cache->not_before < request->deadline.at && !may_serve_stale(question))
        return false;
    failure = *cache_failure(cache);
    failure.retry_after_ms = wait;
    answer_request(question, request, &failure);
    return true;
}

int64_t count_patience(int64_t timeout_ms)
{
    int64_t margin = timeout_ms > 2 * TIMEOUT_MARGIN_MS ? TIMEOUT_MARGIN_MS : timeout_ms / 2;

    return timeout_ms - margin;
}

bool question_answer(struct question *question, int64_t max_age_ms, struct count_answer *answer)
{
    struct count_context *context = question->context;
    int64_t now = question_age_now(question);

    if (max_age_ms == COUNT_AGE_DEFAULT)
        max_age_ms = question->trigger->polling_ms;
    if (max_age_ms < context->min_age_ms)
        max_age_ms = context->min_age_ms;
    if (!cache_is_fresh(&question->cache, max_age_ms, now))
        return false;
    context->stats.hits++;
    *answer = fresh_at(question, now);
    answer->packed = &question->packed;
    return true;
}

void question_ask(struct question *question, struct count_request *request)
{
    struct count_context *context = question->context;
    struct count_answer answer;

    ring_init(&request->link);
    request->question = question;
    request->deadline = (struct deadline){
        .at = saturating_add(question_now(question), count_patience(request->timeout_ms))};
    if (question_answer(question, request->max_age_ms, &answer)) {
        request->done(request->data, &answer);
        return;
    }
    if (answer_from_failure(question, request))
        return;
    if (waiters_join(&question->waiters, request) < 0) {
        struct failure failure;

        failure_set(&failure, ERROR_INTERNAL, "no memory for a deadline");
        answer_request(question, request, &failure);
    } else if (question->flight != NULL) {
        context->stats.joined++;
        question_set_patience(question);
        flight_join(question->flight);
    } else {
        context->stats.misses++;
        question_start_flight(question);
    }
}

void question_leave(struct count_request *request)
{
    if (ring_is_empty(&request->link))
        return;
    waiters_leave(&request->question->waiters, request);
    question_set_patience(request->question);
    end_if_unwanted(request->question);
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
    buffer_init(&question->packed.bytes, LIMIT_OUTPUT_BYTES);
    waiters_init(&question->waiters, context->loop, deadlines_passed, question);
    watchers_init(&question->watchers);
    question_schedule_refresh(question);
    return question;
}

void question_destroy(struct question *question)
{
    struct failure failure;

    if (question == NULL)
        return;
    if (question->flight != NULL)
        flight_cancel(question->flight);
    question->flight = NULL;
    failure_set(&failure, ERROR_SHUTTING_DOWN, "the agent is shutting down");
    answer_all(question, &failure);
    watchers_clear(&question->watchers);
    waiters_clear(&question->waiters);
    loop_timer_destroy(question->refresh);
    snapshot_unref(question->snapshot);
    identity_release(question->identity);
    buffer_free(&question->packed.bytes);
    page_log_clear(&question->pages);
    cache_clear(&question->cache);
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
    buffer_clear(&question->packed.bytes);
    /* Whoever reloads has perhaps mended what was refused. */
    question->cache.not_before = 0;
    question->cache.refused = false;
    question_set_patience(question);
    question_schedule_refresh(question);
}

void question_abandon(struct question *question)
{
    question->abandoned = true;
    question_set_patience(question);
    end_if_unwanted(question);
}

bool question_is_idle(const struct question *question)
{
    return question->flight == NULL;
}

bool question_is_wanted(const struct question *question)
{
    return !waiters_are_none(&question->waiters) || !watchers_are_none(&question->watchers);
}

void question_peek(const struct question *question, struct count_answer *answer)
{
    const struct cache *cache = &question->cache;

    *answer = answer_base(question);
    if (cache->failures > 0)
        answer->failure = cache_failure(cache);
    if (!cache->has_value)
        return;
    answer->value = &cache->value;
    answer->age_ms = cache_age(cache, question_age_now(question));
    answer->quality = !cache_is_fresh(
                          cache, question->trigger->polling_ms, question_age_now(question))
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
