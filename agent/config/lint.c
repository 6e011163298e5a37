#include "agent/config/lint.h"

#include "proto/suggest.h"

#include <string.h>

#define PLACEHOLDER    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
#define EXPRESSION_MAX 4096 /* DynamoDB's own limit */
#define KEYS_MAX       1000 /* beyond it the comparison is left to DynamoDB */
#define NAMES          "expressionAttributeNames"
#define VALUES         "expressionAttributeValues"

static const char *const root_fields[] = {"apiVersion", "kind", "metadata", "spec", "status", NULL};

/* What tally acts on, then (from UNUSED) what it knows and leaves to KEDA. */
static const char *const object_fields[] = {"triggers", "scaleTargetRef", "pollingInterval",
    "minReplicaCount", "maxReplicaCount", "idleReplicaCount", "fallback", "cooldownPeriod",
    "initialCooldownPeriod", "advanced", NULL};
#define OBJECT_UNUSED 7

static const char *const job_fields[] = {"triggers", "jobTargetRef", "pollingInterval",
    "minReplicaCount", "maxReplicaCount", "fallback", "idleReplicaCount",
    "successfulJobsHistoryLimit", "failedJobsHistoryLimit", "envSourceContainerName",
    "rolloutStrategy", "rollout", "scalingStrategy", NULL};
#define JOB_UNUSED 7

static const char *const snippet_fields[] = {"triggers", "pollingInterval", "minReplicaCount",
    "maxReplicaCount", "idleReplicaCount", "fallback", NULL};
#define SNIPPET_UNUSED 6

static const char *const trigger_fields[] = {
    "type", "name", "metadata", "metricType", "authenticationRef", "useCachedMetrics", NULL};

static size_t position(const char *const *words, const char *word)
{
    size_t i = 0;
    while (words[i] != NULL && strcmp(words[i], word) != 0)
        i++;
    return i;
}

static void check_fields(struct reading *reading, const struct tree *tree, const struct node *map,
    const char *const *known, size_t unused)
{
    for (uint32_t i = 0; map != NULL && map->kind == NODE_MAP && i < map->count; i++) {
        const char *name = map->pairs[i].key->text;
        struct place place = node_place(tree, map->pairs[i].key);
        size_t at = position(known, name);
        const char *close = known[at] == NULL ? suggest(name, known) : NULL;

        if (known[at] != NULL && at >= unused)
            findings_add(&reading->findings, FINDING_NOTE, &place, name,
                "accepted; tally does not act on it");
        else if (close != NULL)
            findings_add(&reading->findings, FINDING_WARNING, &place, name,
                "unknown field, so it is ignored; did you mean %s?", close);
        else if (known[at] == NULL)
            findings_add(&reading->findings, FINDING_WARNING, &place, name,
                "unknown field, so it is ignored");
    }
}

void lint_object(const struct scaled_object *object)
{
    struct reading *reading = object->reading;
    const struct tree *tree = &object->document->tree;
    const struct node *formula = node_get_set(
        node_get_set(node_get_set(object->spec, "advanced"), "scalingModifiers"), "formula");

    switch (object->owner) {
    case OWNER_SCALED_OBJECT:
        check_fields(reading, tree, tree->root, root_fields, SIZE_MAX);
        check_fields(reading, tree, object->spec, object_fields, OBJECT_UNUSED);
        break;
    case OWNER_SCALED_JOB:
        check_fields(reading, tree, tree->root, root_fields, SIZE_MAX);
        check_fields(reading, tree, object->spec, job_fields, JOB_UNUSED);
        break;
    case OWNER_SNIPPET:
        check_fields(reading, tree, object->spec, snippet_fields, SNIPPET_UNUSED);
        break;
    }
    if (formula != NULL) {
        struct place place = node_place(tree, formula);
        findings_add(&reading->findings, FINDING_WARNING, &place,
            "advanced.scalingModifiers.formula",
            "tally does not compute it: active and desired_replicas are those of each trigger "
            "alone");
    }
}

bool lint_is_placeholder(const char *text, char mark)
{
    size_t len = text[0] == mark ? strspn(text + 1, PLACEHOLDER) : 0;
    return len > 0 && text[1 + len] == '\0';
}

/* Whether `expression` (NULL: none) has this placeholder as a whole word. */
static bool uses(const char *expression, const char *placeholder)
{
    size_t len = strlen(placeholder);

    if (expression == NULL || len == 0)
        return false;
    while ((expression = strstr(expression, placeholder)) != NULL) {
        expression += len;
        if (*expression == '\0' || strchr(PLACEHOLDER, *expression) == NULL)
            return true;
    }
    return false;
}

