#include "agent/config/lint_object.h"

#include "agent/config/aws_names.h"
#include "proto/suggest.h"

#include <string.h>
#include <strings.h>

#define DYNAMODB_NAME_MAXKEDA 63 /* KEDA writes it into a label */
#define PREFIX                "autoscaling.keda.sh/"

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

/* Annotations with which KEDA does not scale as desired_replicas says. */
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

static size_t field_position(const char *const *words, const char *word)
{
    size_t i = 0;
    while (words[i] != NULL && strcmp(words[i], word) != 0)
        i++;
    return i;
}

void lint_fields(struct reading *reading, const struct tree *tree, const struct node *map,
    const char *const *known, size_t unused)
{
    for (uint32_t i = 0; map != NULL && map->kind == NODE_MAP && i < map->count; i++) {
        const char *name = map->pairs[i].key->text;
        struct place place = node_place(tree, map->pairs[i].key);
        size_t at = field_position(known, name);
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

static void object_finding(const struct scaled_object *object, enum finding_level level,
    const struct node *node, const char *subject, const char *message)
{
    struct place place = node_place(&object->document->tree, node);
    findings_add(&object->reading->findings, level, &place, subject, "%s", message);
}

static void lint_names_of(const struct scaled_object *object)
{
    const struct node *metadata = node_get(object->document->tree.root, "metadata");
    static const char *const fields[] = {"name", "namespace"};

    if (object->owner == OWNER_SNIPPET)
        return;
    for (size_t i = 0; i < 2; i++) {
        const struct node *node = node_get(metadata, fields[i]);
        const char *text = node_text(node);
        const char *subject = i == 0 ? "metadata.name" : "metadata.namespace";
        if (text != NULL && unrendered_part(text, UNRENDERED_ANY).len > 0)
            object_finding(object, FINDING_WARNING, node, subject,
                "looks like a placeholder that was not replaced");
        else if (text != NULL && strlen(text) > DYNAMODB_NAME_MAXKEDA)
            object_finding(object, FINDING_WARNING, node, subject,
                i == 0 ? "has more than 63 characters, which KEDA 2.20 and later refuse; shorten it"
                       : "has more than 63 characters, which Kubernetes refuses; shorten it");
    }
}

static void lint_annotation(const struct scaled_object *object, const struct node_pair *pair)
{
    const char *name = pair->key->text;
    const char *text = node_text(pair->value);
    struct place place = node_place(&object->document->tree, pair->key);
    struct findings *findings = &object->reading->findings;

    for (size_t i = 0; i < sizeof(annotations) / sizeof(annotations[0]); i++) {
        if (strcmp(annotations[i].name, name) != 0)
            continue;
        bool off = annotations[i].is_switch && text != NULL && strcasecmp(text, "false") == 0;
        if (object->owner == OWNER_SCALED_JOB && !annotations[i].of_jobs)
            findings_add(findings, FINDING_NOTE, &place, name, "KEDA ignores it in a ScaledJob");
        else if (!off)
            findings_add(findings, FINDING_NOTE, &place, name,
                "%s, so desired_replicas is not what happens", annotations[i].effect);
        if (pair->value->kind == NODE_BOOL || pair->value->kind == NODE_NUMBER)
            findings_add(findings, FINDING_WARNING, &place, name,
                "is not quoted, and Kubernetes refuses %s in an annotation; write \"%s\"",
                node_kind_name(pair->value->kind), pair->value->text);
        return;
    }
    const char *close = strncmp(name, PREFIX, strlen(PREFIX)) == 0 ? suggest(name, annotation_names)
                                                                   : NULL;
    if (close != NULL)
        findings_add(findings, FINDING_WARNING, &place, name,
            "not an annotation of KEDA's; did you mean %s?", close);
}

static void lint_annotations(const struct scaled_object *object)
{
    const struct node *map = node_get(
        node_get(object->document->tree.root, "metadata"), "annotations");

    for (uint32_t i = 0; map != NULL && map->kind == NODE_MAP && i < map->count; i++)
        lint_annotation(object, &map->pairs[i]);
}

static void lint_modifiers(const struct scaled_object *object)
{
    const struct node *modifiers = node_get(node_get(object->spec, "advanced"), "scalingModifiers");
    const struct node *formula = node_get_set(modifiers, "formula");

    if (formula != NULL)
        object_finding(object, FINDING_WARNING, formula, "advanced.scalingModifiers.formula",
            "tally does not compute it: active and desired_replicas are those of each trigger "
            "alone");
    else if (object->has_modifiers)
        object_finding(object, FINDING_WARNING, modifiers, "advanced.scalingModifiers",
            "has no formula, which KEDA refuses");
}

static void lint_spec(const struct scaled_object *object)
{
    if (object->polling_ms == 0)
        object_finding(object, FINDING_WARNING, node_get(object->spec, "pollingInterval"),
            "pollingInterval",
            "is 0, so each request without max_age_ms queries DynamoDB; KEDA 2.20 and later refuse "
            "less than 1");
    if (object->scaling.idle_replicas > 0)
        object_finding(object, FINDING_WARNING, node_get(object->spec, "idleReplicaCount"),
            "idleReplicaCount",
            "KEDA's documentation says that only 0 works, because of the HPA; write 0 or remove "
            "it");
    lint_modifiers(object);
}

void lint_object(const struct scaled_object *object)
{
    struct reading *reading = object->reading;
    const struct tree *tree = &object->document->tree;

    switch (object->owner) {
    case OWNER_SCALED_OBJECT:
        lint_fields(reading, tree, tree->root, root_fields, SIZE_MAX);
        lint_fields(reading, tree, object->spec, object_fields, OBJECT_UNUSED);
        break;
    case OWNER_SCALED_JOB:
        lint_fields(reading, tree, tree->root, root_fields, SIZE_MAX);
        lint_fields(reading, tree, object->spec, job_fields, JOB_UNUSED);
        break;
    case OWNER_SNIPPET:
        lint_fields(reading, tree, object->spec, snippet_fields, SNIPPET_UNUSED);
        break;
    }
    lint_names_of(object);
    lint_annotations(object);
    lint_spec(object);
}
