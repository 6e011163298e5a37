#include "agent/config/node_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Up to this many keys are compared each with each, which is what real files have. */
#define SMALL_MAP 16

const char node_merge_key[] = MERGE_KEY;

struct candidate {
    struct node_pair pair;
    size_t order; /* in the file; merged pairs come after all others */
    bool merged;
};

static bool is_merge_key(const struct node *key)
{
    return key->text == node_merge_key;
}

static int check_keys(const struct node **children, size_t count, const struct tree *tree,
    struct findings *findings, bool *merges)
{
    for (size_t i = 0; i < count; i++) {
        const struct node *key = children[2 * i];
        if (!node_is_scalar(key)) {
            struct place place = node_place(tree, key);
            findings_add(findings, FINDING_ERROR, &place, "",
                "a key must be a plain text, not %s%s", node_kind_name(key->kind),
                key->kind == NODE_MAP ? "; is {{ }} of a template left that must be rendered first?"
                                      : "");
            return -EINVAL;
        }
        if (is_merge_key(key))
            *merges = true;
    }
    return 0;
}

static void report_repeated(
    const struct node *key, const struct tree *tree, struct findings *findings)
{
    struct place place = node_place(tree, key);
    findings_add(findings, FINDING_WARNING, &place, key->text,
        "given more than once in the same map; the last value counts, remove the others");
}

static void fill_small(struct node *map, const struct node **children, size_t count,
    const struct tree *tree, struct findings *findings)
{
    for (size_t i = 0; i < count; i++) {
        const struct node *key = children[2 * i];
        size_t at = 0;
        while (at < map->count && strcmp(map->pairs[at].key->text, key->text) != 0)
            at++;
        if (at < map->count)
            report_repeated(key, tree, findings);
        else
            map->count++;
        map->pairs[at] = (struct node_pair){.key = key, .value = children[2 * i + 1]};
    }
}

static size_t merged_size(const struct node *value)
{
    size_t size = 0;
    if (value->kind == NODE_MAP)
        return value->count;
    for (uint32_t i = 0; value->kind == NODE_LIST && i < value->count; i++)
        size += value->items[i]->kind == NODE_MAP ? value->items[i]->count : 0;
    return size;
}

static bool is_mergeable(const struct node *value)
{
    if (value->kind != NODE_LIST)
        return value->kind == NODE_MAP;
    for (uint32_t i = 0; i < value->count; i++) {
        if (value->items[i]->kind != NODE_MAP)
            return false;
    }
    return true;
}

static size_t add_merged(struct candidate *candidates, size_t count, const struct node *map)
{
    for (uint32_t i = 0; i < map->count; i++, count++)
        candidates[count] = (struct candidate){
            .pair = map->pairs[i], .order = count, .merged = true};
    return count;
}

/* The map's own pairs first, then the merged ones, in the order of their precedence. */
static size_t collect(struct candidate *candidates, const struct node **children, size_t pair_count)
{
    size_t count = 0;
    for (size_t i = 0; i < pair_count; i++) {
        if (!is_merge_key(children[2 * i])) {
            candidates[count] = (struct candidate){
                .pair = {.key = children[2 * i], .value = children[2 * i + 1]}, .order = count};
            count++;
        }
    }
    for (size_t i = 0; i < pair_count; i++) {
        const struct node *value = children[2 * i + 1];
        if (!is_merge_key(children[2 * i]))
            continue;
        if (value->kind == NODE_MAP)
            count = add_merged(candidates, count, value);
        for (uint32_t k = 0; value->kind == NODE_LIST && k < value->count; k++)
            count = add_merged(candidates, count, value->items[k]);
    }
    return count;
}

/* Equal keys together, the one that counts first: the map's own last one, else the first
 * merged one. */
static int compare_precedence(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    int r = strcmp(a->pair.key->text, b->pair.key->text);
    if (r != 0)
        return r;
    if (a->merged != b->merged)
        return a->merged - b->merged;
    r = (a->order > b->order) - (a->order < b->order);
    return a->merged ? r : -r;
}

static int compare_order(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    return (a->order > b->order) - (a->order < b->order);
}

static size_t keep_unique(
    struct candidate *candidates, size_t count, const struct tree *tree, struct findings *findings)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const char *text = candidates[i].pair.key->text;
        if (kept == 0 || strcmp(candidates[kept - 1].pair.key->text, text) != 0)
            candidates[kept++] = candidates[i];
        else if (!candidates[i].merged)
            report_repeated(candidates[kept - 1].pair.key, tree, findings);
    }
    return kept;
}

static int fill_large(struct node *map, const struct node **children, size_t pair_count,
    const struct tree *tree, struct arena *arena, struct findings *findings)
{
    size_t count = 0;

    for (size_t i = 0; i < pair_count; i++) {
        bool merge = is_merge_key(children[2 * i]);
        count += merge ? merged_size(children[2 * i + 1]) : 1;
        if (merge && !is_mergeable(children[2 * i + 1])) {
            struct place place = node_place(tree, children[2 * i + 1]);
            findings_add(findings, FINDING_ERROR, &place, MERGE_KEY,
                "merges only a map or a list of maps; use an alias of one");
            return -EINVAL;
        }
    }
    if (count == 0)
        return 0;
    struct candidate *candidates = calloc(count, sizeof(*candidates));
    if (candidates == NULL)
        return -ENOMEM;
    collect(candidates, children, pair_count);
    qsort(candidates, count, sizeof(*candidates), compare_precedence);
    count = keep_unique(candidates, count, tree, findings);
    qsort(candidates, count, sizeof(*candidates), compare_order);
    map->pairs = arena_alloc_array(arena, count, sizeof(*map->pairs));
    for (size_t i = 0; map->pairs != NULL && i < count; i++)
        map->pairs[i] = candidates[i].pair;
    map->count = map->pairs != NULL ? (uint32_t)count : 0;
    free(candidates);
    return map->pairs != NULL ? 0 : -ENOMEM;
}

int node_map_fill(struct node *map, const struct node **children, size_t count,
    const struct tree *tree, struct arena *arena, struct findings *findings)
{
    bool merges = false;
    int r = check_keys(children, count, tree, findings, &merges);
    if (r < 0 || count == 0)
        return r;
    if (merges || count > SMALL_MAP)
        return fill_large(map, children, count, tree, arena, findings);
    map->pairs = arena_alloc_array(arena, count, sizeof(*map->pairs));
    if (map->pairs == NULL)
        return -ENOMEM;
    fill_small(map, children, count, tree, findings);
    return 0;
}
