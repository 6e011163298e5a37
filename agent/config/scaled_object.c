/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config/scaled_object.h"

#include "agent/config/auth.h"
#include "agent/config/expressions.h"
#include "agent/config/identity_spec.h"
#include "agent/config/lint.h"
#include "agent/config/sum_over.h"
#include "agent/option_table.h"
#include "proto/suggest.h"

#include <string.h>

#define POLLING_DEFAULT_S    30
#define MAX_REPLICAS_DEFAULT 100
#define TYPE                 "aws-dynamodb"
#define MISSING              "missing; each aws-dynamodb trigger needs it"

/* A whole number of the spec; `fallback` if it is absent, or not a number (an error). */
static int32_t read_count(const struct scaled_object *object, const struct node *map,
    const char *subject, int32_t least, int32_t fallback)
{
    const char *dot = strrchr(subject, '.');
    const struct node *node = node_get_set(map, dot != NULL ? dot + 1 : subject);
    const char *text = node_text(node);
    int64_t value = 0;

    if (node == NULL)
        return fallback;
    if (!node_to_int64(node, &value) || value > INT32_MAX || value < least) {
        tree_report(object->tree, node, FINDING_ERROR, subject,
            "must be a whole number%s from %d to %d",
            strcmp(subject, "pollingInterval") == 0 ? " of seconds" : "", least, INT32_MAX);
        return fallback;
    }
    if (node->kind == NODE_STRING)
        tree_report(object->tree, node, FINDING_WARNING, subject,
            "is quoted, and Kubernetes refuses a text here; write %s", text);
    return (int32_t)value;
}

static const char *const behaviors[] = {[FALLBACK_STATIC] = "static",
    [FALLBACK_CURRENT] = "currentReplicas",
    [FALLBACK_CURRENT_IF_HIGHER] = "currentReplicasIfHigher",
    [FALLBACK_CURRENT_IF_LOWER] = "currentReplicasIfLower",
    [FALLBACK_UNKNOWN] = NULL};

const char *fallback_behavior_name(enum fallback_behavior behavior)
{
    return behaviors[behavior];
}

static enum fallback_behavior read_behavior(
    const struct scaled_object *object, const struct node *node)
{
    const struct tree *tree = object->tree;
    const char *text = node_text(node);

    if (node == NULL)
        return FALLBACK_STATIC;
    size_t behavior = text != NULL ? text_index(text, behaviors) : FALLBACK_UNKNOWN;
    if (behavior == FALLBACK_UNKNOWN && text != NULL && strcmp(text, "scalingModifiers") == 0)
        tree_report(object->tree, node, FINDING_WARNING, "fallback.behavior",
            "tally does not compute scalingModifiers, so answers in fallback will have no "
            "desired_replicas");
    else if (behavior == FALLBACK_UNKNOWN) {
        const char *close = text != NULL ? suggest(text, behaviors) : NULL;

        tree_report(tree, node, FINDING_WARNING, "fallback.behavior",
            "not a behavior of KEDA's, so answers in fallback will have no desired_replicas%s%s%s",
            close != NULL ? "; did you mean " : "", close != NULL ? close : "",
            close != NULL ? "?" : "");
    } else if (behavior != FALLBACK_STATIC)
        tree_report(object->tree, node, FINDING_NOTE, "fallback.behavior",
            "needs the present replicas: answers in fallback have desired_replicas only where the "
            "request has replicas");
    return (enum fallback_behavior)behavior;
}

static void read_fallback(struct scaled_object *object)
{
    const struct node *fallback = node_get_set(object->spec, "fallback");
    struct trigger_scaling *scaling = &object->scaling;

    if (fallback == NULL)
        return;
    if (fallback->kind != NODE_MAP) {
        tree_report(object->tree, fallback, FINDING_ERROR, "fallback",
            "must be a map with failureThreshold and replicas");
        return;
    }
    if (scaling->is_job) {
        tree_report(
            object->tree, fallback, FINDING_WARNING, "fallback", "ignored: a ScaledJob has none");
        return;
    }
    if (node_get_set(fallback, "failureThreshold") == NULL ||
        node_get_set(fallback, "replicas") == NULL)
        tree_report(object->tree, fallback, FINDING_ERROR, "fallback",
            "needs both failureThreshold and replicas");
    scaling->has_fallback = true;
    scaling->fallback_threshold = read_count(object, fallback, "fallback.failureThreshold", 0, 0);
    scaling->fallback_replicas = read_count(object, fallback, "fallback.replicas", 0, 0);
    scaling->fallback_behavior = read_behavior(object, node_get_set(fallback, "behavior"));
}

