/* Makes of a failure what people may and should read. */
#ifndef TALLY_AGENT_IDENTITY_EXPLAIN_H
#define TALLY_AGENT_IDENTITY_EXPLAIN_H

#include "proto/failure.h"

/* Appends the advice to the message, which is shortened where both do not fit: AWS's sentences are
 * long, and the advice must not be what is cut off. All else of the failure stays. */
void failure_explain(struct failure *failure, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Takes every JWT out of the message: AWS quotes what it rejects. */
void failure_hide_tokens(struct failure *failure);

#endif
