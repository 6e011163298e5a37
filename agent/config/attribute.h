/* One DynamoDB AttributeValue in JSON: exactly one type, its value in AWS's form. */
#ifndef TALLY_AGENT_CONFIG_ATTRIBUTE_H
#define TALLY_AGENT_CONFIG_ATTRIBUTE_H

#include "agent/config/parameters.h"

struct json_t;

/* Where in expressionAttributeValues a value is: each step names the one above it. */
struct attribute_path {
    const struct parameters *parameters;
    const struct attribute_path *parent;
    const char *type; /* of the parent that holds it: "L" or "M"; NULL at the top */
    const char *key;  /* NULL: `index` counts */
    size_t index;
    unsigned depth;
};

/* False where the shape is wrong, with an error among the findings. Sets *uses_now where an N
 * is "$now" or "$now-60"; makes {"NULL": false} true. `value` is a json_t. */
bool attribute_check(const struct attribute_path *path, struct json_t *value, bool *uses_now);

#endif
