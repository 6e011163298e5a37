/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/condition.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 16 };

enum field_kind {
    GROWS, /* only larger for a larger count, so that `at_least` is a lower bound of it, too */
    FIXED,
};

static const struct {
    const char *name;
    enum field_kind kind;
} fields[] = {
    {"count", GROWS},
    {"scanned", FIXED},
    {"pages", FIXED},
    {"age_ms", FIXED},
    {"consumed_rcu", FIXED},
    {"desired_replicas", GROWS},
    {"active", GROWS},
    {"fallback", FIXED},
};

enum { FIELD_COUNT = sizeof(fields) / sizeof(fields[0]) };

enum comparison { LESS, LESS_EQUAL, EQUAL, NOT_EQUAL, MORE_EQUAL, MORE };

/* Longer operators before their prefixes. */
static const struct {
    const char *sign;
    enum comparison comparison;
} operators[] = {
    {"<=", LESS_EQUAL},
    {">=", MORE_EQUAL},
    {"==", EQUAL},
    {"!=", NOT_EQUAL},
    {"<", LESS},
    {">", MORE},
    {"=", EQUAL},
};

struct parse {
    struct condition *condition;
    const char *text, *at;
    unsigned depth;
    char *error;
    size_t size;
    bool failed;
};

static unsigned parse_fail(struct parse *parse, const char *what)
{
    if (!parse->failed)
        snprintf(parse->error, parse->size, "\"%s\", at character %zu: %s", parse->text,
            (size_t)(parse->at - parse->text) + 1, what);
    parse->failed = true;
    return 0;
}

static void parse_skip_spaces(struct parse *parse)
{
    parse->at += strspn(parse->at, " \t");
}

static size_t word_length(const char *at)
{
    return strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_");
}

static bool parse_take_sign(struct parse *parse, const char *sign)
{
    parse_skip_spaces(parse);
    size_t len = strlen(sign);
    bool is_word = word_length(sign) > 0;
    if (strncmp(parse->at, sign, len) != 0 || (is_word && word_length(parse->at) != len))
        return false;
    parse->at += len;
    return true;
}

static unsigned parse_add_node(struct parse *parse, struct condition_node node)
{
    if (parse->condition->count == CONDITION_NODES_MAX)
        return parse_fail(parse, "the condition is too long");
    parse->condition->nodes[parse->condition->count] = node;
    return parse->condition->count++;
}

static double parse_value(struct parse *parse)
{
    if (parse_take_sign(parse, "true"))
        return 1;
    if (parse_take_sign(parse, "false"))
        return 0;
    parse_skip_spaces(parse);
    char *end = NULL;
    double value = strtod(parse->at, &end);
    if (end == parse->at || strspn(parse->at, "+-.0123456789eE") < (size_t)(end - parse->at)) {
        parse_fail(parse, "write a number, true or false");
        return 0;
    }
    parse->at = end;
    return value;
}

static unsigned parse_comparison(struct parse *parse)
{
    struct condition_node node = {.kind = NODE_COMPARE, .comparison = NOT_EQUAL, .value = 0};

    parse_skip_spaces(parse);
    size_t len = word_length(parse->at);
    while (node.field < FIELD_COUNT && (strlen(fields[node.field].name) != len ||
                                           memcmp(fields[node.field].name, parse->at, len) != 0))
        node.field++;
    if (node.field == FIELD_COUNT)
        return parse_fail(parse, "write one of count, scanned, pages, age_ms, consumed_rcu, "
                                 "desired_replicas, active, fallback");
    parse->at += len;
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        if (!parse_take_sign(parse, operators[i].sign))
            continue;
        node.comparison = operators[i].comparison;
        node.value = parse_value(parse);
        break;
    }
    return parse_add_node(parse, node);
}

static unsigned parse_joined(struct parse *parse, bool by_or);

static unsigned parse_term(struct parse *parse)
{
    if (!parse_take_sign(parse, "("))
        return parse_comparison(parse);
    if (++parse->depth > DEPTH_MAX)
        return parse_fail(parse, "too many parentheses");
    unsigned inner = parse_joined(parse, true);
    parse->depth--;
    if (!parse->failed && !parse_take_sign(parse, ")"))
        return parse_fail(parse, "a ) is missing");
    return inner;
}

/* Terms joined by "and", or what these make, joined by "or". */
static unsigned parse_joined(struct parse *parse, bool by_or)
{
    unsigned left = by_or ? parse_joined(parse, false) : parse_term(parse);

    while (!parse->failed && (parse_take_sign(parse, by_or ? "or" : "and") ||
                                 parse_take_sign(parse, by_or ? "||" : "&&"))) {
        unsigned right = by_or ? parse_joined(parse, false) : parse_term(parse);

        left = parse_add_node(
            parse, (struct condition_node){
                       .kind = by_or ? NODE_OR : NODE_AND, .left = left, .right = right});
    }
    return left;
}

