/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config/sum_over.h"

#include "agent/config/lint.h"
#include "agent/json_value.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME         "sumOver"
#define VALUE_MAX    2048 /* bytes of a key, DynamoDB's limit */
#define DIGITS_MAX   9
#define EXPONENT_MAX 1000000 /* far beyond those of DynamoDB */

struct sum_over {
    const struct parameters *parameters;
    struct query *query;
    const char *placeholder;
    char type[2]; /* of the placeholder's value: "S", "N" or "B" */
    const char **shards;
    const char **keys; /* the same for equal values; in scratch memory */
    bool failed;
};

static void sum_over_fail(struct sum_over *sum, const char *why)
{
    if (!sum->failed)
        parameter_error(sum->parameters, NAME, "%s", why);
    sum->failed = true;
}

static void sum_over_flaw(
    void *data, enum attribute_flaw flaw, const char *where, const char *what, const char *keda)
{
    struct sum_over *sum = data;
    char why[400];

    (void)keda;
    if (flaw == ATTRIBUTE_ODD) /* already reported for the placeholder's own value */
        return;
    snprintf(why, sizeof(why), "%s %s", where, what);
    sum_over_fail(sum, why);
}

/* The same for equal numbers, such as 1, 01, 1.0 and 10e-1: to DynamoDB they are one key. */
static void sum_over_number_key(const char *number, char *key, size_t size)
{
    const char *at = number + strspn(number, "+-");
    char digits[VALUE_MAX + 1] = "";
    size_t len = 0;
    long exponent = 0, written = 0;

    for (bool in_fraction = false; *at != '\0' && strchr("0123456789.", *at) != NULL; at++) {
        exponent -= in_fraction && *at != '.';
        in_fraction |= *at == '.';
        if (*at != '.' && (len > 0 || *at != '0'))
            digits[len++] = *at;
    }
    if (*at != '\0')
        written = strtol(at + 1, NULL, 10);
    for (; len > 0 && digits[len - 1] == '0'; len--)
        exponent++;
    if (written > -EXPONENT_MAX && written < EXPONENT_MAX) /* else DynamoDB refuses it */
        exponent += written;
    snprintf(key, size, "%s%.*se%ld", *number == '-' && len > 0 ? "-" : "", (int)len, digits,
        len > 0 ? exponent : 0);
}

/* Keeps the value's key, unless an earlier value has the same. NULL: no memory. */
static const char *sum_over_keep_key(struct sum_over *sum, const char *value)
{
    char key[VALUE_MAX + 32];
    size_t count = sum->query->shard_count;

    if (*sum->type == 'N')
        sum_over_number_key(value, key, sizeof(key));
    else
        snprintf(key, sizeof(key), "%s", value);
    for (size_t i = 0; i < count; i++)
        if (strcmp(sum->keys[i], key) == 0)
            sum_over_fail(sum, "has a value twice, whose items would be counted twice");
    sum->keys[count] = arena_copy_string(sum->parameters->parser->scratch, key);
    return sum->keys[count];
}

/* Keeps the value, which is valid, as {":placeholder":{"S":"value"}}: that is merged over the
 * values of the Query. False: no memory. */
static bool sum_over_keep(struct sum_over *sum, const char *value, const json_t *object)
{
    char *text = json_write(object, 0);
    const char *kept = NULL;

    if (text != NULL && sum_over_keep_key(sum, value) != NULL)
        kept = parser_keep(sum->parameters->parser, text);
    free(text);
    if (kept != NULL && !sum->failed)
        sum->shards[sum->query->shard_count++] = kept;
    return kept != NULL;
}

static void sum_over_add(struct sum_over *sum, const char *value, size_t len)
{
    struct attribute_check check = {.root = NAME, .report = sum_over_flaw, .data = sum};
    json_t *attribute = json_pack("{s:s%}", sum->type, value, len);
    json_t *object = json_pack("{s:O}", sum->placeholder, attribute);
    const char *text = json_string_value(json_object_get(attribute, sum->type));
    bool has_memory = true;

    if (len == 0 || len > VALUE_MAX)
        sum_over_fail(sum, "has a value that is empty, or longer than a key can be");
    else if (sum->query->shard_count == SUM_OVER_MAX)
        sum_over_fail(sum, "has more than 256 values");
    else if (object == NULL || text == NULL)
        sum_over_fail(sum, "has a value that is not UTF-8");
    else if (attribute_check(&check, sum->placeholder, attribute) && !sum->failed)
        has_memory = sum_over_keep(sum, text, object);
    if (check.failed || !has_memory)
        sum->parameters->parser->failed = sum->failed = true;
    json_decref(object);
    json_decref(attribute);
}

/* ---- forms ---- */

