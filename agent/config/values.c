#include "agent/config/values.h"

#include "agent/config/attribute.h"
#include "agent/json.h"
#include "agent/library_text.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define NAMES  "expressionAttributeNames"
#define VALUES "expressionAttributeValues"

/* The object, which the caller releases; NULL with an error among the findings. */
static json_t *load(const struct parameters *parameters, const char *name)
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

static void collect_keys(const struct parameters *parameters, json_t *object, struct values *values)
{
    struct reading *reading = parameters->reading;
    const char *key = NULL;
    json_t *member = NULL;

    values->keys = arena_alloc_array(
        reading->scratch, json_object_size(object) + 1, sizeof(const char *));
    json_object_foreach(object, key, member)
    {
        const char *copy = values->keys != NULL ? arena_copy_string(reading->scratch, key) : NULL;
        if (copy == NULL) {
            reading->failed = true;
            return;
        }
        values->keys[values->key_count++] = copy;
    }
}

static void dump(const struct parameters *parameters, json_t *object, struct values *values)
{
    char *text = json_write(object, 0);
    if (text == NULL)
        parameters->reading->failed = true;
    else
        values->text = reading_keep(parameters->reading, text);
    free(text);
}

/* A list or a map where a text should be, which was an error already. */
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
    json_t *object = load(parameters, NAMES);
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
    collect_keys(parameters, object, &names);
    if (good)
        dump(parameters, object, &names);
    json_decref(object);
    return names;
}

static void tell_flaw(
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
        .root = VALUES, .allow_now = true, .tell = tell_flaw, .data = &parameters};
    const char *key = NULL;
    json_t *member = NULL;
    bool good = true;

    values.bad = is_container(parameters, VALUES);
    if (parameter_text(parameters, VALUES) == NULL)
        return values;
    json_t *object = load(parameters, VALUES);
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
    parameters->reading->failed |= check.failed;
    collect_keys(parameters, object, &values);
    if (good && json_object_size(object) > 0)
        dump(parameters, object, &values);
    json_decref(object);
    return values;
}
