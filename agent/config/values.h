/* The JSON in expressionAttributeNames and expressionAttributeValues. */
#ifndef TALLY_AGENT_CONFIG_VALUES_H
#define TALLY_AGENT_CONFIG_VALUES_H

#include "agent/config/parameters.h"

struct values {
    const char *text;  /* compact JSON, kept by the config; NULL: nothing to send */
    const char **keys; /* the placeholders, in scratch memory */
    size_t key_count;
    bool uses_now;
    bool bad; /* there was an error, so nothing can be said about the keys */
};

/* Reads the parameter; an absent one is {NULL}. What is wrong is an error or a warning among
 * the findings, with the path of the value. */
struct values values_read(const struct parameters *parameters);
struct values names_read(const struct parameters *parameters);

#endif
