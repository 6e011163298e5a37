/* A ScaledObject, ScaledJob or bare list of triggers: what its triggers share. */
#ifndef TALLY_AGENT_CONFIG_SCALED_OBJECT_H
#define TALLY_AGENT_CONFIG_SCALED_OBJECT_H

#include "agent/config/reading.h"

struct scaled_object {
    struct reading *reading;
    const struct document *document;
    const struct node *spec;
    enum trigger_owner owner;
    const char *namespace_, *name, *file; /* kept */
    int64_t polling_ms;
    bool has_modifiers; /* advanced.scalingModifiers: KEDA scales by a formula of its metrics */
    struct trigger_scaling scaling; /* all but metric type, target and activation */
    size_t dynamodb_count;          /* its aws-dynamodb triggers */
};

/* Adds the triggers of each ScaledObject, ScaledJob and snippet to the reading. */
void scaled_objects_read(struct reading *reading);

#endif
