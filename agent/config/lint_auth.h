/* What KEDA or AWS would say of a TriggerAuthentication that tally can use. */
#ifndef TALLY_AGENT_CONFIG_LINT_AUTH_H
#define TALLY_AGENT_CONFIG_LINT_AUTH_H

#include "agent/config/auth.h"

/* Once for each, however many triggers refer to it. NULL is allowed. */
void lint_auth(struct reading *reading, struct auth *auth);

#endif
