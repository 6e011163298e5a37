/* SPDX-License-Identifier: Apache-2.0 */
/* Picks the row of the table "whose identity" that a trigger's YAML selects. */
#ifndef TALLY_AGENT_CONFIG_IDENTITY_CHOICE_H
#define TALLY_AGENT_CONFIG_IDENTITY_CHOICE_H

#include "agent/config/auth.h"
#include "agent/config/parser.h"

/* Whether the metadata's identityOwner is "operator"; reports an invalid value. */
bool identity_owner_is_operator(const struct parameters *parameters);

/* `auth`: NULL if the trigger has no authenticationRef. The shared spec; NULL if out of memory. An
 * identity that cannot give credentials adds an error to the findings. */
const struct identity_spec *identity_choose(
    const struct parameters *parameters, struct auth *auth, const char *region);

#endif
