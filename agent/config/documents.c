/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config/documents.h"

#include "proto/buffer.h"
#include "proto/suggest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SKIPPED_KINDS_MAX 32
#define COUNTED_MAX       8 /* a finding only says "several" */

static const struct {
    const char *kind;
    const char *api; /* up to the version */
    enum document_kind value;
} kinds[] = {
    {"ScaledObject", "keda.sh/", DOCUMENT_SCALED_OBJECT},
    {"ScaledJob", "keda.sh/", DOCUMENT_SCALED_JOB},
    {"TriggerAuthentication", "keda.sh/", DOCUMENT_AUTHENTICATION},
    {"ClusterTriggerAuthentication", "keda.sh/", DOCUMENT_CLUSTER_AUTHENTICATION},
    {"Secret", "v1", DOCUMENT_SECRET},
    {"ConfigMap", "v1", DOCUMENT_CONFIG_MAP},
};

void documents_free(struct documents *documents)
{
    free(documents->items);
    free(documents->index);
    free(documents->skipped_kinds);
}

const char *document_kind_name(enum document_kind kind)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i].value == kind)
            return kinds[i].kind;
    }
    return "snippet";
}

bool document_name_is_plain(const char *name)
{
    for (const char *c = name; *c != '\0'; c++) {
        if ((unsigned char)*c <= ' ' || *c == '/' || *c == 0x7f)
            return false;
    }
    return *name != '\0' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int documents_keep(struct documents *documents, const struct document *document)
{
    struct document *items = array_grow(
        documents->items, documents->count, &documents->capacity, sizeof(*items));

    if (items == NULL)
        return -ENOMEM;
    documents->items = items;
    documents->items[documents->count++] = *document;
    return 0;
}

static int add_named(struct documents *documents, const struct tree *tree, enum document_kind kind)
{
    const struct node *metadata = node_get(tree->root, "metadata");
    const struct node *name = node_get(metadata, "name");
    const struct node *space = node_get(metadata, "namespace");
    struct document document = {.kind = kind, .tree = *tree, .namespace_ = "default"};

    document.name = node_text(name);
    if (node_text(space) != NULL && *node_text(space) != '\0')
        document.namespace_ = node_text(space);
    if (kind == DOCUMENT_CLUSTER_AUTHENTICATION)
        document.namespace_ = "";
    if (document.name == NULL || !document_name_is_plain(document.name)) {
        tree_report(tree, name != NULL ? name : tree->root, FINDING_ERROR, "metadata.name",
            "a %s needs a name without blanks and slashes", document_kind_name(kind));
        return 0;
    }
    if (*document.namespace_ != '\0' && !document_name_is_plain(document.namespace_)) {
        tree_report(tree, space, FINDING_ERROR, "metadata.namespace",
            "a namespace has no blanks and slashes");
        return 0;
    }
    return documents_keep(documents, &document);
}

/* The form on KEDA's scaler pages; named after its file. */
static int add_snippet(struct documents *documents, const struct tree *tree)
{
    const char *base = tree->base;
    const char *dot = strrchr(base, '.');
    size_t len = dot != NULL && dot != base ? (size_t)(dot - base) : strlen(base);
    char *name = arena_copy(documents->arena, base, len);

    if (name == NULL)
        return -ENOMEM;
    if (!document_name_is_plain(name)) {
        tree_report(tree, tree->root, FINDING_ERROR, "triggers",
            "a bare list of triggers is named after its file, and \"%s\" has blanks; rename the "
            "file",
            name);
        return 0;
    }
    struct document document = {
        .kind = DOCUMENT_SNIPPET, .tree = *tree, .namespace_ = "default", .name = name};
    return documents_keep(documents, &document);
}

static int documents_skip(struct documents *documents, const struct tree *tree, const char *kind)
{
    static const char *const known[] = {"ScaledObject", "ScaledJob", "TriggerAuthentication",
        "ClusterTriggerAuthentication", "ConfigMap", NULL};
    const char *close = suggest(kind, known);

    for (size_t i = 0; i < documents->skipped_count; i++) {
        if (strcmp(documents->skipped_kinds[i], kind) == 0)
            return 0;
    }
    if (documents->skipped_kinds == NULL) {
        documents->skipped_kinds = calloc(SKIPPED_KINDS_MAX, sizeof(const char *));
        if (documents->skipped_kinds == NULL)
            return -ENOMEM;
    }
    if (documents->skipped_count == SKIPPED_KINDS_MAX)
        return 0;
    documents->skipped_kinds[documents->skipped_count++] = kind;
    if (close != NULL)
        tree_report(tree, tree->root, FINDING_WARNING, "kind",
            "unknown kind %s, so the document is skipped; did you mean %s?", kind, close);
    else
        tree_report(tree, tree->root, FINDING_NOTE, "kind",
            "documents of kind %s are skipped: tally has no use for them", kind);
    return 0;
}

static int add_document(struct documents *documents, const struct tree *tree)
{
    const char *kind = node_text(node_get(tree->root, "kind"));
    const struct node *version = node_get(tree->root, "apiVersion");
    const char *api = node_text(version);

    if (tree->root->kind != NODE_MAP) {
        tree_report(tree, tree->root, FINDING_WARNING, "",
            "skipped: a document must be a map, this is %s", node_kind_name(tree->root->kind));
        return 0;
    }
    if (kind == NULL && node_get(tree->root, "triggers") != NULL)
        return add_snippet(documents, tree);
    for (size_t i = 0; kind != NULL && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kind, kinds[i].kind) != 0)
            continue;
        if (api == NULL) {
            tree_report(tree, tree->root, FINDING_WARNING, "apiVersion",
                "missing; Kubernetes refuses the document without %s",
                kinds[i].value >= DOCUMENT_SECRET ? "v1" : "keda.sh/v1alpha1");
        } else if (strncmp(api, kinds[i].api, strlen(kinds[i].api)) != 0) {
            tree_report(tree, version, FINDING_WARNING, "apiVersion",
                "skipped: this is not the %s that tally reads; use %s", kind,
                kinds[i].value >= DOCUMENT_SECRET ? "v1" : "keda.sh/v1alpha1");
            return 0;
        }
        return add_named(documents, tree, kinds[i].value);
    }
    return documents_skip(documents, tree, kind != NULL ? kind : "(none)");
}

