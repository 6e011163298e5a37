/* SPDX-License-Identifier: Apache-2.0 */
/* Turns a failure into text that users may and should read. */
#ifndef TALLY_AGENT_CREDENTIALS_ADVICE_H
#define TALLY_AGENT_CREDENTIALS_ADVICE_H

#include "proto/errors.h"

#include <stdbool.h>

/* Makes *failure a CREDENTIALS of the agent's own settings: only a change of the settings helps, so
 * a retry does not, and the client gets it at once. */
void failure_set_settings(struct failure *failure, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Appends the advice to the message, which is shortened if both do not fit: AWS's messages are
 * long, and the advice must not be cut off. The rest of the failure is unchanged. */
void failure_explain(struct failure *failure, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What to do about a refusal of STS or of the agent of EKS Pod Identity, as far as its code and
 * message alone show; NULL: unknown, and a wrong hint is worse than none. Static. */
const char *failure_advice(const struct failure *failure);

/* Whether the message says that the request is denied because no policy allows it: then a policy
 * that allows it helps, which it does not against an explicit deny. */
bool failure_lacks_permission(const struct failure *failure);

/* Takes every JWT out of the message: AWS quotes what it rejects. */
void failure_hide_tokens(struct failure *failure);

#endif
