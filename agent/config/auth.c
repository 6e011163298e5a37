/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config/auth.h"

#include "agent/json_value.h"
#include "proto/base64.h"
#include "proto/suggest.h"

#include <ctype.h>
#include <jansson.h>
#include <string.h>

#define MOUNTED_BYTES (64u * 1024u)
#define BLANKS        " \t\r\n"

/* The caller frees the content. 0 or a negative errno. */
static int mounted_read(const struct parser *parser, const char *path, struct buffer *content)
{
    buffer_init_secret(content, MOUNTED_BYTES);
    return parser->read_file(path, content);
}

/* ---- values of Secrets and ConfigMaps ---- */

/* The target of `secretTargetRef {name, key}` or of `configMapTargetRef`. */
struct secret_key {
    const struct auth *auth;
    const struct node *node; /* the reference, for findings */
    enum document_kind kind; /* DOCUMENT_SECRET or DOCUMENT_CONFIG_MAP */
    const char *namespace_;
    const char *name;
    const char *key;
};

static struct value_ref value_broken(struct parser *parser, const char *origin, const char *why)
{
    return (struct value_ref){.source = SOURCE_BROKEN,
        .text = parser_printf(parser, "%s %s", origin, why),
        .origin = origin};
}

/* The path of a mounted Secret in a pod. */
static struct value_ref secret_from_file(const struct secret_key *key)
{
    struct parser *parser = key->auth->parser;
    const char *kind = document_kind_name(key->kind);
    struct value_ref value = {.source = SOURCE_FILE,
        .text = parser_printf(parser, "%s/%s/%s", parser->secrets_dir, key->name, key->key),
        .origin = parser_printf(parser, "%s %s key %s", kind, key->name, key->key)};
    struct buffer content;

    if (value.text == NULL || value.origin == NULL)
        return value;
    if (mounted_read(parser, value.text, &content) < 0)
        tree_report(key->auth->tree, key->node, FINDING_NOTE, key->name,
            "no %s of this name in the files, and nothing mounted at %s yet; mount it there", kind,
            value.text);
    buffer_free(&content);
    return value;
}

/* Trims white space, which no AWS value has but Secrets often do. */
static struct value_ref secret_from_text(
    const struct secret_key *key, const char *origin, const char *text)
{
    struct parser *parser = key->auth->parser;
    size_t start = strspn(text, BLANKS), len = strlen(text);

    while (len > start && strchr(BLANKS, text[len - 1]) != NULL)
        len--;
    if (len == start)
        return (struct value_ref){.source = SOURCE_ABSENT};
    if (start > 0 || text[len] != '\0')
        tree_report(key->auth->tree, key->node, FINDING_WARNING, key->key,
            "the value of %s has a line break or blank at its end, which AWS refuses when KEDA "
            "sends it; tally trims it, repair the Secret",
            origin);
    for (size_t i = start; i < len; i++) {
        if (iscntrl((unsigned char)text[i])) {
            tree_report(key->auth->tree, key->node, FINDING_WARNING, key->key,
                "the value of %s holds a control character, so it cannot be a credential; repair "
                "it",
                origin);
            return value_broken(parser, origin, "holds a control character");
        }
    }
    return (struct value_ref){.source = SOURCE_LITERAL,
        .text = parser_keep_part(parser, text + start, len - start),
        .origin = origin};
}

static struct value_ref secret_from_base64(
    const struct secret_key *key, const char *origin, const char *encoded)
{
    struct parser *parser = key->auth->parser;
    uint8_t *text = parser_array(parser, parser->scratch, strlen(encoded) + 1, 1);

    if (text == NULL)
        return (struct value_ref){.source = SOURCE_ABSENT};
    long len = base64_decode(encoded, text);
    if (len < 0) {
        tree_report(key->auth->tree, key->node, FINDING_WARNING, key->key,
            "the value of %s is not base64; was a placeholder not replaced?", origin);
        return value_broken(parser, origin, "is not base64; was a placeholder not replaced?");
    }
    text[len] = '\0';
    if (memchr(text, '\0', (size_t)len) != NULL) {
        tree_report(key->auth->tree, key->node, FINDING_WARNING, key->key,
            "the value of %s is binary once its base64 is decoded, so it cannot be a credential; "
            "was it not encoded? stringData takes it as it is",
            origin);
        return value_broken(parser, origin, "is binary once its base64 is decoded");
    }
    return secret_from_text(key, origin, (char *)text);
}

