/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config/lint.h"

#include "proto/suggest.h"

#include <string.h>
#include <strings.h>

#define LOWER             "abcdefghijklmnopqrstuvwxyz"
#define DIGIT             "0123456789"
#define ALNUM             LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGIT
#define DYNAMODB_NAME_MIN 3
#define DYNAMODB_NAME_MAX 255
#define ACCOUNT           12 /* digits */

/* A part of a text that the caller owns; len 0: absent. */
struct text_part {
    const char *start;
    size_t len;
};

/* The kinds of text that are searched for template placeholders. */
enum unrendered_where {
    UNRENDERED_ANY,        /* any of ${a} {{a}} $(a) $a <a> %a% #{a} */
    UNRENDERED_EXPRESSION, /* < and > are operators, # begins a name: ${a} {{a}} $(a) */
    UNRENDERED_WHOLE,      /* the whole text is one of UNRENDERED_ANY */
};

/* DynamoDB's rule for the names of tables and indexes. */
static bool dynamodb_name_is_valid(const char *name)
{
    size_t len = strlen(name);

    return len >= DYNAMODB_NAME_MIN && len <= DYNAMODB_NAME_MAX && strspn(name, ALNUM "_.-") == len;
}

/* One of the six parts of "arn:partition:service:region:account:resource", from 0. */
static struct text_part arn_part(const char *arn, int index)
{
    struct text_part part = {.start = arn};

    if (strncmp(arn, "arn:", 4) != 0)
        return (struct text_part){0};
    for (; index > 0; index--) {
        part.start += strcspn(part.start, ":");
        if (*part.start == '\0')
            return (struct text_part){0};
        part.start++;
    }
    part.len = strcspn(part.start, ":");
    return part;
}

static bool part_is(struct text_part part, const char *text)
{
    return part.len == strlen(text) && memcmp(part.start, text, part.len) == 0;
}

static bool arn_begins(const char *arn, const char *service)
{
    struct text_part partition = arn_part(arn, 1), account = arn_part(arn, 4);

    return partition.len >= 3 && memcmp(partition.start, "aws", 3) == 0 &&
           strspn(partition.start, LOWER "-") == partition.len &&
           part_is(arn_part(arn, 2), service) && account.len == ACCOUNT &&
           strspn(account.start, DIGIT) == ACCOUNT;
}

/* The region in an ARN; absent if the text is not an ARN. */
static struct text_part arn_region(const char *arn)
{
    return arn_part(arn, 3);
}

bool table_is_valid(const char *table)
{
    static const char kind[] = "table/";

    if (strncmp(table, "arn:", 4) != 0)
        return dynamodb_name_is_valid(table);
    const char *resource = arn_part(table, 5).start;
    return arn_begins(table, "dynamodb") && arn_region(table).len > 0 && resource != NULL &&
           strncmp(resource, kind, strlen(kind)) == 0 &&
           dynamodb_name_is_valid(resource + strlen(kind));
}

/* Whether it is the ARN of an IAM role. */
static bool role_arn_is_valid(const char *arn)
{
    static const char kind[] = "role/";
    const char *resource = arn_part(arn, 5).start;

    if (!arn_begins(arn, "iam") || arn_region(arn).len > 0 || resource == NULL ||
        strncmp(resource, kind, strlen(kind)) != 0)
        return false;
    const char *name = strrchr(resource, '/') + 1;
    return *name != '\0' && strspn(name, ALNUM "+=,.@_-") == strlen(name);
}

/* The region that an availability or local zone (eu-west-1a, us-west-2-lax-1a) is in; absent if the
 * text is not a zone. */
static struct text_part zone_region(const char *zone)
{
    const char *at = zone + strspn(zone, LOWER);
    size_t words = 1;

    while (*at == '-' && strspn(at + 1, LOWER) > 0) {
        at += 1 + strspn(at + 1, LOWER);
        words++;
    }
    size_t digits = *at == '-' ? strspn(at + 1, DIGIT) : 0;
    if (at == zone || words < 2 || digits == 0)
        return (struct text_part){0};
    const char *end = at + 1 + digits;
    bool letter = end[0] >= 'a' && end[0] <= 'z' && end[1] == '\0';
    bool local = end[0] == '-' && strspn(end, LOWER DIGIT "-") == strlen(end);
    return (struct text_part){.start = zone, .len = letter || local ? (size_t)(end - zone) : 0};
}

