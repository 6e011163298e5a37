/* Makes a map of a tree: each key once, merge keys (`<<: *defaults`) followed. */
#ifndef TALLY_AGENT_CONFIG_NODE_MAP_H
#define TALLY_AGENT_CONFIG_NODE_MAP_H

#include "agent/config/node.h"

#define MERGE_KEY "<<"

/* The text of an unquoted `<<`: told from a quoted one by its address. */
extern const char node_merge_key[];

/* Fills `map` with `count` pairs that lie as key, value, key, value, … A repeated key is a
 * warning, and its last value counts, as in Kubernetes' reader. A key of the map itself wins
 * over a merged one, an earlier merged map over a later one. 0, -ENOMEM, or -EINVAL with a
 * finding where a key is no scalar or a merge is of something else than maps. */
int node_map_fill(struct node *map, const struct node **children, size_t count,
    const struct tree *tree, struct arena *arena, struct findings *findings);

#endif