/* `kubectl get -o yaml` wraps what it prints in a List. */
static bool is_list(const struct node *root)
{
    const char *kind = node_text(node_get(root, "kind"));
    const struct node *items = node_get(root, "items");
    size_t len = kind != NULL ? strlen(kind) : 0;

    return len >= 4 && strcmp(kind + len - 4, "List") == 0 && items != NULL &&
           items->kind == NODE_LIST;
}

static int add_counted(struct documents *documents, const struct tree *tree)
{
    if (++documents->seen > DOCUMENTS_MAX) {
        tree_report(tree, tree->root, FINDING_ERROR, "",
            "more than %d documents in all; the rest is not read", DOCUMENTS_MAX);
        return -E2BIG;
    }
    return add_document(documents, tree);
}

int documents_add(void *data, const struct tree *tree)
{
    struct documents *documents = data;
    const struct node *items = NULL;
    int r = 0;

    if (!is_list(tree->root))
        return add_counted(documents, tree);
    items = node_get(tree->root, "items");
    for (uint32_t i = 0; r == 0 && i < items->count; i++) {
        struct tree part = *tree;

        part.root = items->items[i];
        r = add_counted(documents, &part);
    }
    return r;
}

bool documents_refer_to(const struct documents *documents, const struct document *config_map)
{
    for (size_t i = 0; i < documents->count; i++) {
        const struct document *document = &documents->items[i];

        if (document->kind != DOCUMENT_AUTHENTICATION &&
            document->kind != DOCUMENT_CLUSTER_AUTHENTICATION)
            continue;
        const struct node *list = node_get(
            node_get(document->tree.root, "spec"), "configMapTargetRef");
        for (uint32_t k = 0; list != NULL && list->kind == NODE_LIST && k < list->count; k++) {
            const char *name = node_text(node_get(list->items[k], "name"));

            if (name != NULL && strcmp(name, config_map->name) == 0)
                return true;
        }
    }
    return false;
}

static int compare_referred(
    const struct document *a, enum document_kind kind, const char *name, const char *space)
{
    if (a->kind != kind)
        return a->kind < kind ? -1 : 1;
    int r = strcmp(a->name, name);
    return r != 0 || space == NULL ? r : strcmp(a->namespace_, space);
}

static int compare_documents(const void *left, const void *right)
{
    const struct document *a = *(struct document *const *)left;
    const struct document *b = *(struct document *const *)right;

    return compare_referred(a, b->kind, b->name, b->namespace_);
}

int documents_index(struct documents *documents)
{
    if (documents->count == 0)
        return 0;
    documents->index = calloc(documents->count, sizeof(struct document *));
    if (documents->index == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < documents->count; i++) {
        if (documents->items[i].kind > DOCUMENT_SNIPPET)
            documents->index[documents->index_count++] = &documents->items[i];
    }
    qsort(documents->index, documents->index_count, sizeof(struct document *), compare_documents);
    return 0;
}

/* The first index entry that is not before (kind, name, namespace). */
static size_t lower_bound(
    const struct documents *documents, enum document_kind kind, const char *name, const char *space)
{
    size_t low = 0, high = documents->index_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare_referred(documents->index[middle], kind, name, space) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t count_from(const struct documents *documents, size_t first, enum document_kind kind,
    const char *name, const char *space)
{
    size_t last = first;

    while (last < documents->index_count && last - first < COUNTED_MAX &&
           compare_referred(documents->index[last], kind, name, space) == 0)
        last++;
    return last - first;
}

struct document *documents_find(const struct documents *documents, enum document_kind kind,
    const char *namespace_, const char *name, size_t *matches)
{
    size_t first = lower_bound(documents, kind, name, namespace_);

    *matches = count_from(documents, first, kind, name, namespace_);
    if (*matches == 0) {
        first = lower_bound(documents, kind, name, NULL);
        *matches = count_from(documents, first, kind, name, NULL);
    }
    return *matches == 1 ? documents->index[first] : NULL;
}