/* The length of the placeholder that begins here; 0: no placeholder. */
static size_t unrendered_length(const char *text, bool any)
{
    static const struct {
        const char *open, *close;
        bool any_only;
    } forms[] = {{"${", "}", false}, {"{{", "}}", false}, {"$(", ")", false}, {"<", ">", true},
        {"#{", "}", true}, {"%", "%", true}};

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        size_t open = strlen(forms[i].open);

        if ((forms[i].any_only && !any) || strncmp(text, forms[i].open, open) != 0)
            continue;
        const char *close = strstr(text + open, forms[i].close);
        size_t inside = close != NULL ? (size_t)(close - text) - open : 0;
        /* "%20b%" is a part of a URL. */
        if (inside > 0 && (*text != '%' || (strspn(text + 1, ALNUM "_") == inside &&
                                               strspn(text + 1, DIGIT) == 0)))
            return open + inside + strlen(forms[i].close);
    }
    if (!any || text[0] != '$')
        return 0;
    size_t name = strspn(text + 1, ALNUM "_");
    return name > 0 ? 1 + name : 0;
}

/* The first template placeholder in the text: the template was not rendered. */
static struct text_part unrendered_part(const char *text, enum unrendered_where where)
{
    for (const char *at = text; *at != '\0'; at++) {
        size_t len = unrendered_length(at, where != UNRENDERED_EXPRESSION);

        if (where == UNRENDERED_WHOLE)
            return (struct text_part){.start = text, .len = text[len] == '\0' ? len : 0};
        if (len > 0)
            return (struct text_part){.start = at, .len = len};
    }
    return (struct text_part){0};
}

/* ---- lint object ---- */

#define KEDA_NAME_MAX 63 /* KEDA writes it into a label */
#define PREFIX        "autoscaling.keda.sh/"

static const char *const root_fields[] = {"apiVersion", "kind", "metadata", "spec", "status", NULL};

/* Fields that tally uses, then (from UNUSED) those that it knows but only KEDA uses. */
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

/* Annotations that make KEDA scale differently from desired_replicas. */
static const struct {
    const char *name;
    const char *effect;
    bool is_switch; /* "false" turns it off */
    bool of_jobs;   /* of a ScaledJob, too */
} annotations[] = {
    {PREFIX "paused", "KEDA does not scale while this annotation is there", true, true},
    {PREFIX "paused-replicas", "KEDA keeps this number of replicas while this annotation is there",
        false, false},
    {PREFIX "paused-scale-in", "KEDA does not scale in while this annotation is there", true,
        false},
    {PREFIX "paused-scale-out", "KEDA does not scale out while this annotation is there", true,
        false},
    {PREFIX "force-activation",
        "KEDA keeps at least one replica, active or not, while this annotation is there", true,
        false},
};

static const char *const annotation_names[] = {PREFIX "paused", PREFIX "paused-replicas",
    PREFIX "paused-scale-in", PREFIX "paused-scale-out", PREFIX "force-activation", NULL};

static void lint_names_of(const struct scaled_object *object)
{
    const struct node *metadata = node_get(object->tree->root, "metadata");
    static const char *const fields[] = {"name", "namespace"};

    if (object->owner == OWNER_SNIPPET)
        return;
    for (size_t i = 0; i < 2; i++) {
        const struct node *node = node_get(metadata, fields[i]);
        const char *text = node_text(node);
        const char *subject = i == 0 ? "metadata.name" : "metadata.namespace";

        if (text != NULL && unrendered_part(text, UNRENDERED_ANY).len > 0)
            tree_report(object->tree, node, FINDING_WARNING, subject,
                "looks like a placeholder that was not replaced");
        else if (text != NULL && strlen(text) > KEDA_NAME_MAX)
            tree_report(object->tree, node, FINDING_WARNING, subject,
                i == 0 ? "has more than 63 characters, which KEDA 2.20 and later refuse; shorten it"
                       : "has more than 63 characters, which Kubernetes refuses; shorten it");
    }
}