static struct value_ref secret_from_document(
    const struct secret_key *key, const struct document *document)
{
    const struct node *root = document->tree.root;
    bool is_secret = key->kind == DOCUMENT_SECRET;
    const char *plain = node_text(
        node_get(node_get(root, is_secret ? "stringData" : "data"), key->key));
    const char *encoded = node_text(
        node_get(node_get(root, is_secret ? "data" : "binaryData"), key->key));
    const char *origin = parser_printf(key->auth->parser, "%s %s/%s key %s",
        document_kind_name(key->kind), document->namespace_, document->name, key->key);

    if (origin == NULL)
        return (struct value_ref){.source = SOURCE_ABSENT};
    if (plain != NULL)
        return secret_from_text(key, origin, plain);
    if (encoded != NULL)
        return secret_from_base64(key, origin, encoded);
    tree_report(key->auth->tree, key->node, FINDING_WARNING, key->key,
        "%s %s/%s has no such key; add it there", document_kind_name(key->kind),
        document->namespace_, document->name);
    return secret_from_file(key);
}

/* A document of the files, else the file `<secrets-dir>/<name>/<key>`. An unusable value is
 * SOURCE_BROKEN with a warning; an empty value is SOURCE_ABSENT. */
static struct value_ref secret_value(const struct secret_key *key)
{
    const struct auth *auth = key->auth;
    const char *kind = document_kind_name(key->kind);
    size_t matches = 0;
    const struct document *document = documents_find(
        &auth->parser->documents, key->kind, key->namespace_, key->name, &matches);

    if (document == NULL && matches > 1) {
        tree_report(auth->tree, key->node, FINDING_ERROR, key->name,
            "several documents of kind %s have this name, and none alone is in namespace %s; "
            "keep one",
            kind, key->namespace_);
        return value_broken(auth->parser, key->name, "is ambiguous");
    }
    if (document == NULL)
        return secret_from_file(key);
    /* KEDA looks for those of a ClusterTriggerAuthentication in its own namespace, of any name. */
    if (auth->document->kind != DOCUMENT_CLUSTER_AUTHENTICATION &&
        strcmp(document->namespace_, key->namespace_) != 0)
        tree_report(auth->tree, key->node, FINDING_WARNING, key->name,
            "the %s is in namespace %s; KEDA looks in %s only, so move it there", kind,
            document->namespace_, key->namespace_);
    return secret_from_document(key, document);
}

/* ---- auth parameters ---- */

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

/* The spec's fields, including those that tally does not support. */
static const char *const spec_names[] = {"podIdentity", "secretTargetRef", "configMapTargetRef",
    "env", "filePath", "hashiCorpVault", "azureKeyVault", "gcpSecretManager", "awsSecretManager",
    "boundServiceAccountToken", "oauth2", NULL};

#define FIRST_UNSUPPORTED 5

static const char *const pod_identity_names[] = {"provider", "identityId", "identityTenantId",
    "identityAuthorityHost", "roleArn", "identityOwner", "externalID", NULL};

/* Their names in other tools: the variables of AWS's SDKs, the keys of its files. */
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

static enum auth_parameter auth_parameter_of(const char *name)
{
    for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++) {
        if (strcmp(parameters[i].name, name) == 0)
            return parameters[i].parameter;
    }
    return AUTH_PARAMETER_COUNT;
}

/* Gives a parameter its value, which comes from that node. */
static void auth_set(
    struct auth *auth, const char *name, const struct value_ref *value, const struct node *node)
{
    enum auth_parameter parameter = auth_parameter_of(name);

