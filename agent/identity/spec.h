/* Copies and compares identity_specs, since identities outlive the configuration that asked
 * for them. */
#ifndef TALLY_AGENT_IDENTITY_SPEC_H
#define TALLY_AGENT_IDENTITY_SPEC_H

#include "agent/config/identity_spec.h"

/* 0 or -ENOMEM; then nothing is to be cleared. */
int spec_copy(struct identity_spec *copy, const struct identity_spec *spec);
void spec_clear(struct identity_spec *spec); /* of a copy; wipes: keys may be in it */

/* Whether both lead to the same credentials: all but what is only told to people. */
bool spec_equal(const struct identity_spec *a, const struct identity_spec *b);

#endif
