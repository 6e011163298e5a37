/* One thing that can be asked: a trigger, with the values that a client supplied for it. It
 * remembers the last count, and joins everyone who asks at once into one flight.
 *
 * The flight outlives those who wait for it while pages keep arriving, because its result fills
 * the cache; without anyone waiting it ends when a page fails. */
#ifndef TALLY_AGENT_COUNT_QUESTION_H
#define TALLY_AGENT_COUNT_QUESTION_H

#include "agent/count/answer.h"
#include "agent/count/flight.h"

/* The identity reference goes over to the question; the snapshot holds the trigger and gets a
 * reference of its own. values: ExpressionAttributeValues as JSON, copied; NULL: the trigger's.
 * NULL: no memory, and the identity is still the caller's. */
struct question *question_create(struct count_context *context, struct snapshot *snapshot,
    const struct trigger *trigger, struct identity *identity, const char *values);

/* Everyone who waits is answered SHUTTING_DOWN first. NULL is allowed. */
void question_destroy(struct question *question);

/* The answer, where the cache has one that is young enough: then nobody needs to wait. */
bool question_answer(struct question *question, int64_t max_age_ms, struct count_answer *answer);

/* Always calls request->done exactly once, perhaps before it returns, unless the asker leaves. */
void question_ask(struct question *question, struct count_request *request);
void question_leave(struct count_request *request); /* allowed when it was answered */

/* The trigger of a new configuration takes the old one's place: same query, same identity, so
 * the cache and those who wait stay. A flight under way ends with the old configuration. */
void question_adopt(
    struct question *question, struct snapshot *snapshot, const struct trigger *trigger);

/* Gone from the configuration: those who wait get their answer; when nobody waits (any more), its
 * flight ends and it is idle for good. Its watchers stay until they are dismissed. */
void question_abandon(struct question *question);
bool question_is_idle(const struct question *question); /* no flight: it may be destroyed */

bool question_is_wanted(const struct question *question); /* somebody waits for it, or watches */

/* What is known, without asking anything of AWS. */
void question_peek(const struct question *question, struct count_answer *answer);

const struct trigger *question_trigger(const struct question *question);
const char *question_values(const struct question *question); /* NULL: the trigger's own */
struct identity *question_identity(const struct question *question);

/* Keeps the count fresh and tells of every flight's end. 0, or -ENOMEM: then it does not watch. */
int question_watch(struct question *question, struct count_watch *watch);
void question_unwatch(struct count_watch *watch); /* allowed when it does not watch */

/* What a watcher can be told now. False: nothing yet, a flight is about to find out. */
bool question_known(
    const struct question *question, const struct count_watch *watch, struct count_answer *answer);
void question_tell_watchers(struct question *question); /* that, to each of them */

/* Tells all watchers that they are over, as the question is. */
void question_dismiss_watchers(struct question *question);

#endif