    if (parameter != AUTH_PARAMETER_COUNT) {
        if (value->source != SOURCE_ABSENT) {
            auth->parameters[parameter] = *value;
            auth->nodes[parameter] = node;
        }
        return;
    }
    const char *close = suggest_parameter(name);
    if (close != NULL)
        tree_report(auth->tree, node, FINDING_WARNING, name,
            "not a parameter of aws-dynamodb, so it is ignored, and another identity may take its "
            "place; did you mean %s?",
            close);
    else
        tree_report(auth->tree, node, FINDING_NOTE, name,
            "not a parameter of aws-dynamodb, so it is ignored");
}

/* The text of a required field of a list entry; NULL with an error. */
static const char *entry_text(const struct auth *auth, const struct node *entry, const char *field)
{
    const char *text = node_text(node_get(entry, field));

    if (text != NULL && *text != '\0')
        return text;
    tree_report(auth->tree, entry, FINDING_ERROR, field, "missing; each entry needs it");
    return NULL;
}

static void read_target_entry(struct auth *auth, const struct node *entry, enum document_kind kind)
{
    const struct document *document = auth->document;
    bool cluster = document->kind == DOCUMENT_CLUSTER_AUTHENTICATION;
    const char *parameter = entry_text(auth, entry, "parameter");
    struct secret_key key = {.auth = auth,
        .node = entry,
        .kind = kind,
        .namespace_ = cluster ? "keda" : document->namespace_,
        .name = entry_text(auth, entry, "name"),
        .key = entry_text(auth, entry, "key")};

    if (parameter == NULL || key.name == NULL || key.key == NULL)
        return;
    if (!document_name_is_plain(key.name) || !document_name_is_plain(key.key)) {
        tree_report(auth->tree, entry, FINDING_ERROR, parameter,
            "name and key have no blanks and no slashes");
        return;
    }
    struct value_ref value = secret_value(&key);
    auth_set(auth, parameter, &value, entry);
}

static void read_env_entry(struct auth *auth, const struct node *entry)
{
    const char *parameter = entry_text(auth, entry, "parameter");
    const char *name = entry_text(auth, entry, "name");

    if (parameter == NULL || name == NULL)
        return;
    struct value_ref value = {.source = SOURCE_ENVIRONMENT,
        .text = parser_keep(auth->parser, name),
        .origin = parser_printf(auth->parser, "environment variable %s", name)};
    const char *text = auth->parser->getenv(name);
    if (text == NULL || *text == '\0') {
        enum auth_parameter which = auth_parameter_of(parameter);
        /* Values that KEDA's resolver sets to empty if it finds nothing, and then continues. */
        bool optional = which == AUTH_ROLE || which == AUTH_EXTERNAL_ID ||
                        which == AUTH_SESSION_TOKEN;

        tree_report(auth->tree, entry, FINDING_NOTE, parameter,
            optional ? "the variable %s is not set here, so the parameter counts as absent, as in "
                       "KEDA"
                     : "the variable %s is not set here; set it in tally's own container",
            name);
        if (optional)
            return;
    }
    auth_set(auth, parameter, &value, entry);
}

static void read_entries(struct auth *auth, const struct node *spec, const char *field)
{
    const struct node *list = node_get_set(spec, field);

    if (list == NULL)
        return;
    if (list->kind != NODE_LIST) {
        tree_report(auth->tree, list, FINDING_ERROR, field, "must be a list, not %s",
            node_kind_name(list->kind));
        return;
    }
    for (uint32_t i = 0; i < list->count; i++) {
        if (strcmp(field, "env") == 0)
            read_env_entry(auth, list->items[i]);
        else
            read_target_entry(auth, list->items[i],
                strcmp(field, "secretTargetRef") == 0 ? DOCUMENT_SECRET : DOCUMENT_CONFIG_MAP);
    }
}

