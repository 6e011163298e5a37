/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's answers to tally doctor: those of the methods, and a count of one item with each
 * identity and table, all within the command's deadline; and the errors in them, each with the step
 * to which it belongs. */
#ifndef TALLY_CLIENT_CLI_DOCTOR_ANSWERS_H
#define TALLY_CLIENT_CLI_DOCTOR_ANSWERS_H

#include "client/cli/cli.h"
#include "client/cli/doctor_report.h"

enum { DOCTOR_COUNTS_MAX = 32, DOCTOR_FAILURES_MAX = 3 * DOCTOR_COUNTS_MAX };

/* One count that is made. */
struct doctor_count {
    struct doctor_answers *answers;
    const char *trigger; /* borrowed from an answer, or from the command line */
    const char *identity, *table, *index, *region; /* likewise */
    struct json *answer;                           /* its result, or its error */
    int error;                                     /* 0, or a negative enum tally_error */
};

struct doctor_failure {
    const char *step; /* static */
    enum doctor_state state;
    const struct json *error; /* an error map; borrowed from the answers */
};

/* Each answer is a result or an error map, or NULL before its request was sent. Begins as {.cli};
 * doctor_answers_free frees the answers. It must not move while requests are pending. */
struct doctor_answers {
    struct cli *cli; /* borrowed; open, with its deadline */
    struct json *hello, *list, *diagnosis, *whoami, *status;
    struct doctor_count counts[DOCTOR_COUNTS_MAX];
    size_t count_size;
    size_t pending; /* counts that are not answered yet */
    struct doctor_failure failures[DOCTOR_FAILURES_MAX];
    size_t failure_size;
};

/* 0 or the negative enum tally_error of the call. */
int doctor_answers_ask_hello(struct doctor_answers *answers);

/* All the others, and collects the failures. An error of `list`, of the connection for the counts
 * or of `status` ends it; TALLY_EARGUMENT: an invalid --value, which was reported. */
int doctor_answers_ask_rest(struct doctor_answers *answers);

void doctor_answers_free(struct doctor_answers *answers);

/* The trigger's entry in the answer to `list`, by its full name or the end of it; NULL where there
 * is none, or several. */
const struct json *doctor_answers_trigger(const struct doctor_answers *answers, const char *name);

/* Whether this trigger, by its full name, is one of the counts. */
bool doctor_answers_has_count(const struct doctor_answers *answers, const char *trigger);

/* The worst failure of a count or of an identity at this step, the first of its state; NULL: none.
 * Borrowed. */
const struct doctor_failure *doctor_answers_worst(
    const struct doctor_answers *answers, const char *step);

/* The step at which this error occurred; "" for NULL. Static. A deadline that passed says nothing
 * by itself: then it is the service whose reply the agent has not received. */
const char *doctor_answers_step_of(const struct doctor_answers *answers, const struct json *error);

#endif
