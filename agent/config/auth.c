#include "agent/config/auth.h"

#include "agent/config/auth_file.h"
#include "agent/config/secret_value.h"
#include "proto/suggest.h"

#include <string.h>

static const struct {
    const char *name;
    enum auth_parameter parameter;
} parameters[] = {
    {"awsRoleArn", AUTH_ROLE},
    {"awsExternalId", AUTH_EXTERNAL_ID},
    {"awsExternalID", AUTH_EXTERNAL_ID},
    {"awsAccessKeyID", AUTH_KEY_ID},
    {"awsAccessKeyId", AUTH_KEY_ID},
    {"awsSecretAccessKey", AUTH_SECRET_KEY},
    {"awsSessionToken", AUTH_SESSION_TOKEN},
    {"awsRegion", AUTH_REGION},
};

static const char *const parameter_names[] = {"awsRoleArn", "awsExternalId", "awsAccessKeyID",
    "awsSecretAccessKey", "awsSessionToken", "awsRegion", NULL};

/* The spec's fields, those that tally cannot speak too. */
static const char *const spec_names[] = {"podIdentity", "secretTargetRef", "configMapTargetRef",
    "env", "filePath", "hashiCorpVault", "azureKeyVault", "gcpSecretManager", "awsSecretManager",
    "boundServiceAccountToken", "oauth2", NULL};

#define FIRST_UNSUPPORTED 5

static const char *const pod_identity_names[] = {"provider", "identityId", "identityTenantId",
    "identityAuthorityHost", "roleArn", "identityOwner", "externalID", NULL};

/* What other tools call them: the variables of AWS's SDKs, the keys of its files. */
static const char *suggest_parameter(const char *name)
{
    static const char *const others[] = {"accessKey", "accessKeyId", "awsAccessKey", "awsKeyId",
        "keyId", "secretKey", "secretAccessKey", "awsSecret", "awsSecretKey", "sessionToken",
        "awsToken", "securityToken", "awsSecurityToken", "roleArn", "awsRole", "externalId",
        "region", "awsDefaultRegion", NULL};
    static const char *const meant[] = {"awsAccessKeyID", "awsAccessKeyID", "awsAccessKeyID",
        "awsAccessKeyID", "awsAccessKeyID", "awsSecretAccessKey", "awsSecretAccessKey",
        "awsSecretAccessKey", "awsSecretAccessKey", "awsSessionToken", "awsSessionToken",
        "awsSessionToken", "awsSessionToken", "awsRoleArn", "awsRoleArn", "awsExternalId",
        "awsRegion", "awsRegion", NULL};
    const char *close = suggest(name, parameter_names);
    const char *other = close == NULL ? suggest(name, others) : NULL;

    for (size_t i = 0; other != NULL && others[i] != NULL; i++) {
        if (others[i] == other)
            return meant[i];
    }
    return close;
}

void auth_set(struct reading *reading, struct auth *auth, const char *name,
    const struct value_ref *value, const struct place *place)
{
    for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++) {
        enum auth_parameter parameter = parameters[i].parameter;
        if (strcmp(parameters[i].name, name) != 0)
            continue;
        if (value->source != SOURCE_ABSENT) {
            auth->parameters[parameter] = *value;
            auth->places[parameter] = *place;
        }
        return;
    }
    const char *close = suggest_parameter(name);
    if (close != NULL)
        findings_add(&reading->findings, FINDING_WARNING, place, name,
            "not a parameter of aws-dynamodb, so it is ignored, and another identity may take its "
            "place; did you mean %s?",
            close);
    else
        findings_add(&reading->findings, FINDING_NOTE, place, name,
            "not a parameter of aws-dynamodb, so it is ignored");
}

/* The text of a required field of a list entry; NULL with an error. */
static const char *entry_text(
    struct reading *reading, const struct tree *tree, const struct node *entry, const char *field)
{
    const char *text = node_text(node_get(entry, field));
    if (text == NULL || *text == '\0') {
        struct place place = node_place(tree, entry);
        findings_add(
            &reading->findings, FINDING_ERROR, &place, field, "missing; each entry needs it");
        return NULL;
    }
    return text;
}