static void read_bounds(struct scaled_object *object)
{
    struct trigger_scaling *scaling = &object->scaling;
    const struct node *min = node_get_set(object->spec, "minReplicaCount");
    const struct node *idle = node_get_set(object->spec, "idleReplicaCount");

    scaling->is_job = object->owner == OWNER_SCALED_JOB;
    scaling->min_replicas = read_count(object, object->spec, "minReplicaCount", 0, 0);
    scaling->max_replicas = read_count(
        object, object->spec, "maxReplicaCount", 1, MAX_REPLICAS_DEFAULT);
    scaling->idle_replicas = read_count(object, object->spec, "idleReplicaCount", 0, -1);
    if (scaling->min_replicas > scaling->max_replicas) {
        tree_report(object->tree, min, scaling->is_job ? FINDING_WARNING : FINDING_ERROR,
            "minReplicaCount", "must not be above maxReplicaCount (%d)", scaling->max_replicas);
        scaling->min_replicas = scaling->max_replicas;
    }
    if (idle != NULL && scaling->is_job) {
        tree_report(object->tree, idle, FINDING_WARNING, "idleReplicaCount",
            "ignored: a ScaledJob has none");
        scaling->idle_replicas = -1;
    } else if (scaling->idle_replicas >= 0 && scaling->idle_replicas >= scaling->min_replicas) {
        tree_report(object->tree, idle, FINDING_ERROR, "idleReplicaCount",
            "must be below minReplicaCount (%d)", scaling->min_replicas);
    }
}

static void read_spec(struct scaled_object *object)
{
    int32_t seconds = read_count(object, object->spec, "pollingInterval", 0, POLLING_DEFAULT_S);

    object->polling_ms = (int64_t)seconds * 1000;
    const struct node *modifiers = node_get_set(
        node_get_set(object->spec, "advanced"), "scalingModifiers");
    object->has_modifiers = object->owner == OWNER_SCALED_OBJECT && modifiers != NULL &&
                            modifiers->kind == NODE_MAP && modifiers->count > 0;
    read_bounds(object);
    read_fallback(object);
}

/* tally ignores a trigger of another scaler, but one without a type is a mistake. */
static void report_other(const struct scaled_object *object, const struct node *trigger)
{
    static const char *const types[] = {TYPE, NULL};
    const struct node *type = node_get_set(trigger, "type");
    const struct tree *tree = object->tree;

    if (trigger->kind != NODE_MAP)
        tree_report(object->tree, trigger, FINDING_ERROR, "triggers", "each trigger must be a map");
    else if (node_text(type) == NULL)
        tree_report(object->tree, trigger, FINDING_ERROR, "type", "missing; write type: " TYPE);
    else
        tree_report(tree, type, FINDING_WARNING, "type",
            "skipped: tally counts " TYPE " triggers only, not %s%s", node_text(type),
            suggest(node_text(type), types) != NULL ? "; did you mean " TYPE "?" : "");
}

static const struct node *find_triggers(const struct scaled_object *object)
{
    const struct node *root = object->tree->root;
    const struct node *triggers = node_get_set(object->spec, "triggers");
    const struct node *at_root = node_get_set(root, "triggers");

    if (triggers != NULL && triggers->kind == NODE_LIST)
        return triggers;
    if (triggers != NULL)
        tree_report(object->tree, triggers, FINDING_ERROR, "triggers",
            "must be a list; begin each trigger with \"- \"");
    else if (at_root != NULL)
        tree_report(
            object->tree, at_root, FINDING_ERROR, "triggers", "belongs below spec; indent it");
    else
        tree_report(object->tree, root, FINDING_ERROR, "triggers",
            "missing; add a list with an " TYPE " trigger below spec");
    return NULL;
}

static bool is_dynamodb(const struct node *trigger)
{
    const char *type = node_text(node_get(trigger, "type"));

    return type != NULL && strcmp(type, TYPE) == 0;
}

/* ---- one trigger ---- */

/* The state of the trigger that is being read, shared by the steps below. */
struct step {
    const struct scaled_object *object;
    struct parser *parser;
    struct parameters parameters;
    struct auth *auth;
    struct trigger trigger;
};

/* Characters that KEDA keeps out of metric names. */
static const char *metric_name(struct parser *parser, unsigned index, const char *table)
{
    char *name = arena_printf(parser->kept, "s%u-aws-dynamodb-%s", index, table);

    parser->failed |= name == NULL;
    for (char *c = name; c != NULL && *c != '\0'; c++) {
        if (strchr("/.:%()", *c) != NULL)
            *c = '-';
    }
    return name;
}

