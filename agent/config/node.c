#include "agent/config/node.h"

#include <string.h>

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

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strcmp(text, *words) == 0)
            return true;
    }
    return false;
}

/* Digits with "_" between them, in base 10 or after 0x, 0o, 0b; a fraction; an exponent. */
static bool is_number(const char *text)
{
    if (*text == '-' || *text == '+')
        text++;
    if (text[0] == '0' && text[1] != '\0' && strchr("xob", text[1]) != NULL)
        return text[2] != '\0' && strspn(text + 2, "0123456789abcdefABCDEF_") == strlen(text + 2);
    size_t whole = strspn(text, "0123456789_");
    text += whole;
    size_t fraction = 0;
    if (*text == '.') {
        fraction = strspn(text + 1, "0123456789_");
        text += 1 + fraction;
    }
    if (whole + fraction == 0)
        return false;
    if (*text == 'e' || *text == 'E') {
        text++;
        if (*text == '-' || *text == '+')
            text++;
        size_t exponent = strspn(text, "0123456789");
        if (exponent == 0)
            return false;
        text += exponent;
    }
    return *text == '\0';
}

enum node_kind scalar_kind(const char *text)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const bools[] = {"true", "True", "TRUE", "false", "False", "FALSE", "y", "Y",
        "yes", "Yes", "YES", "n", "N", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF",
        NULL};
    static const char *const floats[] = {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf",
        "-.Inf", "-.INF", ".nan", ".NaN", ".NAN", NULL};

    if (is_one_of(text, nulls))
        return NODE_NULL;
    if (is_one_of(text, bools))
        return NODE_BOOL;
    if (is_one_of(text, floats))
        return NODE_NUMBER;
    /* A number begins with a digit, so "_" alone or "_1" is a string. */
    const char *first = text + (*text == '-' || *text == '+');
    if (*first != '_' && is_number(text))
        return NODE_NUMBER;
    return NODE_STRING;
}