static void read_target_entry(
    struct reading *reading, struct auth *auth, const struct node *entry, enum document_kind kind)
{
    const struct document *document = auth->document;
    const struct tree *tree = &document->tree;
    const char *parameter = entry_text(reading, tree, entry, "parameter");
    struct secret_key key = {.kind = kind,
        .namespace_ = document->namespace_,
        .name = entry_text(reading, tree, entry, "name"),
        .key = entry_text(reading, tree, entry, "key"),
        .cluster = document->kind == DOCUMENT_CLUSTER_AUTHENTICATION,
        .place = node_place(tree, entry)};

    if (parameter == NULL || key.name == NULL || key.key == NULL)
        return;
    if (!document_name_is_plain(key.name) || !document_name_is_plain(key.key)) {
        findings_add(&reading->findings, FINDING_ERROR, &key.place, parameter,
            "name and key have no blanks and no slashes");
        return;
    }
    if (key.cluster)
        key.namespace_ = "keda";
    struct value_ref value = secret_value(reading, &key);
    auth_set(reading, auth, parameter, &value, &key.place);
}

/* What KEDA's resolver leaves empty where it finds nothing, and goes on without. */
static bool auth_is_optional(const char *name)
{
    for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++) {
        if (strcmp(parameters[i].name, name) == 0)
            return parameters[i].parameter == AUTH_ROLE ||
                   parameters[i].parameter == AUTH_EXTERNAL_ID ||
                   parameters[i].parameter == AUTH_SESSION_TOKEN;
    }
    return false;
}

static void read_env_entry(struct reading *reading, struct auth *auth, const struct node *entry)
{
    const struct tree *tree = &auth->document->tree;
    struct place place = node_place(tree, entry);
    const char *parameter = entry_text(reading, tree, entry, "parameter");
    const char *name = entry_text(reading, tree, entry, "name");

    if (parameter == NULL || name == NULL)
        return;
    struct value_ref value = {.source = SOURCE_ENVIRONMENT,
        .text = reading_keep(reading, name),
        .origin = reading_printf(reading, "environment variable %s", name)};
    const char *text = reading->getenv(name);
    if (text == NULL || *text == '\0') {
        bool optional = auth_is_optional(parameter);
        findings_add(&reading->findings, FINDING_NOTE, &place, parameter,
            optional ? "the variable %s is not set here, so the parameter counts as absent, as in "
                       "KEDA"
                     : "the variable %s is not set here; set it in tally's own container",
            name);
        if (optional)
            return;
    }
    auth_set(reading, auth, parameter, &value, &place);
}

static void read_entries(
    struct reading *reading, struct auth *auth, const struct node *spec, const char *field)
{
    const struct node *list = node_get_set(spec, field);

    if (list == NULL)
        return;
    if (list->kind != NODE_LIST) {
        struct place place = node_place(&auth->document->tree, list);
        findings_add(&reading->findings, FINDING_ERROR, &place, field, "must be a list, not %s",
            node_kind_name(list->kind));
        return;
    }
    for (uint32_t i = 0; i < list->count; i++) {
        if (strcmp(field, "env") == 0)
            read_env_entry(reading, auth, list->items[i]);
        else
            read_target_entry(reading, auth, list->items[i],
                strcmp(field, "secretTargetRef") == 0 ? DOCUMENT_SECRET : DOCUMENT_CONFIG_MAP);
    }
}

static struct value_ref literal(
    struct reading *reading, const struct node *node, const char *title, const char *field)
{
    const char *text = node_text(node);
    if (text == NULL || *text == '\0')
        return (struct value_ref){.source = SOURCE_ABSENT};
    return (struct value_ref){.source = SOURCE_LITERAL,
        .text = reading_keep(reading, text),
        .origin = reading_printf(reading, "%s of %s", field, title)};
}

