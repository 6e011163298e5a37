/* What KEDA would say of an object that tally can use: its fields, names, annotations and bounds.
 */
#ifndef TALLY_AGENT_CONFIG_LINT_OBJECT_H
#define TALLY_AGENT_CONFIG_LINT_OBJECT_H

#include "agent/config/scaled_object.h"

/* Fields of the object that are unknown or that tally does not act on, and what KEDA would make
 * of the others. */
void lint_object(const struct scaled_object *object);

/* Reports the fields of a map that are not among `known`; those from the index `unused` on are
 * known, but tally does not act on them. */
void lint_fields(struct reading *reading, const struct tree *tree, const struct node *map,
    const char *const *known, size_t unused);

#endif
