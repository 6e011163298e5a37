/* A count that nobody shares and nothing remembers: one asker with a flight of its own and a
 * deadline, for `query`. */
#ifndef TALLY_AGENT_COUNT_SOLO_H
#define TALLY_AGENT_COUNT_SOLO_H

#include "agent/count/flight.h"

struct solo;

struct solo_events {
    /* The end, exactly once unless cancelled, never before solo_start returned: a value, or NULL
     * and a failure. The query and the values are no longer needed. */
    void (*done)(void *data, const struct count_value *value, const struct failure *failure);
};

struct solo_options {
    struct snapshot *snapshot; /* referenced until after `done` */
    const struct query *query; /* borrowed to the end */
    struct identity *identity; /* the reference goes over to the solo */
    const char *values;        /* replaces query->values; NULL: does not. Borrowed */
    int64_t timeout_ms;        /* in which the asker wants its answer */
};

/* NULL: no memory, and the identity is still the caller's. */
struct solo *solo_start(struct count_context *context, const struct solo_options *options,
    const struct solo_events *events, void *data);

/* Ends it without calling done. Not for use inside an event. */
void solo_cancel(struct solo *solo);

/* For the counter: frees those that have ended; ends all of them with SHUTTING_DOWN. */
void solos_reap(struct count_context *context);
void solos_end(struct count_context *context);

#endif
