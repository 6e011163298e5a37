/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a ScaledObject, ScaledJob or bare list of triggers that its triggers share. */
#ifndef TALLY_AGENT_CONFIG_SCALED_OBJECT_H
#define TALLY_AGENT_CONFIG_SCALED_OBJECT_H

#include "agent/config/parser.h"

struct scaled_object {
    struct parser *parser;
    const struct tree *tree;
    const struct node *spec;
    enum trigger_owner owner;
    const char *namespace_, *name, *file; /* kept */
    int64_t polling_ms;
    bool has_modifiers; /* advanced.scalingModifiers: KEDA scales by a formula of its metrics */
    struct trigger_scaling scaling; /* all but metric type, target and activation */
    size_t dynamodb_count;          /* its aws-dynamodb triggers */
};

/* Reads all but the triggers. Returns their list (of any types), NULL if none is for tally;
 * problems are added to the findings. */
const struct node *scaled_object_read(
    struct scaled_object *object, struct parser *parser, const struct document *document);

/* Whether an item of that list is an aws-dynamodb trigger. */
bool scaled_object_is_dynamodb(const struct node *trigger);

#endif
