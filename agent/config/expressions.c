/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config/expressions.h"

#include "agent/json_value.h"
#include "agent/library_text.h"
#include "proto/base64.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- attribute ---- */

#define PATH_SIZE 512
#define CRASH     " (KEDA crashes on this)"

/* The path of a value: each step points to its parent. */
struct path {
    struct attribute_check *check;
    const struct path *parent;
    const char *type; /* of the parent that holds it: "L" or "M"; NULL at the top */
    const char *key;  /* NULL: `index` counts */
    size_t index;
    unsigned depth;
};

static bool expressions_check_value(const struct path *path, json_t *value);

/* Writes `root[":a"].M["b"].L[0]`, cut at the end of the buffer. */
static size_t path_write(const struct path *path, char *text)
{
    size_t len = 0;
    int more = 0;

    if (path->parent != NULL)
        len = path_write(path->parent, text);
    else
        len = (size_t)snprintf(text, PATH_SIZE, "%s", path->check->root);
    if (path->key != NULL)
        more = snprintf(text + len, PATH_SIZE - len, "%s%s[\"%.64s\"]",
            path->type != NULL ? "." : "", path->type != NULL ? path->type : "", path->key);
    else
        more = snprintf(text + len, PATH_SIZE - len, ".%s[%zu]", path->type, path->index);
    len += more > 0 ? (size_t)more : 0;
    return len < PATH_SIZE ? len : PATH_SIZE - 1;
}

static void expressions_report(const struct path *path, enum attribute_flaw flaw, const char *type,
    const char *what, const char *keda)
{
    char text[PATH_SIZE];
    size_t len = path_write(path, text);

    if (*type != '\0')
        snprintf(text + len, PATH_SIZE - len, ".%s", type);
    path->check->report(path->check->data, flaw, text, what, keda);
}

static bool expressions_wrong(
    const struct path *path, const char *type, const char *what, const char *keda)
{
    expressions_report(path, ATTRIBUTE_WRONG, type, what, keda);
    return false;
}

/* "$now", or with a number of seconds: "$now-3600". */
static bool is_now(const char *text)
{
    if (strncmp(text, "$now", 4) != 0)
        return false;
    text += 4;
    if (*text == '\0')
        return true;
    if (*text != '-' && *text != '+')
        return false;
    size_t digits = strspn(text + 1, "0123456789");
    return digits > 0 && digits <= 12 && text[1 + digits] == '\0';
}

/* Without the line breaks and blanks that base64 in YAML may have, and AWS refuses. */
static bool is_base64(const char *text)
{
    return base64_decode(text, NULL) >= 0 && strpbrk(text, " \t\r\n") == NULL;
}

static bool check_string(const struct path *path, const char *type, json_t *value)
{
    if (!json_is_string(value))
        return expressions_wrong(path, type, "must be a string; write {\"S\":\"text\"}", CRASH);
    return true;
}

static bool check_number(const struct path *path, const char *type, json_t *value)
{
    const char *text = json_string_value(value);

    if (text == NULL)
        return expressions_wrong(
            path, type, "must be a string; write the number in quotes: {\"N\":\"5\"}", "");
    if (path->check->allow_now && is_now(text))
        path->check->uses_now = true;
    else if (!text_is_decimal(text))
        expressions_report(path, ATTRIBUTE_REFUSED, type,
            path->check->allow_now && strncmp(text, "$now", 4) == 0
                ? "is not \"$now\", \"$now-SECONDS\" or \"$now+SECONDS\" without blanks, so "
                  "DynamoDB will refuse it"
                : "is not a number, so DynamoDB will refuse it; for a text use S",
            "");
    return true;
}

static bool check_binary(const struct path *path, const char *type, json_t *value)
{
    const char *text = json_string_value(value);

    if (text == NULL || !is_base64(text))
        return expressions_wrong(path, type,
            "must be a base64 string, such as {\"B\":\"aGVsbG8=\"}", text == NULL ? CRASH : "");
    expressions_report(path, ATTRIBUTE_ODD, type, "is base64, as in AWS and KEDA 2.7",
        "; newer KEDA does not decode it and compares with the text itself");
    return true;
}

static bool check_bool(const struct path *path, const char *type, json_t *value)
{
    if (!json_is_boolean(value))
        return expressions_wrong(path, type, "must be true or false, without quotes", CRASH);
    return true;
}