/* Reports a parameter that is absent; one that is not a text was already reported. */
static void trigger_require(const struct step *step, const char *name, const char *message)
{
    const struct node *node = node_get(step->parameters.metadata, name);

    if (parameter_text(&step->parameters, name) != NULL)
        return;
    if (node != NULL && node->kind == NODE_NULL)
        parameter_error(&step->parameters, name,
            "is empty; write its value, in quotes where it begins with # (else that is a comment)");
    else if (node == NULL || node_is_scalar(node))
        parameter_error(&step->parameters, name, "%s", message);
}

static const char *trigger_required(const struct step *step, const char *name)
{
    const char *text = parameter_keep(&step->parameters, name);

    trigger_require(step, name, MISSING);
    return text != NULL ? text : "";
}

/* KEDA takes the region from the metadata first, then from the auth parameters. */
static const char *read_region(const struct step *step)
{
    const char *text = parameter_keep(&step->parameters, "awsRegion");
    const struct value_ref *value = NULL;

    if (text != NULL)
        return text;
    value = step->auth != NULL ? &step->auth->parameters[AUTH_REGION] : NULL;
    if (value == NULL || value->source == SOURCE_ABSENT) {
        trigger_require(
            step, "awsRegion", "missing; write the region of the table, such as eu-west-1");
        return "";
    }
    text = auth_value_now(step->parser, value);
    if (text != NULL && *text != '\0')
        return parser_keep(step->parser, text);
    tree_report(step->auth->tree, step->auth->nodes[AUTH_REGION], FINDING_WARNING, "awsRegion",
        "cannot be read here (%s), so queries will fail until it is there and the configuration is "
        "reloaded; write it in the trigger",
        value->origin);
    return "";
}

/* A problem caused by an environment variable is not the trigger's fault, and is reported once. */
static void report_endpoint(const struct step *step, enum endpoint_fault fault, const char *why)
{
    const struct place place = {.file = "environment"};

    if (fault != ENDPOINT_FAULT_ENVIRONMENT) {
        parameter_error(&step->parameters,
            fault == ENDPOINT_FAULT_CUSTOM ? "awsEndpoint" : "awsRegion", "%s", why);
    } else if (!step->parser->environment_reported) {
        step->parser->environment_reported = true;
        findings_add(&step->parser->findings, FINDING_ERROR, &place, "", "%s", why);
    }
}

/* Whether the endpoints can be resolved: the region, the trigger's endpoint and the environment
 * must be consistent. A region that is not known yet was already reported. */
static void check_endpoints(const struct step *step)
{
    const struct query *query = &step->trigger.query;
    const struct endpoint_environment *environment = &step->parser->environment;
    const struct identity_spec *identity = step->trigger.identity;
    bool asks_sts = identity != NULL && identity->kind != IDENTITY_STATIC;
    struct endpoint endpoint;
    char why[256];

    if (*query->region == '\0')
        return;
    if (endpoint_dynamodb(
            &endpoint, environment, query->region, query->endpoint, why, sizeof(why)) < 0 ||
        (asks_sts && endpoint_sts(&endpoint, environment, query->region, why, sizeof(why)) < 0))
        report_endpoint(step, endpoint.fault, why);
}

/* ":a, :b" as a list of names. */
static void read_client_values(struct step *step)
{
    const char *text = parameter_text(&step->parameters, "clientValues");
    struct query *query = &step->trigger.query;
    size_t capacity = 1;

    if (text == NULL)
        return;
    for (const char *c = text; *c != '\0'; c++)
        capacity += *c == ',';
    const char **names = parser_array(
        step->parser, step->parser->kept, capacity, sizeof(const char *));
    query->client_values = names;
    while (names != NULL && text != NULL && *text != '\0') {
        size_t len = 0;
        const char *item = parameter_next_item(&text, &len);
        const char *name = parser_keep_part(step->parser, item, len);

        if (name != NULL && lint_is_placeholder(name, ':'))
            names[query->client_value_count++] = name;
        else if (name != NULL)
            parameter_error(&step->parameters, "clientValues",
                "must be placeholders with commas between them, such as \":customer,:state\"; "
                "\"%s\" is not a valid placeholder",
                name);
    }
}

/* The agent counts a warm trigger without a client request, so no client supplies its values. */
static void check_warm_values(const struct step *step, const struct values *values)
{
    const struct query *query = &step->trigger.query;

    for (size_t i = 0; step->trigger.warm && !values->bad && i < query->client_value_count; i++) {
        const char *name = query->client_values[i];
        size_t at = 0;

        while (at < values->key_count && strcmp(values->keys[at], name) != 0)
            at++;
        if (at == values->key_count)
            parameter_error(&step->parameters, "warm",
                "there is nothing to count with for %s, which only clients supply; give it a value "
                "in expressionAttributeValues, or leave warm out",
                name);
    }
}

