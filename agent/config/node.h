/* SPDX-License-Identifier: Apache-2.0 */
/* A YAML document as a tree. Scalars keep their text as it was written. */
#ifndef TALLY_AGENT_CONFIG_NODE_H
#define TALLY_AGENT_CONFIG_NODE_H

#include "agent/config/findings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The kind that Kubernetes' YAML reader sees: an unquoted 5 is a number. */
enum node_kind { NODE_NULL, NODE_BOOL, NODE_NUMBER, NODE_STRING, NODE_LIST, NODE_MAP };

struct node;

struct node_pair {
    const struct node *key; /* always a scalar */
    const struct node *value;
};

struct node {
    enum node_kind kind;
    uint32_t line, column; /* from 1 */
    union {
        uint32_t count;  /* of items or pairs */
        uint32_t indent; /* of the lines of a literal block ("|"); 0: not lines of the file */
    };
    uint32_t height; /* levels of containers below and including this */
    uint32_t weight; /* nodes in all, aliases counted each time */
    union {
        const char *text; /* scalars; holds no NUL */
        const struct node **items;
        struct node_pair *pairs;
    };
};

/* A document or a part of it, its source, and where its problems are reported. */
struct tree {
    const struct node *root;
    const char *file;
    unsigned file_index;
    const char *base; /* the file's base name, or the ConfigMap key that contains it */
    struct findings *findings;
};

/* The value of a key; NULL if `map` is not a map or has no such key. */
const struct node *node_get(const struct node *map, const char *key);

/* As node_get, but NULL also for a null. */
const struct node *node_get_set(const struct node *map, const char *key);

bool node_is_scalar(const struct node *node);

/* The text of a scalar that is set and not a null, else NULL. */
const char *node_text(const struct node *node);

/* "a string", "a number", …: for messages. */
const char *node_kind_name(enum node_kind kind);

/* The place of a node; of the whole file if it is NULL. */
struct place node_place(const struct tree *tree, const struct node *node);

/* Adds a finding at that place. */
void tree_report(const struct tree *tree, const struct node *node, enum finding_level level,
    const char *subject, const char *format, ...) __attribute__((format(printf, 5, 6)));
void tree_vreport(const struct tree *tree, const struct node *node, enum finding_level level,
    const char *subject, const char *format, va_list args) __attribute__((format(printf, 5, 0)));

/* Reports the fields of a map that are not among `known`; those from the index `unused` on are
 * known, but tally does not use them. Nothing where it is not a map. */
void tree_check_fields(
    const struct tree *tree, const struct node *map, const char *const *known, size_t unused);

/* The index in a list that ends with NULL: of that NULL if the text is not in it. */
size_t text_index(const char *text, const char *const *texts);

/* A whole decimal number with an optional sign and nothing else: as Go's strconv parses a quoted
 * text. */
bool text_to_int64(const char *text, int64_t *value);

/* Digits with an optional sign, fraction and exponent. */
bool text_is_decimal(const char *text);

/* A scalar's value as a whole number: an unquoted one as Kubernetes' YAML 1.1 reads it (030 is 24;
 * 0x10, 1_000, 30.0 and 1e1 are whole numbers), a quoted one as text_to_int64. */
bool node_to_int64(const struct node *node, int64_t *value);

/* The type of an unquoted scalar (YAML 1.1, as Kubernetes reads it). */
enum node_kind scalar_kind(const char *text);

/* Makes a map of a tree: each key once, merge keys (`<<: *defaults`) followed. */

#define MERGE_KEY "<<"

/* The text of an unquoted `<<`: its address distinguishes it from a quoted one. */
extern const char node_merge_key[];

/* Fills `map` with `count` pairs in the order key, value, key, value, … A repeated key is a
 * warning, and its last value counts, as in Kubernetes' reader. A key of the map itself wins over a
 * merged one, an earlier merged map over a later one. 0, -ENOMEM, or -EINVAL with a finding if a
 * key is not a scalar or a merge has something other than maps. */
int node_map_fill(struct node *map, const struct node **children, size_t count,
    const struct tree *tree, struct arena *arena);

#endif