static bool check_null(const struct path *path, const char *type, json_t *value)
{
    if (!json_is_boolean(value))
        return expressions_wrong(path, type, "must be true; write {\"NULL\":true}", "");
    if (json_is_false(value))
        expressions_report(path, ATTRIBUTE_ODD, type,
            "is false, and sent as true, as KEDA does; write {\"NULL\":true}", "");
    return true;
}

static bool check_set(const struct path *path, const char *type, json_t *value)
{
    size_t i = 0;
    json_t *member = NULL;
    bool good = true;

    if (!json_is_array(value) || json_array_size(value) == 0)
        return expressions_wrong(path, type, "must be an array of at least one string", "");
    json_array_foreach(value, i, member)
    {
        const char *text = json_string_value(member);

        if (text == NULL)
            good = expressions_wrong(path, type, "must hold strings only", "");
        else if (*type == 'B' && !is_base64(text))
            good = expressions_wrong(path, type, "must hold base64 strings only", "");
        else if (*type == 'N' && !text_is_decimal(text))
            expressions_report(path, ATTRIBUTE_REFUSED, type,
                "holds something that is not a number, so DynamoDB will refuse it", "");
        if (!good)
            return false;
    }
    expressions_report(path, ATTRIBUTE_ODD, type, "is a set", ", which KEDA refuses");
    return true;
}

static bool check_list(const struct path *path, const char *type, json_t *value)
{
    size_t i = 0;
    json_t *member = NULL;
    bool good = true;

    if (!json_is_array(value))
        return expressions_wrong(path, type, "must be an array", CRASH);
    json_array_foreach(value, i, member)
    {
        struct path inner = {.check = path->check,
            .parent = path,
            .type = type,
            .index = i,
            .depth = path->depth + 1};

        good &= expressions_check_value(&inner, member);
    }
    return good;
}

static bool check_map(const struct path *path, const char *type, json_t *value)
{
    const char *key = NULL;
    json_t *member = NULL;
    bool good = true;

    if (!json_is_object(value))
        return expressions_wrong(path, type, "must be an object", CRASH);
    json_object_foreach(value, key, member)
    {
        struct path inner = {.check = path->check,
            .parent = path,
            .type = type,
            .key = key,
            .depth = path->depth + 1};

        good &= expressions_check_value(&inner, member);
    }
    return good;
}

static const struct {
    const char *name;
    bool (*check)(const struct path *path, const char *type, json_t *value);
} types[] = {
    {"S", check_string},
    {"N", check_number},
    {"B", check_binary},
    {"BOOL", check_bool},
    {"NULL", check_null},
    {"SS", check_set},
    {"NS", check_set},
    {"BS", check_set},
    {"L", check_list},
    {"M", check_map},
};

static bool expressions_check_value(const struct path *path, json_t *value)
{
    const char *name = NULL;
    json_t *inner = NULL;

    if (path->depth >= ATTRIBUTE_DEPTH_MAX)
        return expressions_wrong(path, "", "is nested more than 32 levels deep", "");
    if (!json_is_object(value))
        return expressions_wrong(
            path, "", "must be an object with one type, such as {\"S\":\"text\"}", "");
    if (json_object_size(value) == 0)
        return expressions_wrong(path, "", "has no type; write one, such as {\"S\":\"text\"}", "");
    if (json_object_size(value) > 1)
        return expressions_wrong(
            path, "", "has more than one type; keep one", " (KEDA picks one at random)");
    name = json_object_iter_key(json_object_iter(value));
    inner = json_object_iter_value(json_object_iter(value));
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i].name, name) != 0)
            continue;
        bool good = types[i].check(path, name, inner);
        if (good && strcmp(name, "NULL") == 0 && json_is_false(inner) &&
            json_object_set_new(value, "NULL", json_true()) < 0)
            path->check->failed = true;
        return good;
    }
    return expressions_wrong(path, "",
        "has an unknown type; the types are S, N, B, BOOL, NULL, SS, NS, BS, L and M", "");
}

bool attribute_check(struct attribute_check *check, const char *key, json_t *value)
{
    struct path path = {.check = check, .key = key};

    return expressions_check_value(&path, value);
}

/* ---- values ---- */

#define NAMES  "expressionAttributeNames"
#define VALUES "expressionAttributeValues"