bool condition_parse(struct condition *condition, const char *text, char *error, size_t size)
{
    struct parse parse = {condition, text, text, 0, error, size, false};

    condition->count = 0;
    condition->root = parse_joined(&parse, true);
    parse_skip_spaces(&parse);
    if (!parse.failed && parse.at[0] != '\0')
        parse_fail(&parse, "write <, <=, ==, !=, >=, >, and, or");
    return !parse.failed;
}

static bool comparison_holds(double left, enum comparison comparison, double right)
{
    switch (comparison) {
    case LESS:
        return left < right;
    case LESS_EQUAL:
        return left <= right;
    case EQUAL:
        return left >= right && left <= right;
    case NOT_EQUAL:
        return left < right || left > right;
    case MORE_EQUAL:
        return left >= right;
    case MORE:
        return left > right;
    }
    return false;
}

/* The left side is a lower bound: the number is `left` or larger. */
static enum verdict comparison_check_bound(double left, enum comparison comparison, double right)
{
    switch (comparison) {
    case MORE:
    case MORE_EQUAL:
        return comparison_holds(left, comparison, right) ? VERDICT_YES : VERDICT_UNKNOWN;
    case LESS:
    case LESS_EQUAL:
        return comparison_holds(left, comparison, right) ? VERDICT_UNKNOWN : VERDICT_NO;
    case EQUAL:
        return left > right ? VERDICT_NO : VERDICT_UNKNOWN;
    case NOT_EQUAL:
        return left > right ? VERDICT_YES : VERDICT_UNKNOWN;
    }
    return VERDICT_UNKNOWN;
}

static enum verdict comparison_check(
    const struct condition_node *node, const struct json *answer, bool at_least)
{
    const char *name = fields[node->field].name;
    double left = 0;

    if (!json_get_real(answer, name, &left)) {
        const struct json *value = json_get(answer, name);

        if (value == NULL || json_kind(value) != JSON_KIND_BOOL)
            return VERDICT_UNKNOWN;
        left = json_get_bool(value, "", false);
        at_least = at_least && left < 1; /* what is true already stays true */
    }
    if (at_least && fields[node->field].kind == GROWS)
        return comparison_check_bound(left, (enum comparison)node->comparison, node->value);
    return comparison_holds(left, (enum comparison)node->comparison, node->value) ? VERDICT_YES
                                                                                  : VERDICT_NO;
}

static enum verdict condition_check_node(
    const struct condition *condition, unsigned at, const struct json *answer, bool at_least)
{
    const struct condition_node *node = &condition->nodes[at];

    if (node->kind == NODE_COMPARE)
        return comparison_check(node, answer, at_least);
    enum verdict left = condition_check_node(condition, node->left, answer, at_least);
    enum verdict right = condition_check_node(condition, node->right, answer, at_least);
    if (node->kind == NODE_AND)
        return left < right ? left : right;
    return left > right ? left : right;
}

enum verdict condition_check(const struct condition *condition, const struct json *answer)
{
    const char *quality = json_get_string(answer, "quality", "stale");
    bool exact = strcmp(quality, "exact") == 0, at_least = strcmp(quality, "at_least") == 0;

    if (!exact && !at_least)
        return VERDICT_UNKNOWN; /* stale, or a newer word, which counts as stale */
    return condition_check_node(condition, condition->root, answer, at_least);
}

/* The least count that decides "count <comparison> value", as a lower bound. */
static int64_t comparison_enough(enum comparison comparison, double value)
{
    enum { EXACT_IN_DOUBLE = 53 };

    if (!(value < (double)(INT64_C(1) << EXACT_IN_DOUBLE)))
        return 0;
    if (value < 0)
        return 1;
    int64_t whole = (int64_t)value;
    bool is_whole = (double)whole >= value;
    bool at_value = comparison == MORE_EQUAL || comparison == LESS;
    return at_value && is_whole && whole > 0 ? whole : whole + 1;
}

int64_t condition_enough(const struct condition *condition, int64_t activation)
{
    int64_t enough = 1;

    for (unsigned i = 0; i < condition->count; i++) {
        const struct condition_node *node = &condition->nodes[i];

        if (node->kind != NODE_COMPARE)
            continue;
        const char *name = fields[node->field].name;
        int64_t wanted = 0;
        if (strcmp(name, "count") == 0)
            wanted = comparison_enough((enum comparison)node->comparison, node->value);
        else if (strcmp(name, "active") == 0)
            wanted = activation < INT64_MAX ? activation + 1 : 0;
        else if (strcmp(name, "age_ms") == 0 || strcmp(name, "fallback") == 0)
            continue; /* the same for every count */
        if (wanted == 0)
            return 0;
        if (wanted > enough)
            enough = wanted;
    }
    return enough;
}
