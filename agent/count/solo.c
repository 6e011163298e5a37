#include "agent/count/solo.h"

#include "agent/count/answer.h"
#include "proto/saturating.h"

#include <stdlib.h>

struct solo {
    struct count_context *context;
    struct ring link; /* count_context::solos, at the end count_context::ended_solos */
    struct flight *flight;
    struct loop_timer *timer;
    struct snapshot *snapshot;
    struct identity *identity;
    struct flight_patience patience; /* to its deadline */
    const struct solo_events *events;
    void *data;
};

static void solo_free(struct solo *solo)
{
    ring_remove(&solo->link);
    loop_timer_destroy(solo->timer);
    identity_release(solo->identity);
    snapshot_unref(solo->snapshot);
    free(solo);
}

/* What it holds goes later: the identity may be the caller. */
static void solo_end(
    struct solo *solo, const struct count_value *value, const struct failure *failure)
{
    solo->flight = NULL;
    loop_timer_stop(solo->timer);
    ring_remove(&solo->link);
    ring_add(&solo->context->ended_solos, &solo->link);
    loop_timer_start(solo->context->reaper, 0);
    solo->events->done(solo->data, value, failure);
}

static void on_done(void *data, const struct count_value *value, const struct failure *failure)
{
    solo_end(data, value, failure);
}

static void on_deadline(void *data)
{
    struct solo *solo = data;
    struct failure failure;

    flight_late(solo->flight, &failure);
    flight_cancel(solo->flight);
    solo_end(solo, NULL, &failure);
}

struct solo *solo_start(struct count_context *context, const struct solo_options *options,
    const struct solo_events *events, void *data)
{
    static const struct flight_events flight_events = {.done = on_done};
    struct solo *solo = calloc(1, sizeof(*solo));
    int64_t patience = count_patience(options->timeout_ms);

    if (solo == NULL)
        return NULL;
    solo->patience = (struct flight_patience){
        .retry = {.until = saturating_add(loop_now(context->loop), patience)},
        .unattended_ms = INT64_MAX};
    solo->timer = loop_timer_create(context->loop, on_deadline, solo);
    if (solo->timer != NULL)
        solo->flight = flight_start(context, options->snapshot, options->query, options->identity,
            options->values, 0, NULL, &solo->patience, &flight_events, solo);
    if (solo->flight == NULL) {
        loop_timer_destroy(solo->timer);
        free(solo);
        return NULL;
    }
    solo->context = context;
    solo->snapshot = snapshot_ref(options->snapshot);
    solo->identity = options->identity;
    solo->events = events;
    solo->data = data;
    loop_timer_start(solo->timer, patience);
    ring_add(&context->solos, &solo->link);
    return solo;
}

void solo_cancel(struct solo *solo)
{
    flight_cancel(solo->flight);
    solo_free(solo);
}

void solos_reap(struct count_context *context)
{
    while (!ring_is_empty(&context->ended_solos))
        solo_free(RING_MEMBER(ring_pop(&context->ended_solos), struct solo, link));
}

void solos_end(struct count_context *context)
{
    struct failure failure;

    failure_set(&failure, ERROR_SHUTTING_DOWN, "the agent is shutting down");
    while (!ring_is_empty(&context->solos)) {
        struct solo *solo = RING_MEMBER(context->solos.next, struct solo, link);

        flight_cancel(solo->flight);
        solo_end(solo, NULL, &failure);
    }
    solos_reap(context);
}
