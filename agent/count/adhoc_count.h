/* SPDX-License-Identifier: Apache-2.0 */
/* A count that is neither shared nor cached: one caller with its own flight and a deadline, for
 * `query`. */
#ifndef TALLY_AGENT_COUNT_ADHOC_COUNT_H
#define TALLY_AGENT_COUNT_ADHOC_COUNT_H

#include "agent/count/flight.h"

struct adhoc_count;

struct adhoc_count_events {
    /* The end, exactly once unless cancelled, never before adhoc_count_start returned: a value, or
     * NULL and a failure. The query and the values are no longer needed. */
    void (*done)(void *data, const struct count_value *value, const struct failure *failure);
};

struct adhoc_count_options {
    struct snapshot *snapshot; /* referenced until after `done` */
    const struct query *query; /* borrowed to the end */
    struct identity *identity; /* the count takes over the reference */
    const char *values;        /* replaces query->values; NULL: does not. Borrowed */
    int64_t timeout_ms;        /* within which the caller wants its answer */
};

/* NULL: out of memory, and the identity is still the caller's. */
struct adhoc_count *adhoc_count_start(struct count_context *context,
    const struct adhoc_count_options *options, const struct adhoc_count_events *events, void *data);

/* Ends it without calling done. Not for use inside an event. */
void adhoc_count_cancel(struct adhoc_count *adhoc);

/* For the counter: frees the ended ad-hoc counts; ends all of them with SHUTTING_DOWN. */
void adhoc_counts_reap(struct count_context *context);
void adhoc_counts_end(struct count_context *context);

#endif
