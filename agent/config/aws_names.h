/* SPDX-License-Identifier: Apache-2.0 */
/* What AWS accepts as names: tables, indexes, regions, ARNs. Pure. */
#ifndef TALLY_AGENT_CONFIG_AWS_NAMES_H
#define TALLY_AGENT_CONFIG_AWS_NAMES_H

#include <stdbool.h>
#include <stddef.h>

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

#endif
