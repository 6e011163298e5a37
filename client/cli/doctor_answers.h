/* SPDX-License-Identifier: Apache-2.0 */
/* What tally doctor asks the agent, and its answers: those of the methods, and a count of one item
 * with each identity and table, all within one deadline. */
#ifndef TALLY_CLIENT_CLI_DOCTOR_ANSWERS_H
#define TALLY_CLIENT_CLI_DOCTOR_ANSWERS_H

#include "client/cli/cli.h"

enum { DOCTOR_COUNTS_MAX = 32 };

/* One count that is made. */
struct doctor_count {
    struct doctor_answers *answers;
    const char *trigger; /* borrowed from an answer, or from the command line */
    const char *identity, *table, *index, *region; /* likewise */
    struct json *answer;                           /* its result, or its error */
    int error;                                     /* 0, or a negative enum tally_error */
};

/* Each answer is a result or an error map, or NULL as long as it was not asked for. Begins as
 * {.cli, .deadline}; doctor_answers_free frees the answers. It must not move while it is asked. */
struct doctor_answers {
    struct cli *cli;  /* borrowed; open */
    int64_t deadline; /* by cli_clock_ms */
    struct json *hello, *list, *diagnosis, *whoami, *status;
    struct doctor_count counts[DOCTOR_COUNTS_MAX];
    size_t count_size;
    size_t waiting; /* counts that are not answered yet */
};

/* 0 or the negative enum tally_error of the call. */
int doctor_answers_ask_hello(struct doctor_answers *answers);

/* All the others. A failure of `list`, of the connection for the counts or of `status` ends it;
 * TALLY_EARGUMENT: an invalid --value, which was reported. */
int doctor_answers_ask_rest(struct doctor_answers *answers);

void doctor_answers_free(struct doctor_answers *answers);

/* A number in the answer to `status`; 0 where it is not there. */
int64_t doctor_answers_number(const struct doctor_answers *answers, const char *path);

/* The trigger's entry in the answer to `list`, by its full name or the end of it; NULL where there
 * is none, or several. */
const struct json *doctor_answers_trigger(const struct doctor_answers *answers, const char *name);

/* Whether this trigger, by its full name, is one of the counts. */
bool doctor_answers_has_count(const struct doctor_answers *answers, const char *trigger);

#endif
