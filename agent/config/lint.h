/* What KEDA or DynamoDB would say of a trigger that tally can use. */
#ifndef TALLY_AGENT_CONFIG_LINT_H
#define TALLY_AGENT_CONFIG_LINT_H

#include "agent/config/parameters.h"
#include "agent/config/values.h"

/* Placeholders that the expressions use but nobody defines, and the other way round. */
void lint_expressions(const struct parameters *parameters, const struct trigger_query *query,
    const struct values *names, const struct values *values);

/* Fields of the trigger, and what its parameters mean together. */
void lint_trigger(const struct parameters *parameters, const struct trigger *trigger);

/* `mark` ("#" or ":") and at least one letter, digit or "_". */
bool lint_is_placeholder(const char *text, char mark);

#endif
