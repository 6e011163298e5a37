/* SPDX-License-Identifier: Apache-2.0 */
/* What KEDA, Kubernetes or AWS would refuse or ignore, although tally can use it. */
#ifndef TALLY_AGENT_CONFIG_LINT_H
#define TALLY_AGENT_CONFIG_LINT_H

#include "agent/config/auth.h"
#include "agent/config/expressions.h"
#include "agent/config/parser.h"

#include <stdbool.h>
#include <stddef.h>

/* A name that DynamoDB's rule allows, or the ARN of a table. */
bool table_is_valid(const char *table);

/* Fields of the object that are unknown or that tally does not use, and how KEDA handles the
 * others. */
void lint_object(const struct scaled_object *object);

/* Reports a TriggerAuthentication once, however many triggers refer to it. NULL is allowed. */
void lint_auth(struct auth *auth);

/* Placeholders that the expressions use but that are not defined, and vice versa. */
void lint_expressions(const struct parameters *parameters, const struct query *query,
    const struct values *names, const struct values *values);

/* Fields of the trigger, and the combination of its parameters. */
void lint_trigger(const struct parameters *parameters, const struct trigger *trigger);

/* `mark` ("#" or ":") and at least one letter, digit or "_". */
bool lint_is_placeholder(const char *text, char mark);

#endif
