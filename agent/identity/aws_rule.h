/* The rule of podIdentity `aws` for a role: by web identity; only where STS refuses that, by
 * AssumeRole. Decided anew at each fetch: a fault that may pass is no refusal. */
#ifndef TALLY_AGENT_IDENTITY_AWS_RULE_H
#define TALLY_AGENT_IDENTITY_AWS_RULE_H

#include "agent/identity/provider.h"

/* Takes over both, also where one is NULL (no memory): then the result is NULL. */
struct provider *aws_rule_create(struct provider *web_identity, struct provider *assume_role);

#endif
