/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config/node.h"

#include "proto/suggest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- node ---- */

#define DIGITS       "0123456789"
#define NUMBER_BYTES 512 /* more digits than any number in a configuration has */

const struct node *node_get(const struct node *map, const char *key)
{
    if (map == NULL || map->kind != NODE_MAP)
        return NULL;
    for (uint32_t i = 0; i < map->count; i++) {
        if (strcmp(map->pairs[i].key->text, key) == 0)
            return map->pairs[i].value;
    }
    return NULL;
}

const struct node *node_get_set(const struct node *map, const char *key)
{
    const struct node *node = node_get(map, key);

    return node != NULL && node->kind != NODE_NULL ? node : NULL;
}

bool node_is_scalar(const struct node *node)
{
    return node->kind != NODE_LIST && node->kind != NODE_MAP;
}

const char *node_text(const struct node *node)
{
    if (node == NULL || node->kind == NODE_NULL || !node_is_scalar(node))
        return NULL;
    return node->text;
}

const char *node_kind_name(enum node_kind kind)
{
    switch (kind) {
    case NODE_NULL:
        return "empty";
    case NODE_BOOL:
        return "true or false";
    case NODE_NUMBER:
        return "a number";
    case NODE_STRING:
        return "a string";
    case NODE_LIST:
        return "a list";
    case NODE_MAP:
        return "a map";
    }
    return "?";
}

struct place node_place(const struct tree *tree, const struct node *node)
{
    return (struct place){
        .file = tree->file,
        .file_index = tree->file_index,
        .line = node != NULL ? node->line : 0,
        .column = node != NULL ? node->column : 0,
    };
}

void tree_vreport(const struct tree *tree, const struct node *node, enum finding_level level,
    const char *subject, const char *format, va_list args)
{
    struct place place = node_place(tree, node);

    findings_vadd(tree->findings, level, &place, subject, format, args);
}

void tree_report(const struct tree *tree, const struct node *node, enum finding_level level,
    const char *subject, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    tree_vreport(tree, node, level, subject, format, args);
    va_end(args);
}

size_t text_index(const char *text, const char *const *texts)
{
    size_t i = 0;

    while (texts[i] != NULL && strcmp(texts[i], text) != 0)
        i++;
    return i;
}

void tree_check_fields(
    const struct tree *tree, const struct node *map, const char *const *known, size_t unused)
{
    for (uint32_t i = 0; map != NULL && map->kind == NODE_MAP && i < map->count; i++) {
        const struct node *key = map->pairs[i].key;
        size_t at = text_index(key->text, known);
        const char *close = known[at] == NULL ? suggest(key->text, known) : NULL;

        if (known[at] != NULL && at >= unused)
            tree_report(tree, key, FINDING_NOTE, key->text, "accepted; tally does not act on it");
        else if (close != NULL)
            tree_report(tree, key, FINDING_WARNING, key->text,
                "unknown field, so it is ignored; did you mean %s?", close);
        else if (known[at] == NULL)
            tree_report(tree, key, FINDING_WARNING, key->text, "unknown field, so it is ignored");
    }
}

bool text_to_int64(const char *text, int64_t *value)
{
    bool negative = *text == '-';
    int64_t total = 0;

    if (*text == '-' || *text == '+')
        text++;
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        int64_t digit = *text - '0';
        if (__builtin_mul_overflow(total, 10, &total) ||
            __builtin_add_overflow(total, negative ? -digit : digit, &total))
            return false;
    }
    *value = total;
    return true;
}

/* Copies a possible number without the "_" between digits, which go-yaml removes anywhere. False:
 * too long for a number, or it does not begin like one. */
static bool number_digits(const char *text, char digits[NUMBER_BYTES])
{
    size_t len = 0;
    const char *first = text + (*text == '-' || *text == '+');

    if ((*first < '0' || *first > '9') && *first != '.')
        return false;
    for (; *text != '\0'; text++) {
        if (*text == '_' && *first != '.')
            continue;
        if (len + 1 == NUMBER_BYTES)
            return false;
        digits[len++] = *text;
    }
    digits[len] = '\0';
    return true;
}

