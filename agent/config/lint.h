/* SPDX-License-Identifier: Apache-2.0 */
/* What KEDA and AWS report for an object that tally can use: its fields, names, annotations,
 * bounds. */
#ifndef TALLY_AGENT_CONFIG_LINT_H
#define TALLY_AGENT_CONFIG_LINT_H

#include "agent/config/auth.h"
#include "agent/config/expressions.h"
#include "agent/config/parser.h"
#include "agent/config/scaled_object.h"

#include <stdbool.h>
#include <stddef.h>

/* ---- aws names ---- */

/* What AWS accepts as names: tables, indexes, regions, ARNs. Pure. */

/* A part of a text that the caller owns; len 0: absent. */
struct text_part {
    const char *start;
    size_t len;
};

/* DynamoDB's rule for the names of tables and indexes. */
bool dynamodb_name_is_valid(const char *name);

/* Such a name, or the ARN of a table. */
bool table_is_valid(const char *table);

/* The region in an ARN; absent if the text is not an ARN. */
struct text_part arn_region(const char *arn);

/* Whether it is the ARN of an IAM role. */
bool role_arn_is_valid(const char *arn);

/* The region that an availability or local zone (eu-west-1a, us-west-2-lax-1a) is in; absent if the
 * text is not a zone. */
struct text_part zone_region(const char *zone);

/* The kinds of text that are searched for template placeholders. */
enum unrendered_where {
    UNRENDERED_ANY,        /* any of ${a} {{a}} $(a) $a <a> %a% #{a} */
    UNRENDERED_EXPRESSION, /* < and > are operators, # begins a name: ${a} {{a}} $(a) */
    UNRENDERED_WHOLE,      /* the whole text is one of UNRENDERED_ANY */
};

/* The first template placeholder in the text: the template was not rendered. */
struct text_part unrendered_part(const char *text, enum unrendered_where where);

/* ---- lint ---- */

/* Fields of the object that are unknown or that tally does not use, and how KEDA handles the
 * others. */
void lint_object(const struct scaled_object *object);

/* What KEDA or AWS reports for a TriggerAuthentication that tally can use. */

/* Called once for each, however many triggers refer to it. NULL is allowed. */
void lint_auth(struct parser *parser, struct auth *auth);

/* What KEDA or DynamoDB reports for a trigger that tally can use. */

/* Placeholders that the expressions use but that are not defined, and vice versa. */
void lint_expressions(const struct parameters *parameters, const struct query *query,
    const struct values *names, const struct values *values);

/* Fields of the trigger, and the combination of its parameters. */
void lint_trigger(const struct parameters *parameters, const struct trigger *trigger);

/* `mark` ("#" or ":") and at least one letter, digit or "_". */
bool lint_is_placeholder(const char *text, char mark);

#endif
