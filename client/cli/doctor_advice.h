/* SPDX-License-Identifier: Apache-2.0 */
/* The knowledge of tally doctor, pure: to which step a failure belongs, and what to do about it. */
#ifndef TALLY_CLIENT_CLI_DOCTOR_ADVICE_H
#define TALLY_CLIENT_CLI_DOCTOR_ADVICE_H

/* The step for an error with this stage ("": not given) and name. Static. */
const char *doctor_place(const char *stage, const char *name);

/* What to do about an error with this name, message and code of AWS at this step; "": no advice.
 * Static. */
const char *doctor_advise(
    const char *step, const char *name, const char *aws_code, const char *message);

#endif
