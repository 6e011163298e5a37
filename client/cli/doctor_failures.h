/* SPDX-License-Identifier: Apache-2.0 */
/* The errors in the answers to tally doctor, each with the step to which it belongs. */
#ifndef TALLY_CLIENT_CLI_DOCTOR_FAILURES_H
#define TALLY_CLIENT_CLI_DOCTOR_FAILURES_H

#include "client/cli/doctor_answers.h"
#include "client/cli/doctor_report.h"

enum { DOCTOR_FAILURES_MAX = 3 * DOCTOR_COUNTS_MAX };

struct doctor_failure {
    const char *step; /* static */
    enum doctor_state state;
    const struct json *error; /* an error map; borrowed from the answers */
};

/* Begins empty: {0}. */
struct doctor_failures {
    struct doctor_failure list[DOCTOR_FAILURES_MAX];
    size_t size;
};

/* Those of the counts, and of the identities. */
void doctor_failures_collect(
    struct doctor_failures *failures, const struct doctor_answers *answers);

/* The worst at this step, the first of its state; NULL: none. Borrowed. */
const struct doctor_failure *doctor_failures_worst(
    const struct doctor_failures *failures, const char *step);

/* The step at which this error occurred; "" for NULL. Static. A deadline that passed says nothing
 * by itself: then it is the service that the agent still waits for. */
const char *doctor_failures_step_of(const struct doctor_answers *answers, const struct json *error);

#endif
