/* Questions that are kept fresh: warm ones, and those that somebody watches. */
#include "agent/count/question_state.h"

#include <errno.h>

#define REFRESH_LEAST_MS 1000 /* between counts that nobody asked for */

/* Not for the values of clients: each set that somebody asked for once would cost as much as the
 * trigger itself, for ever. */
static bool is_warm(const struct question *question)
{
    return question->trigger->warm && question->values == NULL;
}

bool question_is_kept_fresh(const struct question *question)
{
    return !question->abandoned && (is_warm(question) || !watchers_are_none(&question->watchers));
}

static void tell_watch(void *data, struct count_watch *watch)
{
    watch->changed(watch->data, data);
}

void question_tell(struct question *question, const struct failure *failure)
{
    struct count_answer answer = failure == NULL ? question_fresh(question)
                                                 : question_failed(question, failure);

    watchers_tell_each(&question->watchers, tell_watch, &answer);
}

/* How old the count of a warm or watched question may get. */
static int64_t refresh_interval(const struct question *question)
{
    int64_t polling = question->trigger->polling_ms;
    int64_t interval = watchers_max_age(&question->watchers, polling);

    if (is_warm(question) && polling < interval)
        interval = polling;
    if (interval < question->context->min_age_ms)
        interval = question->context->min_age_ms;
    return interval > REFRESH_LEAST_MS ? interval : REFRESH_LEAST_MS;
}

static int64_t refresh_delay(const struct question *question)
{
    const struct cache *cache = &question->cache;
    int64_t interval = refresh_interval(question);
    int64_t wait = cache->not_before - question_now(question);

    if (cache->failures > 0) /* what AWS refused is not pressed for */
        return cache->refused && wait < interval ? interval : wait;
    if (!cache->has_value)
        return 0;
    return interval - cache_age(cache, question_age_now(question));
}

/* The most demanding watcher may have left meanwhile. */
static void refresh_fired(void *data)
{
    struct question *question = data;

    if (question->flight != NULL || !question_is_kept_fresh(question))
        return;
    if (question->cache.failures == 0 && refresh_delay(question) > 0) {
        question_schedule_refresh(question);
        return;
    }
    question_start_flight(question);
    if (question->flight == NULL)
        loop_timer_start(question->refresh, REFRESH_LEAST_MS); /* there may be memory by then */
}

int question_schedule_refresh(struct question *question)
{
    if (!question_is_kept_fresh(question)) {
        loop_timer_destroy(question->refresh);
        question->refresh = NULL;
        return 0;
    }
    if (question->refresh == NULL)
        question->refresh = loop_timer_create(question->context->loop, refresh_fired, question);
    if (question->refresh == NULL)
        return -ENOMEM; /* the next flight's end tries again */
    if (question->flight == NULL)
        loop_timer_start(question->refresh, refresh_delay(question));
    return 0;
}

int question_watch(struct question *question, struct count_watch *watch)
{
    int r;

    watch->question = question;
    watchers_add(&question->watchers, watch);
    question_set_patience(question);
    r = question_schedule_refresh(question);
    if (r < 0)
        question_unwatch(watch);
    return r;
}

void question_unwatch(struct count_watch *watch)
{
    bool watches = !ring_is_empty(&watch->link);

    watchers_remove(watch);
    if (watches)
        question_set_patience(watch->question);
}

bool question_known(
    const struct question *question, const struct count_watch *watch, struct count_answer *answer)
{
    const struct cache *cache = &question->cache;
    int64_t wish = watch->max_age_ms != COUNT_AGE_DEFAULT ? watch->max_age_ms
                                                          : question->trigger->polling_ms;
    int64_t interval = refresh_interval(question);

    if (cache->failures > 0)
        *answer = question_failed(question, cache_failure(cache));
    else if (cache_is_fresh(cache, wish > interval ? wish : interval, question_age_now(question)))
        *answer = question_fresh(question);
    else
        return false;
    return true;
}

static void tell_known(void *data, struct count_watch *watch)
{
    struct count_answer answer;

    if (question_known(data, watch, &answer))
        watch->changed(watch->data, &answer);
}

void question_tell_watchers(struct question *question)
{
    watchers_tell_each(&question->watchers, tell_known, question);
}

void question_dismiss_watchers(struct question *question)
{
    watchers_dismiss(&question->watchers);
    question_set_patience(question);
}