/* The object, which the caller releases; NULL after adding an error to the findings. */
static json_t *expressions_load(const struct parameters *parameters, const char *name)
{
    const char *text = parameter_text(parameters, name);
    char reason[JSON_ERROR_TEXT_LENGTH];
    json_error_t error;
    json_t *object = json_read(
        text, strlen(text), JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error, NULL);

    if (object == NULL && json_error_code(&error) == json_error_duplicate_key) {
        library_text_copy(reason, sizeof(reason), error.text);
        parameter_warning(parameters, name,
            "a key is given twice (%s); the last value counts, remove the others", reason);
        object = json_read(text, strlen(text), JSON_DECODE_ANY, &error, NULL);
    }
    if (object == NULL) {
        library_text_copy(reason, sizeof(reason), error.text);
        bool single = strchr(text, '"') == NULL && strchr(text, '\'') != NULL;
        parameter_error(parameters, name, "is not valid JSON at character %d: %s%s", error.position,
            reason,
            single ? "; JSON has double quotes, and YAML can have single ones around it" : "");
        return NULL;
    }
    if (!json_is_object(object)) {
        parameter_error(parameters, name, "must be a JSON object, such as %s",
            strcmp(name, NAMES) == 0 ? "{\"#k\":\"name\"}" : "{\":key\":{\"S\":\"value\"}}");
        json_decref(object);
        return NULL;
    }
    return object;
}

/* The keys, and the text if it is to be sent. */
static void values_keep(
    const struct parameters *parameters, json_t *object, bool is_sent, struct values *values)
{
    struct parser *parser = parameters->parser;
    char *text = is_sent ? json_write(object, 0) : NULL;
    const char *key = NULL;
    json_t *member = NULL;

    values->keys = parser_array(
        parser, parser->scratch, json_object_size(object) + 1, sizeof(const char *));
    json_object_foreach(object, key, member)
    {
        const char *copy = arena_copy_string(parser->scratch, key);

        parser->failed |= copy == NULL;
        if (!parser->failed)
            values->keys[values->key_count++] = copy;
    }
    parser->failed |= is_sent && text == NULL;
    if (text != NULL)
        values->text = parser_keep(parser, text);
    free(text);
}

/* A list or a map instead of a text, which was already reported. */
static bool is_container(const struct parameters *parameters, const char *name)
{
    const struct node *node = node_get(parameters->metadata, name);

    return node != NULL && !node_is_scalar(node);
}

struct values names_read(const struct parameters *parameters)
{
    struct values names = {0};
    const char *key = NULL;
    json_t *member = NULL;
    bool good = true;

    names.bad = is_container(parameters, NAMES);
    if (parameter_text(parameters, NAMES) == NULL)
        return names;
    json_t *object = expressions_load(parameters, NAMES);
    names.bad = object == NULL || json_object_size(object) == 0;
    if (object == NULL)
        return names;
    json_object_foreach(object, key, member)
    {
        if (!json_is_string(member)) {
            parameter_error(parameters, NAMES,
                NAMES "[\"%s\"] must be a string, the attribute's "
                      "name",
                key);
            good = false;
        }
    }
    if (json_object_size(object) == 0)
        parameter_error(
            parameters, NAMES, "is empty, which KEDA and DynamoDB refuse; remove it or add a name");
    values_keep(parameters, object, good, &names);
    json_decref(object);
    return names;
}

static void expressions_report_flaw(
    void *data, enum attribute_flaw flaw, const char *where, const char *what, const char *keda)
{
    const struct parameters *parameters = *(const struct parameters **)data;

    if (flaw == ATTRIBUTE_WRONG)
        parameter_error(parameters, VALUES, "%s %s%s", where, what, keda);
    else
        parameter_warning(parameters, VALUES, "%s %s%s", where, what, keda);
}

struct values values_read(const struct parameters *parameters)
{
    struct values values = {0};
    struct attribute_check check = {
        .root = VALUES, .allow_now = true, .report = expressions_report_flaw, .data = &parameters};
    const char *key = NULL;
    json_t *member = NULL;
    bool good = true;

    values.bad = is_container(parameters, VALUES);
    if (parameter_text(parameters, VALUES) == NULL)
        return values;
    json_t *object = expressions_load(parameters, VALUES);
    values.bad = object == NULL;
    if (object == NULL)
        return values;
    if (json_object_size(object) == 0)
        parameter_warning(
            parameters, VALUES, "is empty, so it is not sent; remove it or add a value");
    json_object_foreach(object, key, member)
    {
        good &= attribute_check(&check, key, member);
    }
    values.uses_now = check.uses_now;
    parameters->parser->failed |= check.failed;
    values_keep(parameters, object, good && json_object_size(object) > 0, &values);
    json_decref(object);
    return values;
}
