/* SPDX-License-Identifier: Apache-2.0 */
/* One `aws-dynamodb` entry of a `triggers` list becomes a struct trigger. */
#ifndef TALLY_AGENT_CONFIG_TRIGGER_READ_H
#define TALLY_AGENT_CONFIG_TRIGGER_READ_H

#include "agent/config/scaled_object.h"

/* Adds it to the reading, whatever is wrong with it: that is among the findings. */
void trigger_read(const struct scaled_object *object, unsigned index, const struct node *node);

#endif
