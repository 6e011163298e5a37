/* SPDX-License-Identifier: Apache-2.0 */
/* The Kubernetes documents of all files, found by kind, namespace and name. */
#ifndef TALLY_AGENT_CONFIG_DOCUMENTS_H
#define TALLY_AGENT_CONFIG_DOCUMENTS_H

#include "agent/config/node.h"

#define DOCUMENTS_MAX 10000

enum document_kind {
    DOCUMENT_SCALED_OBJECT,
    DOCUMENT_SCALED_JOB,
    DOCUMENT_SNIPPET, /* a bare `triggers:` list */
    DOCUMENT_AUTHENTICATION,
    DOCUMENT_CLUSTER_AUTHENTICATION,
    DOCUMENT_SECRET,
    DOCUMENT_CONFIG_MAP,
};

struct auth;

struct document {
    enum document_kind kind;
    struct tree tree;
    const char *namespace_; /* "" for cluster-wide documents */
    const char *name;
    struct auth *auth; /* of an authentication: read at its first use */
};

struct documents {
    struct arena *arena;    /* of the trees */
    struct document *items; /* in the order of files until documents_index */
    size_t count;
    size_t capacity;
    struct document **index; /* of the documents that triggers refer to, by kind, name, namespace */
    size_t index_count;
    size_t seen;                /* all documents, skipped ones included */
    const char **skipped_kinds; /* each is reported once */
    size_t skipped_count;
};

void documents_free(struct documents *documents);

/* A yaml_document_fn. -E2BIG, with a finding, beyond DOCUMENTS_MAX; -ENOMEM. */
int documents_add(void *data, const struct tree *tree);

/* Whether an authentication takes values from a ConfigMap of this name. */
bool documents_refer_to(const struct documents *documents, const struct document *config_map);

/* To be called once after the last documents_add. -ENOMEM. */
int documents_index(struct documents *documents);

/* The document in this namespace, else the only one of that name; NULL with *matches 0 or > 1. */
struct document *documents_find(const struct documents *documents, enum document_kind kind,
    const char *namespace_, const char *name, size_t *matches);

/* Whether a name is allowed in trigger names and paths of mounted Secrets: no blanks, no slashes,
 * not "..". */
bool document_name_is_plain(const char *name);

/* "Secret", "TriggerAuthentication", … */
const char *document_kind_name(enum document_kind kind);

#endif