/* ---- filePath ---- */

/* NULL with an error for a path outside the folder. */
static const char *full_path(const struct auth *auth, const struct node *node, const char *path)
{
    struct parser *parser = auth->parser;

    if (path == NULL || *path == '\0' || strstr(path, "..") != NULL) {
        tree_report(auth->tree, node, FINDING_ERROR, "filePath", "must be a path without \"..\"");
        return NULL;
    }
    if (*path != '/')
        return parser_printf(parser, "%s/%s", parser->secrets_dir, path);
    tree_report(auth->tree, node, FINDING_WARNING, "filePath",
        "KEDA takes only a path relative to its own folder; use one below %s", parser->secrets_dir);
    return parser_keep(parser, path);
}

static void auth_set_member(
    struct auth *auth, const char *path, const char *name, const struct node *node)
{
    struct value_ref value = {.source = SOURCE_JSON_FILE,
        .text = path,
        .key = parser_keep(auth->parser, name),
        .origin = parser_printf(auth->parser, "%s of file %s", name, path)};

    auth_set(auth, name, &value, node);
}

/* Outside the pod, tally cannot know the parameters in the file; keys are the common case. */
static void expect_keys(struct auth *auth, const char *path, const struct node *node)
{
    static const char *const names[] = {"awsAccessKeyID", "awsSecretAccessKey", "awsSessionToken"};

    tree_report(auth->tree, node, FINDING_NOTE, "filePath",
        "%s cannot be read here, so it is taken to hold awsAccessKeyID, awsSecretAccessKey and "
        "awsSessionToken; mount it",
        path);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        auth_set_member(auth, path, names[i], node);
}

static void auth_read_object(
    struct auth *auth, const char *path, const struct node *node, const struct buffer *content)
{
    json_t *object = json_read(content->data, content->len, 0, NULL, NULL);
    json_t *member = NULL;
    const char *name = NULL;

    if (!json_is_object(object))
        tree_report(auth->tree, node, FINDING_ERROR, "filePath",
            "%s is not a JSON object of strings; correct it", path);
    json_object_foreach(object, name, member)
    {
        if (!json_is_string(member))
            tree_report(auth->tree, node, FINDING_ERROR, "filePath", "%s of %s must be a string",
                name, path);
        else if (*json_string_value(member) != '\0')
            auth_set_member(auth, path, name, node);
    }
    json_decref(object);
}

static void read_file_entry(struct auth *auth, const struct node *entry)
{
    const char *name = node_text(node_get(entry, "parameter"));

    if (name == NULL) {
        tree_report(
            auth->tree, entry, FINDING_ERROR, "filePath", "each entry needs parameter and path");
        return;
    }
    struct value_ref value = {
        .source = SOURCE_FILE, .text = full_path(auth, entry, node_text(node_get(entry, "path")))};
    if (value.text == NULL)
        return;
    value.origin = parser_printf(auth->parser, "file %s", value.text);
    auth_set(auth, name, &value, entry);
}

/* A path is relative to the secrets folder. A text is the path of a JSON object of strings; a list
 * of {parameter, path} names a file for each. */
static void read_file_path(struct auth *auth, const struct node *field)
{
    struct buffer content;

    if (field == NULL)
        return;
    if (auth->document->kind != DOCUMENT_CLUSTER_AUTHENTICATION)
        tree_report(auth->tree, field, FINDING_WARNING, "filePath",
            "KEDA reads it only in a ClusterTriggerAuthentication");
    for (uint32_t i = 0; field->kind == NODE_LIST && i < field->count; i++)
        read_file_entry(auth, field->items[i]);
    if (field->kind == NODE_LIST)
        return;
    const char *path = full_path(auth, field, node_text(field));
    if (path == NULL)
        return;
    if (mounted_read(auth->parser, path, &content) < 0)
        expect_keys(auth, path, field);
    else
        auth_read_object(auth, path, field, &content);
    buffer_free(&content);
}

/* ---- auth ---- */

