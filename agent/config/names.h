/* The short forms by which a trigger may be called: `object`, `object/trigger`, `trigger` where it
 * has a name, and each with the namespace. An object's name goes before that of a trigger. */
#ifndef TALLY_AGENT_CONFIG_NAMES_H
#define TALLY_AGENT_CONFIG_NAMES_H

#include "agent/config/arena.h"
#include "agent/config/trigger.h"

struct names;

/* `triggers` are sorted by name and outlive the names. NULL: no memory. */
const struct names *names_create(struct arena *arena, const struct trigger *triggers, size_t count);

#endif