/* As Go's strconv.ParseInt with base 0: 0x, 0o, 0b and a leading 0 select the base. */
static bool digits_to_int64(const char *digits, int64_t *value)
{
    static const char *const sets[] = {
        [2] = "01", [8] = "01234567", [10] = "0123456789", [16] = "0123456789abcdefABCDEF"};
    const char *start = digits + (*digits == '-' || *digits == '+');
    int base = 10;

    if (start[0] == '0' && start[1] != '\0') {
        int letter = start[1] | 0x20;

        base = letter == 'x' ? 16 : letter == 'b' ? 2 : 8;
        start += letter == 'x' || letter == 'b' || letter == 'o' ? 2 : 1;
    }
    if (*start == '\0' || strspn(start, sets[base]) != strlen(start))
        return false;
    errno = 0;
    unsigned long long magnitude = strtoull(start, NULL, base);
    bool negative = *digits == '-';
    if (errno != 0 || magnitude > (unsigned long long)INT64_MAX + negative)
        return false;
    *value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

bool text_is_decimal(const char *digits)
{
    digits += *digits == '-' || *digits == '+';
    size_t whole = strspn(digits, DIGITS), fraction = 0;
    digits += whole;
    if (*digits == '.') {
        fraction = strspn(digits + 1, DIGITS);
        digits += 1 + fraction;
    }
    if (whole + fraction == 0)
        return false;
    if (*digits == 'e' || *digits == 'E') {
        digits++;
        digits += *digits == '-' || *digits == '+';
        size_t exponent = strspn(digits, DIGITS);
        if (exponent == 0)
            return false;
        digits += exponent;
    }
    return *digits == '\0';
}

static bool node_is_number(const char *text)
{
    char digits[NUMBER_BYTES];
    int64_t value;

    return number_digits(text, digits) &&
           (digits_to_int64(digits, &value) || text_is_decimal(digits));
}

static bool number_to_int64(const char *text, int64_t *value)
{
    char digits[NUMBER_BYTES];

    if (!number_digits(text, digits))
        return false;
    if (digits_to_int64(digits, value))
        return true;
    double number = text_is_decimal(digits) ? strtod(digits, NULL) : 0.5;
    if (!(number >= -9223372036854775808.0 && number < 9223372036854775808.0) ||
        number != (double)(int64_t)number)
        return false;
    *value = (int64_t)number;
    return true;
}

bool node_to_int64(const struct node *node, int64_t *value)
{
    const char *text = node_text(node);

    if (text == NULL)
        return false;
    return node->kind == NODE_NUMBER ? number_to_int64(text, value) : text_to_int64(text, value);
}

enum node_kind scalar_kind(const char *text)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const bools[] = {"true", "True", "TRUE", "false", "False", "FALSE", "y", "Y",
        "yes", "Yes", "YES", "n", "N", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF",
        NULL};
    static const char *const floats[] = {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf",
        "-.Inf", "-.INF", ".nan", ".NaN", ".NAN", NULL};

    if (nulls[text_index(text, nulls)] != NULL)
        return NODE_NULL;
    if (bools[text_index(text, bools)] != NULL)
        return NODE_BOOL;
    if (floats[text_index(text, floats)] != NULL || node_is_number(text))
        return NODE_NUMBER;
    return NODE_STRING;
}

/* ---- node map ---- */

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

static int check_keys(const struct node **children, size_t count, const struct tree *tree)
{
    for (size_t i = 0; i < count; i++) {
        const struct node *key = children[2 * i];

        if (!node_is_scalar(key)) {
            tree_report(tree, key, FINDING_ERROR, "", "a key must be a plain text, not %s%s",
                node_kind_name(key->kind),
                key->kind == NODE_MAP ? "; is {{ }} of a template left that must be rendered first?"
                                      : "");
            return -EINVAL;
        }
    }
    return 0;
}

static void report_repeated(const struct node *key, const struct tree *tree)
{
    tree_report(tree, key, FINDING_WARNING, key->text,
        "given more than once in the same map; the last value counts, remove the others");
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
static size_t node_collect(
    struct candidate *candidates, const struct node **children, size_t pair_count)
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

/* Groups equal keys, the one that counts first: the map's own last one, else the first merged
 * one. */
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

static size_t keep_unique(struct candidate *candidates, size_t count, const struct tree *tree)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        const char *text = candidates[i].pair.key->text;

        if (kept == 0 || strcmp(candidates[kept - 1].pair.key->text, text) != 0)
            candidates[kept++] = candidates[i];
        else if (!candidates[i].merged)
            report_repeated(candidates[i - 1].pair.key, tree);
    }
    return kept;
}

int node_map_fill(struct node *map, const struct node **children, size_t pair_count,
    const struct tree *tree, struct arena *arena)
{
    size_t count = 0;
    int r = check_keys(children, pair_count, tree);

    for (size_t i = 0; r == 0 && i < pair_count; i++) {
        bool merge = is_merge_key(children[2 * i]);

        count += merge ? merged_size(children[2 * i + 1]) : 1;
        if (merge && !is_mergeable(children[2 * i + 1])) {
            tree_report(tree, children[2 * i + 1], FINDING_ERROR, MERGE_KEY,
                "merges only a map or a list of maps; use an alias of one");
            return -EINVAL;
        }
    }
    if (r < 0 || count == 0)
        return r;
    struct candidate *candidates = calloc(count, sizeof(*candidates));
    if (candidates == NULL)
        return -ENOMEM;
    node_collect(candidates, children, pair_count);
    qsort(candidates, count, sizeof(*candidates), compare_precedence);
    count = keep_unique(candidates, count, tree);
    qsort(candidates, count, sizeof(*candidates), compare_order);
    map->pairs = arena_alloc_array(arena, count, sizeof(*map->pairs));
    for (size_t i = 0; map->pairs != NULL && i < count; i++)
        map->pairs[i] = candidates[i].pair;
    map->count = map->pairs != NULL ? (uint32_t)count : 0;
    free(candidates);
    return map->pairs != NULL ? 0 : -ENOMEM;
}