static struct value_ref auth_literal(
    const struct auth *auth, const struct node *node, const char *field)
{
    const char *text = node_text(node);

    if (text == NULL || *text == '\0')
        return (struct value_ref){.source = SOURCE_ABSENT};
    return (struct value_ref){.source = SOURCE_LITERAL,
        .text = parser_keep(auth->parser, text),
        .origin = parser_printf(auth->parser, "%s of %s", field, auth->title)};
}

static void read_pod_identity(struct auth *auth, const struct node *identity)
{
    const struct node *owner = node_get_set(identity, "identityOwner");
    const struct node *provider = node_get_set(identity, "provider");
    const char *text = node_text(owner);

    if (identity == NULL)
        return;
    tree_check_fields(auth->tree, identity, pod_identity_names, SIZE_MAX);
    auth->provider_node = provider != NULL ? provider : identity;
    if (node_text(provider) == NULL)
        tree_report(auth->tree, auth->provider_node, FINDING_WARNING, "podIdentity.provider",
            "missing, taken as none; KEDA refuses podIdentity without it");
    else
        auth->provider = parser_keep(auth->parser, node_text(provider));
    auth->role_node = node_get(identity, "roleArn");
    auth->role = auth_literal(auth, auth->role_node, "podIdentity.roleArn");
    auth->external_id_node = node_get(identity, "externalID");
    auth->external_id = auth_literal(auth, auth->external_id_node, "podIdentity.externalID");
    if (owner == NULL)
        return;
    auth->workload = text != NULL && strcmp(text, "workload") == 0;
    if (!auth->workload && (text == NULL || strcmp(text, "keda") != 0))
        tree_report(auth->tree, owner, FINDING_ERROR, "podIdentity.identityOwner",
            "must be keda or workload");
}

static void refuse_unsupported(const struct auth *auth, const struct node *spec)
{
    for (const char *const *name = spec_names + FIRST_UNSUPPORTED; *name != NULL; name++) {
        const struct node *node = node_get_set(spec, *name);

        if (node != NULL)
            tree_report(auth->tree, node, FINDING_ERROR, *name,
                "tally does not read credentials from there; use secretTargetRef, "
                "configMapTargetRef, env, filePath or podIdentity");
    }
}

static struct auth *auth_read(struct parser *parser, struct document *document)
{
    const struct node *spec = node_get(document->tree.root, "spec");
    struct auth *auth = parser_array(parser, parser->scratch, 1, sizeof(*auth));

    if (auth == NULL)
        return NULL;
    document->auth = auth;
    auth->parser = parser;
    auth->document = document;
    auth->tree = &document->tree;
    auth->title = parser_printf(parser, "%s %s%s%s", document_kind_name(document->kind),
        document->namespace_, *document->namespace_ != '\0' ? "/" : "", document->name);
    auth->provider = "none";
    auth->provider_node = document->tree.root;
    if (auth->title == NULL)
        return NULL;
    tree_check_fields(auth->tree, spec, spec_names, SIZE_MAX);
    refuse_unsupported(auth, spec);
    read_pod_identity(auth, node_get_set(spec, "podIdentity"));
    /* The order of KEDA, where a later source of the same parameter wins. */
    read_entries(auth, spec, "env");
    read_file_path(auth, node_get_set(spec, "filePath"));
    read_entries(auth, spec, "configMapTargetRef");
    read_entries(auth, spec, "secretTargetRef");
    return parser->failed ? NULL : auth;
}

/* A document of this name, but of the other kind. False: not found. */
static bool report_other_kind(struct parser *parser, const struct tree *tree,
    const struct node *node, enum document_kind wanted)
{
    bool cluster = wanted == DOCUMENT_AUTHENTICATION;
    enum document_kind other = cluster ? DOCUMENT_CLUSTER_AUTHENTICATION : DOCUMENT_AUTHENTICATION;
    size_t matches = 0;

    documents_find(&parser->documents, other, "", node->text, &matches);
    if (matches == 0)
        return false;
    tree_report(tree, node, FINDING_ERROR, "authenticationRef.name",
        "no %s named %s is in the files, but a %s is; %s in authenticationRef",
        document_kind_name(wanted), node->text, document_kind_name(other),
        cluster ? "write kind: ClusterTriggerAuthentication" : "remove kind");
    return true;
}