static void lint_annotation(const struct scaled_object *object, const struct node_pair *pair)
{
    const char *name = pair->key->text;
    const char *text = node_text(pair->value);
    const struct tree *tree = object->tree;

    for (size_t i = 0; i < sizeof(annotations) / sizeof(annotations[0]); i++) {
        if (strcmp(annotations[i].name, name) != 0)
            continue;
        bool off = annotations[i].is_switch && text != NULL && strcasecmp(text, "false") == 0;
        if (object->owner == OWNER_SCALED_JOB && !annotations[i].of_jobs)
            tree_report(tree, pair->key, FINDING_NOTE, name, "KEDA ignores it in a ScaledJob");
        else if (!off)
            tree_report(tree, pair->key, FINDING_NOTE, name,
                "%s, so desired_replicas is not what happens", annotations[i].effect);
        if (pair->value->kind == NODE_BOOL || pair->value->kind == NODE_NUMBER)
            tree_report(tree, pair->key, FINDING_WARNING, name,
                "is not quoted, and Kubernetes refuses %s in an annotation; write \"%s\"",
                node_kind_name(pair->value->kind), pair->value->text);
        return;
    }
    const char *close = strncmp(name, PREFIX, strlen(PREFIX)) == 0 ? suggest(name, annotation_names)
                                                                   : NULL;
    if (close != NULL)
        tree_report(tree, pair->key, FINDING_WARNING, name,
            "not an annotation of KEDA's; did you mean %s?", close);
}

static void lint_annotations(const struct scaled_object *object)
{
    const struct node *map = node_get(node_get(object->tree->root, "metadata"), "annotations");

    for (uint32_t i = 0; map != NULL && map->kind == NODE_MAP && i < map->count; i++)
        lint_annotation(object, &map->pairs[i]);
}

static void lint_modifiers(const struct scaled_object *object)
{
    const struct node *modifiers = node_get(node_get(object->spec, "advanced"), "scalingModifiers");
    const struct node *formula = node_get_set(modifiers, "formula");

    if (formula != NULL)
        tree_report(object->tree, formula, FINDING_WARNING, "advanced.scalingModifiers.formula",
            "tally does not compute it: active and desired_replicas are those of each trigger "
            "alone");
    else if (object->has_modifiers)
        tree_report(object->tree, modifiers, FINDING_WARNING, "advanced.scalingModifiers",
            "has no formula, which KEDA refuses");
}

static void lint_spec(const struct scaled_object *object)
{
    if (object->polling_ms == 0)
        tree_report(object->tree, node_get(object->spec, "pollingInterval"), FINDING_WARNING,
            "pollingInterval",
            "is 0, so each request without max_age_ms queries DynamoDB; KEDA 2.20 and later refuse "
            "less than 1");
    if (object->scaling.idle_replicas > 0)
        tree_report(object->tree, node_get(object->spec, "idleReplicaCount"), FINDING_WARNING,
            "idleReplicaCount",
            "KEDA's documentation says that only 0 works, because of the HPA; write 0 or remove "
            "it");
    lint_modifiers(object);
}

void lint_object(const struct scaled_object *object)
{
    const struct tree *tree = object->tree;

    switch (object->owner) {
    case OWNER_SCALED_OBJECT:
        tree_check_fields(tree, tree->root, root_fields, SIZE_MAX);
        tree_check_fields(tree, object->spec, object_fields, OBJECT_UNUSED);
        break;
    case OWNER_SCALED_JOB:
        tree_check_fields(tree, tree->root, root_fields, SIZE_MAX);
        tree_check_fields(tree, object->spec, job_fields, JOB_UNUSED);
        break;
    case OWNER_SNIPPET:
        tree_check_fields(tree, object->spec, snippet_fields, SNIPPET_UNUSED);
        break;
    }
    lint_names_of(object);
    lint_annotations(object);
    lint_spec(object);
}

/* ---- lint auth ---- */

static void lint_role(const struct auth *auth, const struct value_ref *role,
    const struct node *node, const char *subject)
{
    const char *text = role->source != SOURCE_ABSENT ? auth_value_now(auth->parser, role) : NULL;

    if (text == NULL || *text == '\0' || role_arn_is_valid(text))
        return;
    tree_report(auth->tree, node, FINDING_WARNING, subject,
        "\"%.120s\" is not the ARN of a role, which looks like "
        "arn:aws:iam::123456789012:role/name%s",
        text,
        unrendered_part(text, UNRENDERED_ANY).len > 0 ? "; was a placeholder not replaced?" : "");
}

/* Never shows the value itself: it may be a secret. */
static void lint_secret(const struct auth *auth, enum auth_parameter parameter, const char *subject)
{
    const struct value_ref *value = &auth->parameters[parameter];
    const char *text = value->source != SOURCE_ABSENT ? auth_value_now(auth->parser, value) : NULL;

    if (text != NULL && unrendered_part(text, UNRENDERED_WHOLE).len > 0)
        tree_report(auth->tree, auth->nodes[parameter], FINDING_WARNING, subject,
            "the value of %s looks like a placeholder that was not replaced", value->origin);
}