static bool is_defined(const struct trigger_query *query, const struct values *defined,
    const char *placeholder, size_t len)
{
    for (size_t i = 0; i < defined->key_count; i++) {
        if (strlen(defined->keys[i]) == len && memcmp(defined->keys[i], placeholder, len) == 0)
            return true;
    }
    for (size_t i = 0; *placeholder == ':' && i < query->client_value_count; i++) {
        const char *name = query->client_values[i];
        if (strlen(name) == len && memcmp(name, placeholder, len) == 0)
            return true;
    }
    return false;
}

static void check_undefined(const struct parameters *parameters, const struct trigger_query *query,
    const char *parameter, const struct values *defined, char mark)
{
    const char *text = parameter_text(parameters, parameter);

    for (; text != NULL && *text != '\0'; text++) {
        size_t len = *text == mark ? strspn(text + 1, PLACEHOLDER) : 0;
        if (len == 0)
            continue;
        if (!is_defined(query, defined, text, len + 1))
            parameter_warning(parameters, parameter,
                "uses %.*s, which %s does not define, so DynamoDB will refuse the query; add it",
                (int)(len < 255 ? len + 1 : 255), text, mark == '#' ? NAMES : VALUES);
        text += len;
    }
}

static void check_defined(const struct parameters *parameters, const struct trigger_query *query,
    const char *parameter, const struct values *defined, char mark)
{
    for (size_t i = 0; i < defined->key_count; i++) {
        const char *key = defined->keys[i];
        if (!lint_is_placeholder(key, mark))
            parameter_warning(parameters, parameter,
                "\"%s\" is no placeholder, so DynamoDB will refuse it; begin it with %c", key,
                mark);
        else if (!uses(query->key_condition, key) && !uses(query->filter, key))
            parameter_warning(parameters, parameter,
                "%s is not used in the expressions, so DynamoDB will refuse the query; remove it",
                key);
    }
}

void lint_expressions(const struct parameters *parameters, const struct trigger_query *query,
    const struct values *names, const struct values *values)
{
    size_t condition = strlen(query->key_condition);
    size_t filter = query->filter != NULL ? strlen(query->filter) : 0;

    if (condition > EXPRESSION_MAX || filter > EXPRESSION_MAX) {
        parameter_warning(parameters,
            condition > EXPRESSION_MAX ? "keyConditionExpression" : "filterExpression",
            "is longer than 4 KB, so DynamoDB will refuse it");
        return;
    }
    if (condition == 0 || names->bad || values->bad)
        return;
    if (names->key_count > KEYS_MAX || values->key_count > KEYS_MAX)
        return;
    check_defined(parameters, query, NAMES, names, '#');
    check_defined(parameters, query, VALUES, values, ':');
    check_undefined(parameters, query, "keyConditionExpression", names, '#');
    check_undefined(parameters, query, "keyConditionExpression", values, ':');
    check_undefined(parameters, query, "filterExpression", names, '#');
    check_undefined(parameters, query, "filterExpression", values, ':');
    for (size_t i = 0; i < query->client_value_count; i++) {
        const char *name = query->client_values[i];
        if (!uses(query->key_condition, name) && !uses(query->filter, name))
            parameter_warning(parameters, "clientValues",
                "%s is not used in the expressions, so DynamoDB will refuse the query", name);
    }
}

static void note_keda_requires(const struct parameters *parameters, const char *name)
{
    const struct node *node = node_get(parameters->metadata, name);
    if (parameter_text(parameters, name) == NULL && (node == NULL || node_is_scalar(node)))
        parameter_note(parameters, name, "not given, which DynamoDB allows; KEDA requires it");
}

void lint_trigger(const struct parameters *parameters, const struct trigger *trigger)
{
    struct reading *reading = parameters->reading;

    check_fields(reading, parameters->tree, parameters->trigger, trigger_fields, SIZE_MAX);
    note_keda_requires(parameters, NAMES);
    note_keda_requires(parameters, VALUES);
    if (trigger->query.consistent_read && trigger->query.index != NULL)
        parameter_warning(parameters, "consistentRead",
            "a global secondary index refuses consistent reads (a local one does not); remove it "
            "if %s is global",
            trigger->query.index);
    if (trigger->query.uses_now)
        parameter_note(parameters, VALUES, "$now is tally's own: KEDA sends it as it is written");
    if (!reading->page_told)
        parameter_note(parameters, "tableName",
            "KEDA (to 2.21) counts the first page of a query only, at most 1 MB; tally counts "
            "every page, so its numbers can be higher");
    reading->page_told = true;
}
