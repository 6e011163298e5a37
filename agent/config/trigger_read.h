/* SPDX-License-Identifier: Apache-2.0 */
/* Turns one `aws-dynamodb` entry of a `triggers` list into a struct trigger. */
#ifndef TALLY_AGENT_CONFIG_TRIGGER_READ_H
#define TALLY_AGENT_CONFIG_TRIGGER_READ_H

#include "agent/config/scaled_object.h"

/* Adds the trigger to the parser even if it is invalid: problems are added to the findings. */
void trigger_read(const struct scaled_object *object, unsigned index, const struct node *node);

#endif
