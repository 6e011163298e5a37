#include "client/cli/value.h"

#include <string.h>

/* Wraps what is no AttributeValue yet. `json` is owned by the result, which may be NULL. */
static struct json *typed(const char *type, struct json *json)
{
    struct json *value = json_new_map();
    if (json_set(value, type, json))
        return value;
    json_free(value);
    return NULL;
}

/* The value of some text; NULL and `error` where it is none. */
static struct json *read_value(const char *text, char *error, size_t size)
{
    char reason[160];
    struct json *json = json_parse(text, reason, sizeof(reason));
    if (json == NULL && (text[0] == '{' || text[0] == '"')) {
        snprintf(error, size, "invalid JSON: %s", reason);
        return NULL;
    }
    struct json *value = NULL;
    switch (json != NULL ? json_kind(json) : JSON_KIND_STRING) {
    case JSON_KIND_MAP:
        return json;
    case JSON_KIND_BOOL:
        return typed("BOOL", json);
    case JSON_KIND_STRING:
        value = typed("S", json != NULL ? json : json_new_string(text));
        if (value == NULL)
            snprintf(error, size, "the text is not UTF-8");
        return value;
    case JSON_KIND_INTEGER:
    case JSON_KIND_REAL: /* its digits as written: AWS takes more than a double holds */
        json_free(json);
        return typed("N", json_new_string(text));
    case JSON_KIND_NULL:
    case JSON_KIND_ARRAY:
        break;
    }
    json_free(json);
    snprintf(error, size, "write an AttributeValue such as {\"S\": \"text\"} or {\"N\": \"5\"}");
    return NULL;
}

/* Splits "<mark>placeholder=rest"; the rest, or NULL where it is not written so. */
static const char *split(const char *text, char mark, char *name, size_t size)
{
    size_t len = strcspn(text, "=");
    if (text[0] != mark || text[len] != '=' || len < 2 || len >= size)
        return NULL;
    memcpy(name, text, len);
    name[len] = '\0';
    return text + len + 1;
}

bool value_add(struct json *values, const char *text, char *error, size_t size)
{
    char name[256], reason[200] = "the placeholder is not UTF-8";
    const char *rest = split(text, ':', name, sizeof(name));
    if (rest == NULL) {
        snprintf(error, size, "--value: \"%s\" is not :placeholder=VALUE", text);
        return false;
    }
    struct json *value = read_value(rest, reason, sizeof(reason));
    if (value != NULL && json_set(values, name, value))
        return true;
    snprintf(error, size, "--value %s: %s", name, reason);
    return false;
}

bool value_add_name(struct json *names, const char *text, char *error, size_t size)
{
    char name[256];
    const char *rest = split(text, '#', name, sizeof(name));
    if (rest != NULL && rest[0] != '\0' && json_set(names, name, json_new_string(rest)))
        return true;
    snprintf(error, size, "--name: \"%s\" is not #placeholder=attribute", text);
    return false;
}
