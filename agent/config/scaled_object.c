/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config/scaled_object.h"

#include "proto/suggest.h"

#include <string.h>

#define POLLING_DEFAULT_S    30
#define MAX_REPLICAS_DEFAULT 100
#define TYPE                 "aws-dynamodb"

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
    const struct node *astray = node_get_set(root, "triggers");

    if (triggers != NULL && triggers->kind == NODE_LIST)
        return triggers;
    if (triggers != NULL)
        tree_report(object->tree, triggers, FINDING_ERROR, "triggers",
            "must be a list; begin each trigger with \"- \"");
    else if (astray != NULL)
        tree_report(
            object->tree, astray, FINDING_ERROR, "triggers", "belongs below spec; indent it");
    else
        tree_report(object->tree, root, FINDING_ERROR, "triggers",
            "missing; add a list with an " TYPE " trigger below spec");
    return NULL;
}

bool scaled_object_is_dynamodb(const struct node *trigger)
{
    const char *type = node_text(node_get(trigger, "type"));

    return type != NULL && strcmp(type, TYPE) == 0;
}

const struct node *scaled_object_read(
    struct scaled_object *object, struct parser *parser, const struct document *document)
{
    const struct node *root = document->tree.root;

    *object = (struct scaled_object){.parser = parser, .tree = &document->tree};
    object->owner = document->kind == DOCUMENT_SCALED_OBJECT ? OWNER_SCALED_OBJECT
                    : document->kind == DOCUMENT_SCALED_JOB  ? OWNER_SCALED_JOB
                                                             : OWNER_SNIPPET;
    object->spec = document->kind == DOCUMENT_SNIPPET ? root : node_get(root, "spec");
    const struct node *triggers = find_triggers(object);
    for (uint32_t i = 0; triggers != NULL && i < triggers->count; i++) {
        if (scaled_object_is_dynamodb(triggers->items[i]))
            object->dynamodb_count++;
        else
            report_other(object, triggers->items[i]);
    }
    if (object->dynamodb_count == 0)
        return NULL;
    object->namespace_ = parser_keep(parser, document->namespace_);
    object->name = parser_keep(parser, document->name);
    object->file = document->tree.file;
    if (object->namespace_ == NULL || object->name == NULL)
        return NULL;
    read_spec(object);
    return triggers;
}