static void check_names(struct reading *reading, const struct tree *tree, const struct node *map,
    const char *const *known)
{
    for (uint32_t i = 0; map != NULL && map->kind == NODE_MAP && i < map->count; i++) {
        const char *name = map->pairs[i].key->text;
        const char *const *word = known;
        while (*word != NULL && strcmp(*word, name) != 0)
            word++;
        if (*word != NULL)
            continue;
        struct place place = node_place(tree, map->pairs[i].key);
        const char *close = suggest(name, known);
        findings_add(&reading->findings, FINDING_WARNING, &place, name,
            close != NULL ? "unknown field, so it is ignored; did you mean %s?"
                          : "unknown field, so it is ignored%s",
            close != NULL ? close : "");
    }
}

static void read_pod_identity(struct reading *reading, struct auth *auth, const struct node *spec)
{
    const struct tree *tree = &auth->document->tree;
    const struct node *identity = node_get_set(spec, "podIdentity");
    const struct node *owner = node_get_set(identity, "identityOwner");
    const struct node *provider = node_get_set(identity, "provider");
    const char *text = node_text(owner);

    if (identity == NULL)
        return;
    check_names(reading, tree, identity, pod_identity_names);
    auth->provider_place = node_place(tree, provider != NULL ? provider : identity);
    if (node_text(provider) == NULL)
        findings_add(&reading->findings, FINDING_WARNING, &auth->provider_place,
            "podIdentity.provider", "missing, taken as none; KEDA refuses podIdentity without it");
    else
        auth->provider = reading_keep(reading, node_text(provider));
    auth->role = literal(
        reading, node_get(identity, "roleArn"), auth->title, "podIdentity.roleArn");
    auth->role_place = node_place(tree, node_get(identity, "roleArn"));
    auth->external_id = literal(
        reading, node_get(identity, "externalID"), auth->title, "podIdentity.externalID");
    auth->external_id_place = node_place(tree, node_get(identity, "externalID"));
    if (owner == NULL)
        return;
    auth->workload = text != NULL && strcmp(text, "workload") == 0;
    if (!auth->workload && (text == NULL || strcmp(text, "keda") != 0)) {
        struct place place = node_place(tree, owner);
        findings_add(&reading->findings, FINDING_ERROR, &place, "podIdentity.identityOwner",
            "must be keda or workload");
    }
}

static void refuse_unsupported(
    struct reading *reading, const struct auth *auth, const struct node *spec)
{
    for (const char *const *name = spec_names + FIRST_UNSUPPORTED; *name != NULL; name++) {
        const struct node *node = node_get_set(spec, *name);
        if (node == NULL)
            continue;
        struct place place = node_place(&auth->document->tree, node);
        findings_add(&reading->findings, FINDING_ERROR, &place, *name,
            "tally does not read credentials from there; use secretTargetRef, "
            "configMapTargetRef, env, filePath or podIdentity");
    }
}

static struct auth *auth_read(struct reading *reading, struct document *document)
{
    const struct node *spec = node_get(document->tree.root, "spec");
    struct auth *auth = arena_alloc(reading->scratch, sizeof(*auth));
    if (auth == NULL) {
        reading->failed = true;
        return NULL;
    }
    document->auth = auth;
    auth->document = document;
    auth->title = reading_printf(reading, "%s %s%s%s", document_kind_name(document->kind),
        document->namespace_, *document->namespace_ != '\0' ? "/" : "", document->name);
    auth->provider = "none";
    auth->provider_place = node_place(&document->tree, document->tree.root);
    if (auth->title == NULL)
        return NULL;
    check_names(reading, &document->tree, spec, spec_names);
    refuse_unsupported(reading, auth, spec);
    read_pod_identity(reading, auth, spec);
    /* The order of KEDA, where a later source of the same parameter wins. */
    read_entries(reading, auth, spec, "env");
    auth_file_read(reading, auth, node_get_set(spec, "filePath"));
    read_entries(reading, auth, spec, "configMapTargetRef");
    read_entries(reading, auth, spec, "secretTargetRef");
    return reading->failed ? NULL : auth;
}

