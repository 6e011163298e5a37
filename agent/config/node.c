#include "agent/config/node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS       "0123456789"
#define NUMBER_BYTES 512 /* more than any number of a configuration has */

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

/* Copies what may be a number, without the "_" between digits, which go-yaml removes wherever they
 * stand. False: too long for one, or it does not begin like one. */
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

/* As Go's strconv.ParseInt with base 0: 0x, 0o, 0b and a leading 0 tell the base. */
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

/* Digits, a fraction, an exponent. */
static bool is_decimal(const char *digits)
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

static bool is_number(const char *text)
{
    char digits[NUMBER_BYTES];
    int64_t value;

    return number_digits(text, digits) && (digits_to_int64(digits, &value) || is_decimal(digits));
}

static bool number_to_int64(const char *text, int64_t *value)
{
    char digits[NUMBER_BYTES];

    if (!number_digits(text, digits))
        return false;
    if (digits_to_int64(digits, value))
        return true;
    double number = is_decimal(digits) ? strtod(digits, NULL) : 0.5;
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

    if (is_one_of(text, nulls))
        return NODE_NULL;
    if (is_one_of(text, bools))
        return NODE_BOOL;
    if (is_one_of(text, floats))
        return NODE_NUMBER;
    if (is_number(text))
        return NODE_NUMBER;
    return NODE_STRING;
}
