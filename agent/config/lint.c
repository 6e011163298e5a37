#include "agent/config/lint.h"

#include "agent/config/aws_names.h"
#include "agent/config/lint_object.h"

#include <string.h>

#define PLACEHOLDER    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
#define EXPRESSION_MAX 4096 /* DynamoDB's own limit */
#define KEYS_MAX       1000 /* beyond it the comparison is left to DynamoDB */
#define NAMES          "expressionAttributeNames"
#define VALUES         "expressionAttributeValues"

static const char *const trigger_fields[] = {
    "type", "name", "metadata", "metricType", "authenticationRef", "useCachedMetrics", NULL};

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

/* Parameters in which a template's placeholder has no other meaning; the table has its own rule. */
static const char *const plain_parameters[] = {"awsRegion", "targetValue", "activationTargetValue",
    "identityOwner", "indexName", "awsEndpoint", "awsAccessKeyID", "awsAccessKeyIDFromEnv",
    "awsSecretAccessKeyFromEnv", "countLimit", "maxPages", "clientValues", NULL};
static const char *const expression_parameters[] = {
    "keyConditionExpression", "filterExpression", NAMES, VALUES, NULL};

static void lint_unrendered(
    const struct parameters *parameters, const char *const *names, enum unrendered_where where)
{
    for (; *names != NULL; names++) {
        const char *text = parameter_text(parameters, *names);
        struct text_part part = unrendered_part(text != NULL ? text : "", where);
        if (part.len > 0)
            parameter_warning(parameters, *names,
                "%.*s looks like a placeholder that was not replaced; render the template first",
                (int)(part.len < 80 ? part.len : 80), part.start);
    }
}

static void lint_table(const struct parameters *parameters, const struct trigger_query *query)
{
    struct text_part region = arn_region(query->table);

    if (*query->table == '\0')
        return;
    if (!table_is_valid(query->table))
        parameter_warning(parameters, "tableName",
            "\"%.80s\" cannot be the name of a table: that has 3 to 255 of a-z, A-Z, 0-9, \"_\", "
            "\"-\" and \".\", or is the ARN of a table%s",
            query->table,
            unrendered_part(query->table, UNRENDERED_ANY).len > 0
                ? "; was a placeholder not replaced?"
                : "");
    else if (region.len > 0 && *query->region != '\0' &&
             (strlen(query->region) != region.len ||
                 memcmp(query->region, region.start, region.len) != 0))
        parameter_warning(parameters, "awsRegion",
            "is %.40s, and the ARN of the table is in %.*s; DynamoDB finds the table there only",
            query->region, (int)region.len, region.start);
    if (query->index != NULL && !dynamodb_name_is_valid(query->index) &&
        unrendered_part(query->index, UNRENDERED_ANY).len == 0)
        parameter_warning(parameters, "indexName",
            "\"%.80s\" cannot be the name of an index: that has 3 to 255 of a-z, A-Z, 0-9, \"_\", "
            "\"-\" and \".\"",
            query->index);
}

static void lint_region(const struct parameters *parameters, const char *region)
{
    struct text_part part = zone_region(region);

    if (part.len > 0)
        parameter_warning(parameters, "awsRegion",
            "%.40s is an availability zone, not a region; write %.*s", region, (int)part.len,
            part.start);
}

/* A whole value such as "<customer>": inside a longer text it may be data. */
static void lint_values(const struct parameters *parameters, const struct trigger_query *query)
{
    const char *at = query->values;

    while (at != NULL && (at = strstr(at, "\"<")) != NULL) {
        size_t len = strspn(at + 2, PLACEHOLDER "-. ");
        if (len > 0 && at[2 + len] == '>' && at[3 + len] == '"') {
            parameter_warning(parameters, VALUES,
                "<%.*s> looks like a placeholder that was not replaced", (int)len, at + 2);
            return;
        }
        at += 2;
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

    lint_fields(reading, parameters->tree, parameters->trigger, trigger_fields, SIZE_MAX);
    note_keda_requires(parameters, NAMES);
    note_keda_requires(parameters, VALUES);
    lint_unrendered(parameters, plain_parameters, UNRENDERED_ANY);
    lint_unrendered(parameters, expression_parameters, UNRENDERED_EXPRESSION);
    lint_values(parameters, &trigger->query);
    lint_table(parameters, &trigger->query);
    lint_region(parameters, trigger->query.region);
    if (trigger->scaling.is_job && trigger->scaling.metric_type == METRIC_VALUE) {
        struct place place = node_place(
            parameters->tree, node_get(parameters->trigger, "metricType"));
        findings_add(&reading->findings, FINDING_WARNING, &place, "metricType",
            "KEDA finds no average for a ScaledJob with Value, and starts no jobs; use "
            "AverageValue");
    }
    if (trigger->query.consistent_read && trigger->query.index != NULL)
        parameter_warning(parameters, "consistentRead",
            "a global secondary index refuses consistent reads (a local one does not); remove it "
            "if %s is global",
            trigger->query.index);
    if (trigger->query.uses_now)
        parameter_note(parameters, VALUES, "$now is tally's own: KEDA sends it as it is written");
    if (!reading->page_told)
        parameter_note(parameters, "tableName",
            "KEDA (2.20.2, and its main branch of August 2026) counts the first page of a query "
            "only, at most 1 MB; tally counts every page, so its numbers can be higher");
    reading->page_told = true;
}