static void read_share_table(struct step *step)
{
    const char *table = parameter_keep(&step->parameters, "shareTable");

    if (table != NULL && strcmp(table, "off") == 0)
        table = "";
    else if (table != NULL && !table_is_valid(table))
        parameter_error(&step->parameters, "shareTable",
            "must be the name of a DynamoDB table, or \"off\", not \"%s\"", table);
    step->trigger.share_table = table;
}

static void read_budget(struct step *step)
{
    const char *text = parameter_text(&step->parameters, "budget");

    if (text != NULL && !option_value_units(text, &step->trigger.budget_rcu))
        parameter_error(&step->parameters, "budget",
            "must be a number of read capacity units for an hour, such as 50000, not \"%s\"", text);
}

static void read_query(struct step *step)
{
    const struct parameters *p = &step->parameters;
    struct query *query = &step->trigger.query;
    struct values names = names_read(p);
    struct values values = values_read(p);

    query->region = read_region(step);
    query->table = trigger_required(step, "tableName");
    query->key_condition = trigger_required(step, "keyConditionExpression");
    query->index = parameter_keep(p, "indexName");
    query->filter = parameter_keep(p, "filterExpression");
    query->names = names.text;
    query->values = values.text;
    query->uses_now = values.uses_now;
    query->consistent_read = parameter_bool(p, "consistentRead", false);
    int64_t pages = parameter_integer(p, "maxPages", 1, 0);
    if (pages > UINT32_MAX)
        parameter_error(p, "maxPages", "must be at most %u", UINT32_MAX);
    else
        query->max_pages = (uint32_t)pages;
    query->endpoint = parameter_keep(p, "awsEndpoint");
    read_client_values(step);
    sum_over_read(p, &values, query);
    lint_expressions(p, query, &names, &values);
    step->trigger.warm = parameter_bool(p, "warm", false);
    check_warm_values(step, &values);
    read_share_table(step);
    read_budget(step);
}

static void read_metric_type(struct step *step)
{
    const struct node *node = node_get_set(step->parameters.trigger, "metricType");
    const char *text = node_text(node);

    if (node == NULL || (text != NULL && strcmp(text, "AverageValue") == 0))
        return;
    if (text != NULL && strcmp(text, "Value") == 0)
        step->trigger.scaling.metric_type = METRIC_VALUE;
    else
        tree_report(step->parameters.tree, node, FINDING_ERROR, "metricType",
            "must be AverageValue or Value; KEDA knows Utilization for cpu and memory only");
}

static void read_limit(struct step *step)
{
    const char *text = parameter_text(&step->parameters, "countLimit");
    struct trigger_scaling *scaling = &step->trigger.scaling;
    uint64_t limit = 0;
    int64_t number = 0;

    if (text == NULL) {
        limit = 0;
    } else if (strcmp(text, "auto") != 0 &&
               !parameter_to_int64(&step->parameters, "countLimit", &number)) {
        parameter_error(&step->parameters, "countLimit",
            "must be a whole number or \"auto\", not \"%s\"", text);
    } else if (strcmp(text, "auto") != 0) {
        limit = (uint64_t)parameter_integer(&step->parameters, "countLimit", 1, 0);
    } else if (scaling->target == 0) {
        parameter_warning(&step->parameters, "countLimit",
            "auto needs a targetValue, so there is no limit; write a number");
    } else if (__builtin_mul_overflow(
                   (uint64_t)scaling->max_replicas, (uint64_t)scaling->target, &limit)) {
        limit = UINT64_MAX;
    }
    step->trigger.query.count_limit = limit;
}

static void read_scaling(struct step *step)
{
    const struct parameters *p = &step->parameters;
    struct trigger_scaling *scaling = &step->trigger.scaling;

    *scaling = step->object->scaling;
    read_metric_type(step);
    /* The formula of scalingModifiers has a target of its own. */
    bool needs_target = !step->object->has_modifiers;
    if (needs_target)
        trigger_require(step, "targetValue", MISSING);
    scaling->target = parameter_integer(p, "targetValue", needs_target, needs_target);
    scaling->activation = parameter_integer(p, "activationTargetValue", INT64_MIN, 0);
    read_limit(step);
    step->trigger.polling_ms = step->object->polling_ms;
    if (step->trigger.warm && step->trigger.polling_ms == 0)
        parameter_error(p, "warm", "needs a pollingInterval of at least 1");
}

