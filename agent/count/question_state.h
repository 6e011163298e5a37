/* What a question consists of, for question.c, which asks, and question_watch.c, which keeps it
 * fresh. */
#ifndef TALLY_AGENT_COUNT_QUESTION_STATE_H
#define TALLY_AGENT_COUNT_QUESTION_STATE_H

#include "agent/count/question.h"
#include "agent/count/waiters.h"
#include "agent/count/watchers.h"
#include "agent/log.h"

struct question {
    struct count_context *context;
    struct snapshot *snapshot;
    const struct trigger *trigger;
    struct identity *identity;
    char *values;
    struct cache cache;
    struct packed_answer packed; /* of the fresh answer */
    struct page_log pages;       /* of the value, as long as it may be told to who asks anew */
    struct flight *flight;       /* NULL: none */
    struct flight_patience patience;
    struct waiters waiters;
    struct watchers watchers;
    struct loop_timer *refresh; /* of a warm or watched question */
    struct outage outage;       /* of its flights, for the log */
    bool abandoned;
};

/* For back-offs and deadlines, and for the age of the value. */
int64_t question_now(const struct question *question);
int64_t question_age_now(const struct question *question);

/* Answers: the value as it is; the value marked stale where it is young enough, else the
 * failure, which is borrowed. */
struct count_answer question_fresh(const struct question *question);
struct count_answer question_failed(const struct question *question, const struct failure *failure);

/* After those who wait or watch have become others: how long a flight is to go on. */
void question_set_patience(struct question *question);

/* None may be under way. Takes off now, or when the back-off after a failure is over. */
void question_start_flight(struct question *question);

/* Whether it is counted without anybody asking. */
bool question_is_kept_fresh(const struct question *question);

/* Sets the timer for the next refresh, where it is to be kept fresh. 0 or -ENOMEM. */
int question_schedule_refresh(struct question *question);

/* Tells the watchers what the latest flight found; failure NULL: a value. */
void question_tell(struct question *question, const struct failure *failure);

#endif
