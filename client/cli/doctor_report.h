/* SPDX-License-Identifier: Apache-2.0 */
/* What tally doctor found: an entry for each step, with its state and what to do, as text or as
 * JSON; and the exit code, which is that of the worst. */
#ifndef TALLY_CLIENT_CLI_DOCTOR_REPORT_H
#define TALLY_CLIENT_CLI_DOCTOR_REPORT_H

#include "client/cli/cli.h"

#include <stddef.h>

/* From good to bad. */
enum doctor_state { DOCTOR_SKIPPED, DOCTOR_OK, DOCTOR_WARNING, DOCTOR_PROBLEM };

enum { DOCTOR_TEXT_SIZE = 1024 };

/* Begins as {json_new_list(), EXIT_OK}; the owner frees `entries`. */
struct doctor_report {
    struct json *entries;
    int code; /* an enum cli_exit */
};

/* Adds what was found at this step. `advice`, or NULL for that of the step, is shown with a warning
 * or a problem only. */
void doctor_report_add(struct doctor_report *report, const char *step, enum doctor_state state,
    const char *advice, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Adds an error map, with the advice for it. `subject`: what it is about, "" for nothing. */
void doctor_report_add_error(struct doctor_report *report, const char *step,
    enum doctor_state state, const char *subject, const struct json *error);

/* Raises the exit code to this one. A problem raises it to EXIT_ERROR by itself. */
void doctor_report_worsen(struct doctor_report *report, int code);

/* On stdout. */
void doctor_report_print(const struct doctor_report *report, enum cli_output output);

#endif
