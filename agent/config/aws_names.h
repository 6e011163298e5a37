/* SPDX-License-Identifier: Apache-2.0 */
/* What AWS accepts as names: tables, indexes, regions, ARNs. Pure. */
#ifndef TALLY_AGENT_CONFIG_AWS_NAMES_H
#define TALLY_AGENT_CONFIG_AWS_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* A part of a text that is somebody else's; len 0: none. */
struct text_part {
    const char *start;
    size_t len;
};

/* DynamoDB's rule for the names of tables and indexes. */
bool dynamodb_name_is_valid(const char *name);

/* Such a name, or the ARN of a table. */
bool table_is_valid(const char *table);

/* The region in an ARN; none where the text is no ARN. */
struct text_part arn_region(const char *arn);

/* Whether it is the ARN of a role of IAM. */
bool role_arn_is_valid(const char *arn);

/* The region that an availability or local zone (eu-west-1a, us-west-2-lax-1a) is in; none where
 * the text is no zone. */
struct text_part zone_region(const char *zone);

/* In which texts placeholders of templates are looked for. */
enum unrendered_where {
    UNRENDERED_ANY,        /* any of ${a} {{a}} $(a) $a <a> %a% #{a} */
    UNRENDERED_EXPRESSION, /* < and > are operators, # begins a name: ${a} {{a}} $(a) */
    UNRENDERED_WHOLE,      /* the whole text is one of UNRENDERED_ANY */
};

/* The first placeholder of a template in the text: it was not rendered. */
struct text_part unrendered_part(const char *text, enum unrendered_where where);

#endif
