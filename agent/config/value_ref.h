/* SPDX-License-Identifier: Apache-2.0 */
/* A value that may live outside the YAML. Files are read at each credential resolution, so that a
 * changed mounted value is used without a failed call first. */
#ifndef TALLY_AGENT_CONFIG_VALUE_REF_H
#define TALLY_AGENT_CONFIG_VALUE_REF_H

enum value_source {
    SOURCE_ABSENT,
    SOURCE_LITERAL,     /* `text` is the value */
    SOURCE_ENVIRONMENT, /* `text` names the variable */
    SOURCE_FILE,        /* `text` is the path of a file that holds the value */
    SOURCE_JSON_FILE,   /* `text` is the path of a JSON object of strings, `key` the member */
    SOURCE_BROKEN,      /* in the YAML, but not usable; `text` says why */
};

struct value_ref {
    enum value_source source;
    const char *text;
    const char *key;
    const char *origin; /* for people: "Secret prod/test-secrets key AWS_ROLE_ARN" */
};

#endif