struct auth *auth_find(struct parser *parser, const struct tree *tree, const struct node *reference,
    const char *namespace_)
{
    const struct node *node = node_get(reference, "name");
    const char *name = node_text(node);
    const char *kind = node_text(node_get(reference, "kind"));
    enum document_kind wanted = DOCUMENT_AUTHENTICATION;
    size_t matches = 0;

    if (name == NULL || *name == '\0') {
        tree_report(tree, reference, FINDING_ERROR, "authenticationRef",
            node_text(reference) != NULL
                ? "must be a map; write the name of the TriggerAuthentication below it, as name"
                : "has no name; name a TriggerAuthentication");
        return NULL;
    }
    if (kind != NULL && strcmp(kind, "ClusterTriggerAuthentication") == 0) {
        wanted = DOCUMENT_CLUSTER_AUTHENTICATION;
    } else if (kind != NULL && *kind != '\0' && strcmp(kind, "TriggerAuthentication") != 0) {
        tree_report(tree, node_get(reference, "kind"), FINDING_ERROR, "authenticationRef.kind",
            "must be TriggerAuthentication or ClusterTriggerAuthentication");
        return NULL;
    }
    struct document *document = documents_find(&parser->documents, wanted,
        wanted == DOCUMENT_AUTHENTICATION ? namespace_ : "", name, &matches);
    if (document == NULL && matches == 0 && report_other_kind(parser, tree, node, wanted))
        return NULL;
    if (document == NULL) {
        tree_report(tree, node, FINDING_ERROR, "authenticationRef.name",
            matches > 1 ? "several documents of kind %s are named %s, and none alone is in "
                          "namespace %s; keep one"
                        : "no %s named %s is in the files; add it (namespace %s) or correct the "
                          "name",
            document_kind_name(wanted), name, namespace_);
        return NULL;
    }
    if (wanted == DOCUMENT_AUTHENTICATION && strcmp(document->namespace_, namespace_) != 0)
        tree_report(tree, node, FINDING_WARNING, "authenticationRef.name",
            "%s is in namespace %s; KEDA looks in %s only, so move it there", name,
            document->namespace_, namespace_);
    return document->auth != NULL ? document->auth : auth_read(parser, document);
}

/* ---- values, read now ---- */

/* A string member of a JSON object, kept; NULL: no such member. */
static const char *value_member(struct parser *parser, const struct buffer *json, const char *key)
{
    json_t *object = json_read(json->data, json->len, 0, NULL, NULL);
    const char *text = json_string_value(json_object_get(object, key));
    const char *kept = text != NULL ? parser_keep(parser, text) : NULL;

    json_decref(object);
    return kept;
}

/* The content without white space at its end, kept. */
static const char *value_content(struct parser *parser, struct buffer *content)
{
    while (content->len > 0 && strchr(BLANKS, content->data[content->len - 1]) != NULL)
        buffer_truncate(content, content->len - 1);
    return parser_keep(parser, buffer_string(content));
}

const char *auth_value_now(struct parser *parser, const struct value_ref *value)
{
    struct buffer content;
    const char *text = NULL;

    if (value->source == SOURCE_LITERAL)
        return value->text;
    if (value->source == SOURCE_ENVIRONMENT)
        return parser->getenv(value->text);
    if (value->source != SOURCE_FILE && value->source != SOURCE_JSON_FILE)
        return NULL;
    if (mounted_read(parser, value->text, &content) >= 0)
        text = value->source == SOURCE_FILE ? value_content(parser, &content)
                                            : value_member(parser, &content, value->key);
    buffer_free(&content);
    return text;
}