static void sum_over_list(struct sum_over *sum, const char *text)
{
    while (text != NULL && !sum->failed) {
        size_t len = 0;
        const char *value = parameter_next_item(&text, &len);

        sum_over_add(sum, value, len);
    }
}

static bool read_digits(const char **text, long *number)
{
    size_t len = strspn(*text, "0123456789");

    if (len == 0 || len > DIGITS_MAX)
        return false;
    *number = strtol(*text, NULL, 10);
    *text += len;
    return true;
}

static void sum_over_range(struct sum_over *sum, const char *text)
{
    size_t prefix = strcspn(text, "{");
    const char *at = text + prefix, *digits = at + 1;
    long first = 0, last = 0;
    int width = 0;

    if (*at != '{' || !read_digits(&(const char *){digits}, &first)) {
        sum_over_fail(sum, "must be \":q = queue#{0..15}\" or \":q in a, b, c\"");
        return;
    }
    at = digits + strspn(digits, "0123456789");
    width = *digits == '0' ? (int)(at - digits) : 1;
    if (strncmp(at, "..", 2) == 0)
        at += 2;
    if (at[-1] != '.' || !read_digits(&at, &last) || *at != '}' || strchr(at, '{') != NULL) {
        sum_over_fail(sum, "must have one range, such as {0..15}");
        return;
    }
    if (last < first || last - first >= SUM_OVER_MAX) {
        sum_over_fail(sum, "must have a range from a smaller to a larger number, of at most 256");
        return;
    }
    for (long number = first; number <= last && !sum->failed; number++) {
        char value[VALUE_MAX + 2];
        int len = snprintf(
            value, sizeof(value), "%.*s%0*ld%s", (int)prefix, text, width, number, at + 1);

        sum_over_add(sum, value, (size_t)len < sizeof(value) ? (size_t)len : sizeof(value) - 1);
    }
}

/* ---- the placeholder ---- */

/* Its type; false: it has no value of a type that a key can have. */
static bool sum_over_find_type(struct sum_over *sum, const struct values *values)
{
    json_t *object =
        values->text != NULL ? json_read(values->text, strlen(values->text), 0, NULL, NULL) : NULL;
    void *only = json_object_iter(json_object_get(object, sum->placeholder));
    const char *type = only != NULL ? json_object_iter_key(only) : "";
    bool is_key = strlen(type) == 1 && strchr("SNB", *type) != NULL;

    if (is_key)
        sum->type[0] = *type;
    json_decref(object);
    return is_key;
}

/* The placeholder at the start of the text; returns what follows, or NULL: it is not one. */
static const char *sum_over_take_placeholder(struct sum_over *sum, const char *text)
{
    size_t len = strcspn(text, " \t=");

    sum->placeholder = parser_keep_part(sum->parameters->parser, text, len);
    if (sum->placeholder == NULL || !lint_is_placeholder(sum->placeholder, ':'))
        return NULL;
    text += len;
    return text + strspn(text, " \t");
}

static bool sum_over_is_of_client(const struct sum_over *sum)
{
    const struct query *query = sum->query;

    for (size_t i = 0; i < query->client_value_count; i++)
        if (strcmp(query->client_values[i], sum->placeholder) == 0)
            return true;
    return false;
}

void sum_over_read(
    const struct parameters *parameters, const struct values *values, struct query *query)
{
    struct parser *parser = parameters->parser;
    const char *text = parameter_text(parameters, NAME);
    struct sum_over sum = {.parameters = parameters, .query = query, .type = ""};

    if (text == NULL || values->bad)
        return;
    sum.shards = parser_array(parser, parser->kept, SUM_OVER_MAX, sizeof(const char *));
    sum.keys = parser_array(parser, parser->scratch, SUM_OVER_MAX, sizeof(const char *));
    if (sum.shards == NULL || sum.keys == NULL)
        return;
    text = sum_over_take_placeholder(&sum, text);
    if (text == NULL || (*text != '=' && strncmp(text, "in ", 3) != 0)) {
        sum_over_fail(&sum, "must be \":q = queue#{0..15}\" or \":q in a, b, c\"");
        return;
    }
    if (!sum_over_find_type(&sum, values))
        sum_over_fail(&sum,
            "names a placeholder without a value of type S, N or B in expressionAttributeValues, "
            "which says what type its values have");
    else if (sum_over_is_of_client(&sum))
        sum_over_fail(&sum, "names a placeholder of clientValues, which a request sets");
    else if (*text == '=')
        sum_over_range(&sum, text + 1 + strspn(text + 1, " \t"));
    else
        sum_over_list(&sum, text + 3);
    query->shards = sum.shards;
    if (sum.failed)
        query->shard_count = 0;
    else
        parameter_note(parameters, NAME,
            "KEDA ignores it and counts one value only, that in expressionAttributeValues; tally "
            "counts these %u",
            query->shard_count);
}