void lint_auth(struct auth *auth)
{
    if (auth == NULL || auth->is_linted)
        return;
    auth->is_linted = true;
    lint_role(auth, &auth->role, auth->role_node, "podIdentity.roleArn");
    lint_role(auth, &auth->parameters[AUTH_ROLE], auth->nodes[AUTH_ROLE], "awsRoleArn");
    if (auth->role.source != SOURCE_ABSENT && strcmp(auth->provider, "aws") != 0)
        tree_report(auth->tree, auth->role_node, FINDING_WARNING, "podIdentity.roleArn",
            "is not used with provider %.40s, by KEDA neither; use provider aws, or the auth "
            "parameter awsRoleArn",
            auth->provider);
    lint_secret(auth, AUTH_EXTERNAL_ID, "awsExternalId");
    lint_secret(auth, AUTH_KEY_ID, "awsAccessKeyID");
    lint_secret(auth, AUTH_SECRET_KEY, "awsSecretAccessKey");
    lint_secret(auth, AUTH_SESSION_TOKEN, "awsSessionToken");
}

/* ---- lint query ---- */

#define PLACEHOLDER    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
#define EXPRESSION_MAX 4096 /* DynamoDB's own limit */
#define KEYS_MAX       1000 /* above it, only DynamoDB makes the comparison */
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
static bool lint_uses(const char *expression, const char *placeholder)
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

static bool is_defined(
    const struct query *query, const struct values *defined, const char *placeholder, size_t len)
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

static void check_undefined(const struct parameters *parameters, const struct query *query,
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

static void check_defined(const struct parameters *parameters, const struct query *query,
    const char *parameter, const struct values *defined, char mark)
{
    for (size_t i = 0; i < defined->key_count; i++) {
        const char *key = defined->keys[i];

        if (!lint_is_placeholder(key, mark))
            parameter_warning(parameters, parameter,
                "\"%s\" is not a placeholder, so DynamoDB will refuse it; begin it with %c", key,
                mark);
        else if (!lint_uses(query->key_condition, key) && !lint_uses(query->filter, key))
            parameter_warning(parameters, parameter,
                "%s is not used in the expressions, so DynamoDB will refuse the query; remove it",
                key);
    }
}

void lint_expressions(const struct parameters *parameters, const struct query *query,
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

        if (!lint_uses(query->key_condition, name) && !lint_uses(query->filter, name))
            parameter_warning(parameters, "clientValues",
                "%s is not used in the expressions, so DynamoDB will refuse the query", name);
    }
}

/* Parameters in which a template's placeholder has no other meaning; the table has its own rule. */
static const char *const plain_parameters[] = {"awsRegion", "targetValue", "activationTargetValue",
    "identityOwner", "indexName", "awsEndpoint", "awsAccessKeyID", "awsAccessKeyIDFromEnv",
    "awsSecretAccessKeyFromEnv", "countLimit", "maxPages", "clientValues", "shareTable", "sumOver",
    "budget", NULL};
static const char *const expression_parameters[] = {
    "sumOver", "keyConditionExpression", "filterExpression", NAMES, VALUES, NULL};

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

static void lint_table(const struct parameters *parameters, const struct query *query)
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

/* Only a whole value such as "<customer>": inside a longer text it may be data. */
static void lint_values(const struct parameters *parameters, const struct query *query)
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
    struct parser *parser = parameters->parser;

    tree_check_fields(parameters->tree, parameters->trigger, trigger_fields, SIZE_MAX);
    note_keda_requires(parameters, NAMES);
    note_keda_requires(parameters, VALUES);
    lint_unrendered(parameters, plain_parameters, UNRENDERED_ANY);
    lint_unrendered(parameters, expression_parameters, UNRENDERED_EXPRESSION);
    lint_values(parameters, &trigger->query);
    lint_table(parameters, &trigger->query);
    lint_region(parameters, trigger->query.region);
    if (trigger->scaling.is_job && trigger->scaling.metric_type == METRIC_VALUE) {
        tree_report(parameters->tree, node_get(parameters->trigger, "metricType"), FINDING_WARNING,
            "metricType",
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
    if (!parser->page_reported)
        parameter_note(parameters, "tableName",
            "KEDA (2.20.2, and its main branch of August 2026) counts the first page of a query "
            "only, at most 1 MB; tally counts every page, so its numbers can be higher; through "
            "tally-bridge KEDA would read those");
    parser->page_reported = true;
}