/* A document of this name, but of the other kind. False: there is none. */
static bool report_other_kind(
    struct reading *reading, const struct place *place, enum document_kind wanted, const char *name)
{
    bool cluster = wanted == DOCUMENT_AUTHENTICATION;
    enum document_kind other = cluster ? DOCUMENT_CLUSTER_AUTHENTICATION : DOCUMENT_AUTHENTICATION;
    size_t matches = 0;

    documents_find(&reading->documents, other, "", name, &matches);
    if (matches == 0)
        return false;
    findings_add(&reading->findings, FINDING_ERROR, place, "authenticationRef.name",
        "no %s named %s is in the files, but a %s is; %s in authenticationRef",
        document_kind_name(wanted), name, document_kind_name(other),
        cluster ? "write kind: ClusterTriggerAuthentication" : "remove kind");
    return true;
}

struct auth *auth_find(struct reading *reading, const struct tree *tree,
    const struct node *reference, const char *namespace_)
{
    const char *name = node_text(node_get(reference, "name"));
    const char *kind = node_text(node_get(reference, "kind"));
    enum document_kind wanted = DOCUMENT_AUTHENTICATION;
    struct place place = node_place(tree, reference);
    size_t matches = 0;

    if (name == NULL || *name == '\0') {
        findings_add(&reading->findings, FINDING_ERROR, &place, "authenticationRef",
            node_text(reference) != NULL
                ? "must be a map; write the name of the TriggerAuthentication below it, as name"
                : "has no name; name a TriggerAuthentication");
        return NULL;
    }
    place = node_place(tree, node_get(reference, "name"));
    if (kind != NULL && strcmp(kind, "ClusterTriggerAuthentication") == 0) {
        wanted = DOCUMENT_CLUSTER_AUTHENTICATION;
    } else if (kind != NULL && *kind != '\0' && strcmp(kind, "TriggerAuthentication") != 0) {
        place = node_place(tree, node_get(reference, "kind"));
        findings_add(&reading->findings, FINDING_ERROR, &place, "authenticationRef.kind",
            "must be TriggerAuthentication or ClusterTriggerAuthentication");
        return NULL;
    }
    struct document *document = documents_find(&reading->documents, wanted,
        wanted == DOCUMENT_AUTHENTICATION ? namespace_ : "", name, &matches);
    if (document == NULL && matches == 0 && report_other_kind(reading, &place, wanted, name))
        return NULL;
    if (document == NULL) {
        findings_add(&reading->findings, FINDING_ERROR, &place, "authenticationRef.name",
            matches > 1 ? "several documents of kind %s are named %s, and none alone is in "
                          "namespace %s; keep one"
                        : "no %s named %s is in the files; add it (namespace %s) or correct the "
                          "name",
            document_kind_name(wanted), name, namespace_);
        return NULL;
    }
    if (wanted == DOCUMENT_AUTHENTICATION && strcmp(document->namespace_, namespace_) != 0)
        findings_add(&reading->findings, FINDING_WARNING, &place, "authenticationRef.name",
            "%s is in namespace %s; KEDA looks in %s only, so move it there", name,
            document->namespace_, namespace_);
    return document->auth != NULL ? document->auth : auth_read(reading, document);
}

const char *auth_value_now(struct reading *reading, const struct value_ref *value)
{
    struct buffer content;
    const char *text = NULL;

    if (value->source == SOURCE_LITERAL)
        return value->text;
    if (value->source == SOURCE_ENVIRONMENT)
        return reading->getenv(value->text);
    if ((value->source != SOURCE_FILE && value->source != SOURCE_JSON_FILE) ||
        reading->read_file == NULL)
        return NULL;
    buffer_init_secret(&content, 64 * 1024);
    if (reading->read_file(value->text, &content) >= 0) {
        while (content.len > 0 && strchr(" \t\r\n", content.data[content.len - 1]) != NULL)
            buffer_truncate(&content, content.len - 1);
        text = value->source == SOURCE_FILE
                   ? reading_keep(reading, buffer_string(&content))
                   : auth_file_member(reading, buffer_string(&content), value->key);
    }
    buffer_free(&content);
    return text;
}
