/* What is asked of a question, and what is told: to those who wait, and to those who watch. */
#ifndef TALLY_AGENT_COUNT_ANSWER_H
#define TALLY_AGENT_COUNT_ANSWER_H

#include "agent/config/trigger.h"
#include "agent/count/cache.h"
#include "agent/deadlines.h"
#include "agent/ring.h"
#include "proto/buffer.h"

struct question;
struct page_log;

enum count_quality { QUALITY_EXACT, QUALITY_AT_LEAST, QUALITY_STALE };
const char *count_quality_name(enum count_quality quality); /* as the protocol says it */

/* Room of the question's where an asker may keep the answer as it packed it. */
struct packed_answer {
    struct buffer bytes; /* emptied whenever anything but the age becomes another */
    size_t age_at;       /* where in them the age stands */
};

/* All borrowed for the callback. */
struct count_answer {
    const struct trigger *trigger;
    const struct count_value *value; /* NULL: there is none to tell, `failure` says why */
    enum count_quality quality;
    int64_t age_ms;
    const struct failure *failure; /* with a value: what keeps it from being fresher, or NULL */
    bool fallback;                 /* more failures in a row than the trigger's threshold */
    struct packed_answer *packed;  /* of this answer; NULL: it is not to be kept */
    const struct page_log *pages;  /* of this value; NULL: they are not known any more */
};

typedef void count_done_fn(void *data, const struct count_answer *answer);

#define COUNT_AGE_DEFAULT (-1)

/* Owned by the asker, and not touched by it until done was called or it has left. */
struct count_request {
    int64_t max_age_ms; /* COUNT_AGE_DEFAULT: the trigger's pollingInterval */
    int64_t timeout_ms; /* in which the asker wants its answer */
    count_done_fn *done;
    void *data;

    struct ring link; /* the question's own from here on */
    struct question *question;
    struct deadline deadline;
};

/* A watcher keeps the count fresh, and hears of each flight's end. Its callbacks may not ask
 * anything of the question. */
struct count_watch {
    int64_t max_age_ms; /* counted anew when it gets this old; COUNT_AGE_DEFAULT: pollingInterval */
    count_done_fn *changed;
    void (*gone)(
        void *data); /* the configuration has another query now, or none: the watch is over */
    void *data;
    struct ring link; /* the question's own; ring_init before the first use */
    struct question *question;
};

/* After how long someone who wants the answer within timeout_ms is given one: early enough for
 * the way back. */
int64_t count_patience(int64_t timeout_ms);

#endif
