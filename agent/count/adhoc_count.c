/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/count/adhoc_count.h"

#include "agent/count/trigger_state.h"
#include "proto/saturating.h"

#include <stdlib.h>

struct adhoc_count {
    struct count_context *context;
    struct ring
        link; /* count_context::adhoc_counts, at the end count_context::ended_adhoc_counts */
    struct flight *flight;
    struct loop_timer *timer;
    struct snapshot *snapshot;
    struct identity *identity;
    const struct adhoc_count_events *events;
    void *data;
};

static void adhoc_count_free(struct adhoc_count *adhoc)
{
    ring_remove(&adhoc->link);
    loop_timer_destroy(adhoc->timer);
    identity_release(adhoc->identity);
    snapshot_unref(adhoc->snapshot);
    free(adhoc);
}

/* Its references are released later: the identity may be the caller. */
static void adhoc_count_end(
    struct adhoc_count *adhoc, const struct count_value *value, const struct failure *failure)
{
    adhoc->flight = NULL;
    loop_timer_stop(adhoc->timer);
    ring_remove(&adhoc->link);
    ring_add(&adhoc->context->ended_adhoc_counts, &adhoc->link);
    loop_timer_start(adhoc->context->reaper, 0);
    adhoc->events->done(adhoc->data, value, failure);
}

static void on_done(void *data, const struct count_value *value, const struct failure *failure)
{
    adhoc_count_end(data, failure == NULL ? value : NULL, failure);
}

static void on_deadline(void *data)
{
    struct adhoc_count *adhoc = data;
    struct failure failure;

    flight_why_late(adhoc->flight, &failure);
    flight_cancel(adhoc->flight);
    adhoc_count_end(adhoc, NULL, &failure);
}

struct adhoc_count *adhoc_count_start(struct count_context *context,
    const struct adhoc_count_options *options, const struct adhoc_count_events *events, void *data)
{
    static const struct flight_events flight_events = {.done = on_done};
    struct adhoc_count *adhoc = calloc(1, sizeof(*adhoc));
    int64_t wait_ms = count_wait_ms(options->timeout_ms);

    if (adhoc == NULL)
        return NULL;
    adhoc->timer = loop_timer_create(context->loop, on_deadline, adhoc);
    if (adhoc->timer != NULL)
        adhoc->flight = flight_start(context,
            &(struct flight_options){.snapshot = options->snapshot,
                .query = options->query,
                .identity = options->identity,
                .values = options->values,
                .patience = {.retry = {.until = saturating_add(loop_now(context->loop), wait_ms)},
                    .unattended_ms = INT64_MAX}},
            &flight_events, adhoc);
    if (adhoc->flight == NULL) {
        loop_timer_destroy(adhoc->timer);
        free(adhoc);
        return NULL;
    }
    adhoc->context = context;
    adhoc->snapshot = snapshot_ref(options->snapshot);
    adhoc->identity = options->identity;
    adhoc->events = events;
    adhoc->data = data;
    loop_timer_start(adhoc->timer, wait_ms);
    ring_add(&context->adhoc_counts, &adhoc->link);
    return adhoc;
}

void adhoc_count_cancel(struct adhoc_count *adhoc)
{
    flight_cancel(adhoc->flight);
    adhoc_count_free(adhoc);
}

void adhoc_counts_reap(struct count_context *context)
{
    while (!ring_is_empty(&context->ended_adhoc_counts))
        adhoc_count_free(
            RING_MEMBER(ring_pop(&context->ended_adhoc_counts), struct adhoc_count, link));
}

void adhoc_counts_end(struct count_context *context)
{
    struct failure failure;

    failure_set(&failure, ERROR_SHUTTING_DOWN, "the agent is shutting down");
    while (!ring_is_empty(&context->adhoc_counts)) {
        struct adhoc_count *adhoc = RING_MEMBER(
            context->adhoc_counts.next, struct adhoc_count, link);

        flight_cancel(adhoc->flight);
        adhoc_count_end(adhoc, NULL, &failure);
    }
    adhoc_counts_reap(context);
}
