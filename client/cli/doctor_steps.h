/* SPDX-License-Identifier: Apache-2.0 */
/* The steps from the socket to the table: each is judged by the agent's answers, and reported. */
#ifndef TALLY_CLIENT_CLI_DOCTOR_STEPS_H
#define TALLY_CLIENT_CLI_DOCTOR_STEPS_H

#include "client/cli/doctor_answers.h"
#include "client/cli/doctor_failures.h"
#include "client/cli/doctor_report.h"

struct doctor {
    struct doctor_answers answers;
    struct doctor_failures failures; /* filled by doctor_check_all */
    struct doctor_report report;
};

/* By the outcome of `hello`: 0 or a negative enum tally_error. doctor_check_hello returns whether
 * an agent answered, which can be asked for the rest. */
void doctor_check_socket(struct doctor *doctor, int hello);
bool doctor_check_hello(struct doctor *doctor, int hello);

/* All others, with all answers. */
void doctor_check_all(struct doctor *doctor);

/* Instead of them: the agent stopped answering, with this negative enum tally_error. */
void doctor_check_silence(struct doctor *doctor, int error);

#endif
