/* SPDX-License-Identifier: Apache-2.0 */
/* One DynamoDB AttributeValue in JSON: exactly one type, its value in AWS's form. Pure: errors are
 * reported to the caller's callback, which knows where the value came from. */
#ifndef TALLY_AGENT_CONFIG_EXPRESSIONS_H
#define TALLY_AGENT_CONFIG_EXPRESSIONS_H

#include "agent/config/parser.h"

#include <stdbool.h>

struct json_t;

#define ATTRIBUTE_DEPTH_MAX 32 /* DynamoDB's own limit */

enum attribute_flaw {
    ATTRIBUTE_WRONG,   /* not an AttributeValue: it cannot be sent */
    ATTRIBUTE_REFUSED, /* it can be sent, but DynamoDB will refuse it */
    ATTRIBUTE_ODD,     /* DynamoDB accepts it, but it is worth a note */
};

struct attribute_check {
    const char *root; /* the field with the value, for messages: "expressionAttributeValues" */
    bool allow_now;   /* an N may be "$now" or "$now-60" */
    /* `where`: `root[":key"].M["a"].N`; keda: what KEDA does about it, or "". */
    void (*report)(void *data, enum attribute_flaw flaw, const char *where, const char *what,
        const char *keda);
    void *data;
    bool uses_now; /* result: an N is "$now" or similar */
    bool failed;   /* no memory */
};

/* Checks the value of a key of the root; makes {"NULL": false} true. False: ATTRIBUTE_WRONG was
 * reported. `value` is a json_t. */
bool attribute_check(struct attribute_check *check, const char *key, struct json_t *value);

/* The JSON in expressionAttributeNames and expressionAttributeValues. */

struct values {
    const char *text;  /* compact JSON, kept by the config; NULL: nothing to send */
    const char **keys; /* the placeholders, in scratch memory */
    size_t key_count;
    bool uses_now;
    bool bad; /* there was an error, so the keys are unknown */
};

/* Reads the parameter; an absent one is {NULL}. Problems are added to the findings as an error or a
 * warning, with the path of the value. */
struct values values_read(const struct parameters *parameters);
struct values names_read(const struct parameters *parameters);

#endif