static void read_name(struct step *step)
{
    const struct scaled_object *object = step->object;
    const struct node *node = node_get_set(step->parameters.trigger, "name");
    const char *text = node_text(node);
    struct trigger *trigger = &step->trigger;

    for (const char *c = text; c != NULL && *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            tree_report(step->parameters.tree, node, FINDING_ERROR, "name",
                "must not hold control characters");
            text = NULL;
            break;
        }
    }
    if (text != NULL && *text != '\0')
        trigger->trigger_name = parser_keep(step->parser, text);
    if (trigger->only)
        trigger->name = parser_printf(step->parser, "%s/%s", object->namespace_, object->name);
    else if (trigger->trigger_name != NULL)
        trigger->name = parser_printf(
            step->parser, "%s/%s/%s", object->namespace_, object->name, trigger->trigger_name);
    else
        trigger->name = parser_printf(
            step->parser, "%s/%s/%u", object->namespace_, object->name, trigger->index);
}

static void read_trigger(
    const struct scaled_object *object, unsigned index, const struct node *node)
{
    const struct tree *tree = object->tree;
    const struct node *metadata = node_get_set(node, "metadata");
    const struct node *reference = node_get_set(node, "authenticationRef");
    struct step step = {.object = object,
        .parser = object->parser,
        .parameters = {.parser = object->parser,
            .tree = tree,
            .metadata = metadata,
            .trigger = node},
        .trigger = {.namespace_ = object->namespace_,
            .object = object->name,
            .index = index,
            .only = object->dynamodb_count == 1,
            .owner = object->owner,
            .file = object->file,
            .line = node->line,
            .column = node->column}};

    if (metadata == NULL || metadata->kind != NODE_MAP) {
        tree_report(tree, metadata != NULL ? metadata : node, FINDING_ERROR, "metadata",
            "must be a map with awsRegion, tableName, keyConditionExpression and targetValue");
        return;
    }
    parameters_check(&step.parameters);
    if (reference != NULL)
        step.auth = auth_find(object->parser, tree, reference, object->namespace_);
    lint_auth(step.auth);
    read_name(&step);
    read_query(&step);
    read_scaling(&step);
    step.trigger.metric_name = metric_name(step.parser, index, step.trigger.query.table);
    /* A reference to nothing is already an error: do not report what would be used instead. */
    if (reference == NULL || step.auth != NULL)
        step.trigger.identity = identity_spec_choose(
            &step.parameters, step.auth, step.trigger.query.region);
    else
        identity_owner_is_operator(&step.parameters);
    check_endpoints(&step);
    lint_trigger(&step.parameters, &step.trigger);
    struct trigger *trigger = parser_add_trigger(step.parser);
    if (trigger != NULL)
        *trigger = step.trigger;
}

/* ---- all ---- */

/* Counts the aws-dynamodb triggers, and reports the others. */
static size_t count_triggers(const struct scaled_object *object, const struct node *triggers)
{
    size_t count = 0;

    for (uint32_t i = 0; triggers != NULL && i < triggers->count; i++) {
        if (is_dynamodb(triggers->items[i]))
            count++;
        else
            report_other(object, triggers->items[i]);
    }
    return count;
}

void scaled_object_read(struct parser *parser, const struct document *document)
{
    const struct node *root = document->tree.root;
    struct scaled_object object = {.parser = parser,
        .tree = &document->tree,
        .spec = document->kind == DOCUMENT_SNIPPET ? root : node_get(root, "spec"),
        .owner = document->kind == DOCUMENT_SCALED_OBJECT ? OWNER_SCALED_OBJECT
                 : document->kind == DOCUMENT_SCALED_JOB  ? OWNER_SCALED_JOB
                                                          : OWNER_SNIPPET,
        .file = document->tree.file};
    const struct node *triggers = find_triggers(&object);

    object.dynamodb_count = count_triggers(&object, triggers);
    if (object.dynamodb_count == 0)
        return;
    object.namespace_ = parser_keep(parser, document->namespace_);
    object.name = parser_keep(parser, document->name);
    if (parser->failed)
        return;
    read_spec(&object);
    lint_object(&object);
    for (uint32_t i = 0; i < triggers->count && !parser->failed; i++) {
        const struct node *trigger = triggers->items[i];

        if (!is_dynamodb(trigger))
            continue;
        if (parser->trigger_count == TRIGGERS_MAX) {
            tree_report(object.tree, trigger, FINDING_ERROR, "triggers",
                "more than 20000 triggers in all; the rest is not read");
            parser->too_many = true;
            return;
        }
        read_trigger(&object, i, trigger);
    }
}
