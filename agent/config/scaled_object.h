/* SPDX-License-Identifier: Apache-2.0 */
/* A ScaledObject, ScaledJob or bare list of triggers: what its triggers share, and each of its
 * `aws-dynamodb` triggers. */
#ifndef TALLY_AGENT_CONFIG_SCALED_OBJECT_H
#define TALLY_AGENT_CONFIG_SCALED_OBJECT_H

#include "agent/config/parser.h"

/* Adds its triggers to the parser, also invalid ones: problems are added to the findings. */
void scaled_object_read(struct parser *parser, const struct document *document);

#endif
