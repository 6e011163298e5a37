/* SPDX-License-Identifier: Apache-2.0 */
/* tally doctor: every step from the socket to the table, what is found there, and what to do. It
 * works from what the agent answers; a failed call shows by its `stage` at which step it failed. */
#include "client/cli/doctor_steps.h"

enum { DOCTOR_MS = 10000 }; /* --timeout: enough to know that a service cannot be reached */

/* EXIT_OK: the report says how it went. */
static int doctor_examine(struct doctor *doctor)
{
    int r = doctor_answers_ask_hello(&doctor->answers);

    doctor_check_socket(doctor, r);
    if (!doctor_check_hello(doctor, r))
        return EXIT_OK;
    r = doctor_answers_ask_rest(&doctor->answers);
    if (r == TALLY_EARGUMENT)
        return EXIT_USAGE;
    if (r < 0)
        doctor_check_silence(doctor, r);
    else
        doctor_check_all(doctor);
    return EXIT_OK;
}

int run_doctor(struct cli *cli)
{
    struct doctor doctor = {.answers.cli = cli};
    int64_t timeout = cli_number(cli, OPTION_TIMEOUT, DOCTOR_MS);

    if (cli_given(cli, OPTION_VALUE) && cli_operand(cli, 0) == NULL)
        return cli_usage("--value is for one trigger: tally doctor TRIGGER --value :k=VALUE");
    int code = cli_open_within(cli, timeout);
    if (code != EXIT_OK)
        return code;
    doctor.answers.deadline = cli_clock_ms() + timeout;
    doctor.report.entries = json_new_list();
    code = doctor_examine(&doctor);
    if (code == EXIT_OK) {
        doctor_report_print(&doctor.report, cli->output);
        code = doctor.report.code;
    }
    doctor_answers_free(&doctor.answers);
    json_free(doctor.report.entries);
    return code;
}
