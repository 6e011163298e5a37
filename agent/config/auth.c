/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config/auth.h"

#include "agent/json_value.h"
#include "proto/base64.h"
#include "proto/suggest.h"

#include <ctype.h>
#include <jansson.h>
#include <string.h>

static struct value_ref secret_value(struct parser *parser, const struct secret_key *key);
static void auth_file_read(struct parser *parser, struct auth *auth, const struct node *field);
static const char *auth_file_member(struct parser *parser, const char *json, const char *key);

/* ---- auth ---- */

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

/* Gives a parameter its value; for the readers of sources. */
static void auth_set(struct parser *parser, struct auth *auth, const char *name,
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
        findings_add(&parser->findings, FINDING_WARNING, place, name,
            "not a parameter of aws-dynamodb, so it is ignored, and another identity may take its "
            "place; did you mean %s?",
            close);
    else
        findings_add(&parser->findings, FINDING_NOTE, place, name,
            "not a parameter of aws-dynamodb, so it is ignored");
}

/* The text of a required field of a list entry; NULL with an error. */
static const char *entry_text(
    struct parser *parser, const struct tree *tree, const struct node *entry, const char *field)
{
    const char *text = node_text(node_get(entry, field));

    if (text == NULL || *text == '\0') {
        struct place place = node_place(tree, entry);

        findings_add(
            &parser->findings, FINDING_ERROR, &place, field, "missing; each entry needs it");
        return NULL;
    }
    return text;
}

static void read_target_entry(
    struct parser *parser, struct auth *auth, const struct node *entry, enum document_kind kind)
{
    const struct document *document = auth->document;
    const struct tree *tree = &document->tree;
    const char *parameter = entry_text(parser, tree, entry, "parameter");
    struct secret_key key = {.kind = kind,
        .namespace_ = document->namespace_,
        .name = entry_text(parser, tree, entry, "name"),
        .key = entry_text(parser, tree, entry, "key"),
        .cluster = document->kind == DOCUMENT_CLUSTER_AUTHENTICATION,
        .place = node_place(tree, entry)};

    if (parameter == NULL || key.name == NULL || key.key == NULL)
        return;
    if (!document_name_is_plain(key.name) || !document_name_is_plain(key.key)) {
        findings_add(&parser->findings, FINDING_ERROR, &key.place, parameter,
            "name and key have no blanks and no slashes");
        return;
    }
    if (key.cluster)
        key.namespace_ = "keda";
    struct value_ref value = secret_value(parser, &key);
    auth_set(parser, auth, parameter, &value, &key.place);
}

/* Values that KEDA's resolver sets to empty if it finds nothing, and then continues. */
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

static void read_env_entry(struct parser *parser, struct auth *auth, const struct node *entry)
{
    const struct tree *tree = &auth->document->tree;
    struct place place = node_place(tree, entry);
    const char *parameter = entry_text(parser, tree, entry, "parameter");
    const char *name = entry_text(parser, tree, entry, "name");

    if (parameter == NULL || name == NULL)
        return;
    struct value_ref value = {.source = SOURCE_ENVIRONMENT,
        .text = parser_keep(parser, name),
        .origin = parser_printf(parser, "environment variable %s", name)};
    const char *text = parser->getenv(name);
    if (text == NULL || *text == '\0') {
        bool optional = auth_is_optional(parameter);

        findings_add(&parser->findings, FINDING_NOTE, &place, parameter,
            optional ? "the variable %s is not set here, so the parameter counts as absent, as in "
                       "KEDA"
                     : "the variable %s is not set here; set it in tally's own container",
            name);
        if (optional)
            return;
    }
    auth_set(parser, auth, parameter, &value, &place);
}

static void read_entries(
    struct parser *parser, struct auth *auth, const struct node *spec, const char *field)
{
    const struct node *list = node_get_set(spec, field);

    if (list == NULL)
        return;
    if (list->kind != NODE_LIST) {
        struct place place = node_place(&auth->document->tree, list);

        findings_add(&parser->findings, FINDING_ERROR, &place, field, "must be a list, not %s",
            node_kind_name(list->kind));
        return;
    }
    for (uint32_t i = 0; i < list->count; i++) {
        if (strcmp(field, "env") == 0)
            read_env_entry(parser, auth, list->items[i]);
        else
            read_target_entry(parser, auth, list->items[i],
                strcmp(field, "secretTargetRef") == 0 ? DOCUMENT_SECRET : DOCUMENT_CONFIG_MAP);
    }
}

static struct value_ref auth_literal(
    struct parser *parser, const struct node *node, const char *title, const char *field)
{
    const char *text = node_text(node);

    if (text == NULL || *text == '\0')
        return (struct value_ref){.source = SOURCE_ABSENT};
    return (struct value_ref){.source = SOURCE_LITERAL,
        .text = parser_keep(parser, text),
        .origin = parser_printf(parser, "%s of %s", field, title)};
}

static void check_names(struct parser *parser, const struct tree *tree, const struct node *map,
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
        findings_add(&parser->findings, FINDING_WARNING, &place, name,
            close != NULL ? "unknown field, so it is ignored; did you mean %s?"
                          : "unknown field, so it is ignored%s",
            close != NULL ? close : "");
    }
}

static void read_pod_identity(struct parser *parser, struct auth *auth, const struct node *spec)
{
    const struct tree *tree = &auth->document->tree;
    const struct node *identity = node_get_set(spec, "podIdentity");
    const struct node *owner = node_get_set(identity, "identityOwner");
    const struct node *provider = node_get_set(identity, "provider");
    const char *text = node_text(owner);

    if (identity == NULL)
        return;
    check_names(parser, tree, identity, pod_identity_names);
    auth->provider_place = node_place(tree, provider != NULL ? provider : identity);
    if (node_text(provider) == NULL)
        findings_add(&parser->findings, FINDING_WARNING, &auth->provider_place,
            "podIdentity.provider", "missing, taken as none; KEDA refuses podIdentity without it");
    else
        auth->provider = parser_keep(parser, node_text(provider));
    auth->role = auth_literal(
        parser, node_get(identity, "roleArn"), auth->title, "podIdentity.roleArn");
    auth->role_place = node_place(tree, node_get(identity, "roleArn"));
    auth->external_id = auth_literal(
        parser, node_get(identity, "externalID"), auth->title, "podIdentity.externalID");
    auth->external_id_place = node_place(tree, node_get(identity, "externalID"));
    if (owner == NULL)
        return;
    auth->workload = text != NULL && strcmp(text, "workload") == 0;
    if (!auth->workload && (text == NULL || strcmp(text, "keda") != 0)) {
        struct place place = node_place(tree, owner);

        findings_add(&parser->findings, FINDING_ERROR, &place, "podIdentity.identityOwner",
            "must be keda or workload");
    }
}

static void refuse_unsupported(
    struct parser *parser, const struct auth *auth, const struct node *spec)
{
    for (const char *const *name = spec_names + FIRST_UNSUPPORTED; *name != NULL; name++) {
        const struct node *node = node_get_set(spec, *name);

        if (node == NULL)
            continue;
        struct place place = node_place(&auth->document->tree, node);
        findings_add(&parser->findings, FINDING_ERROR, &place, *name,
            "tally does not read credentials from there; use secretTargetRef, "
            "configMapTargetRef, env, filePath or podIdentity");
    }
}

static struct auth *auth_read(struct parser *parser, struct document *document)
{
    const struct node *spec = node_get(document->tree.root, "spec");
    struct auth *auth = arena_alloc(parser->scratch, sizeof(*auth));

    if (auth == NULL) {
        parser->failed = true;
        return NULL;
    }
    document->auth = auth;
    auth->document = document;
    auth->title = parser_printf(parser, "%s %s%s%s", document_kind_name(document->kind),
        document->namespace_, *document->namespace_ != '\0' ? "/" : "", document->name);
    auth->provider = "none";
    auth->provider_place = node_place(&document->tree, document->tree.root);
    if (auth->title == NULL)
        return NULL;
    check_names(parser, &document->tree, spec, spec_names);
    refuse_unsupported(parser, auth, spec);
    read_pod_identity(parser, auth, spec);
    /* The order of KEDA, where a later source of the same parameter wins. */
    read_entries(parser, auth, spec, "env");
    auth_file_read(parser, auth, node_get_set(spec, "filePath"));
    read_entries(parser, auth, spec, "configMapTargetRef");
    read_entries(parser, auth, spec, "secretTargetRef");
    return parser->failed ? NULL : auth;
}

/* A document of this name, but of the other kind. False: not found. */
static bool report_other_kind(
    struct parser *parser, const struct place *place, enum document_kind wanted, const char *name)
{
    bool cluster = wanted == DOCUMENT_AUTHENTICATION;
    enum document_kind other = cluster ? DOCUMENT_CLUSTER_AUTHENTICATION : DOCUMENT_AUTHENTICATION;
    size_t matches = 0;

    documents_find(&parser->documents, other, "", name, &matches);
    if (matches == 0)
        return false;
    findings_add(&parser->findings, FINDING_ERROR, place, "authenticationRef.name",
        "no %s named %s is in the files, but a %s is; %s in authenticationRef",
        document_kind_name(wanted), name, document_kind_name(other),
        cluster ? "write kind: ClusterTriggerAuthentication" : "remove kind");
    return true;
}

struct auth *auth_find(struct parser *parser, const struct tree *tree, const struct node *reference,
    const char *namespace_)
{
    const char *name = node_text(node_get(reference, "name"));
    const char *kind = node_text(node_get(reference, "kind"));
    enum document_kind wanted = DOCUMENT_AUTHENTICATION;
    struct place place = node_place(tree, reference);
    size_t matches = 0;

    if (name == NULL || *name == '\0') {
        findings_add(&parser->findings, FINDING_ERROR, &place, "authenticationRef",
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
        findings_add(&parser->findings, FINDING_ERROR, &place, "authenticationRef.kind",
            "must be TriggerAuthentication or ClusterTriggerAuthentication");
        return NULL;
    }
    struct document *document = documents_find(&parser->documents, wanted,
        wanted == DOCUMENT_AUTHENTICATION ? namespace_ : "", name, &matches);
    if (document == NULL && matches == 0 && report_other_kind(parser, &place, wanted, name))
        return NULL;
    if (document == NULL) {
        findings_add(&parser->findings, FINDING_ERROR, &place, "authenticationRef.name",
            matches > 1 ? "several documents of kind %s are named %s, and none alone is in "
                          "namespace %s; keep one"
                        : "no %s named %s is in the files; add it (namespace %s) or correct the "
                          "name",
            document_kind_name(wanted), name, namespace_);
        return NULL;
    }
    if (wanted == DOCUMENT_AUTHENTICATION && strcmp(document->namespace_, namespace_) != 0)
        findings_add(&parser->findings, FINDING_WARNING, &place, "authenticationRef.name",
            "%s is in namespace %s; KEDA looks in %s only, so move it there", name,
            document->namespace_, namespace_);
    return document->auth != NULL ? document->auth : auth_read(parser, document);
}

const char *auth_value_now(struct parser *parser, const struct value_ref *value)
{
    struct buffer content;
    const char *text = NULL;

    if (value->source == SOURCE_LITERAL)
        return value->text;
    if (value->source == SOURCE_ENVIRONMENT)
        return parser->getenv(value->text);
    if ((value->source != SOURCE_FILE && value->source != SOURCE_JSON_FILE) ||
        parser->read_file == NULL)
        return NULL;
    buffer_init_secret(&content, 64 * 1024);
    if (parser->read_file(value->text, &content) >= 0) {
        while (content.len > 0 && strchr(" \t\r\n", content.data[content.len - 1]) != NULL)
            buffer_truncate(&content, content.len - 1);
        text = value->source == SOURCE_FILE
                   ? parser_keep(parser, buffer_string(&content))
                   : auth_file_member(parser, buffer_string(&content), value->key);
    }
    buffer_free(&content);
    return text;
}

/* ---- auth file ---- */

#define AUTH_FILE_BYTES (64u * 1024u)

/* NULL with an error for a path outside the folder. */
static const char *full_path(struct parser *parser, const struct place *place, const char *path)
{
    if (path == NULL || *path == '\0' || strstr(path, "..") != NULL) {
        findings_add(
            &parser->findings, FINDING_ERROR, place, "filePath", "must be a path without \"..\"");
        return NULL;
    }
    if (*path != '/')
        return parser_printf(parser, "%s/%s", parser->secrets_dir, path);
    findings_add(&parser->findings, FINDING_WARNING, place, "filePath",
        "KEDA takes only a path relative to its own folder; use one below %s", parser->secrets_dir);
    return parser_keep(parser, path);
}

static struct value_ref member_ref(struct parser *parser, const char *path, const char *name)
{
    return (struct value_ref){.source = SOURCE_JSON_FILE,
        .text = path,
        .key = parser_keep(parser, name),
        .origin = parser_printf(parser, "%s of file %s", name, path)};
}

/* Outside the pod, tally cannot know the parameters in the file; keys are the common case. */
static void expect_keys(
    struct parser *parser, struct auth *auth, const char *path, const struct place *place)
{
    static const char *const names[] = {"awsAccessKeyID", "awsSecretAccessKey", "awsSessionToken"};

    findings_add(&parser->findings, FINDING_NOTE, place, "filePath",
        "%s cannot be read here, so it is taken to hold awsAccessKeyID, awsSecretAccessKey and "
        "awsSessionToken; mount it",
        path);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct value_ref value = member_ref(parser, path, names[i]);

        auth_set(parser, auth, names[i], &value, place);
    }
}

static void auth_read_object(
    struct parser *parser, struct auth *auth, const char *path, const struct place *place)
{
    struct buffer content;
    json_t *object = NULL;
    json_t *member = NULL;
    const char *name = NULL;

    buffer_init_secret(&content, AUTH_FILE_BYTES);
    if (parser->read_file == NULL || parser->read_file(path, &content) < 0) {
        expect_keys(parser, auth, path, place);
        goto finish;
    }
    object = json_read(content.data, content.len, 0, NULL, NULL);
    if (!json_is_object(object)) {
        findings_add(&parser->findings, FINDING_ERROR, place, "filePath",
            "%s is not a JSON object of strings; correct it", path);
        goto finish;
    }
    json_object_foreach(object, name, member)
    {
        if (!json_is_string(member)) {
            findings_add(&parser->findings, FINDING_ERROR, place, "filePath",
                "%s of %s must be a string", name, path);
            continue;
        }
        struct value_ref value = member_ref(parser, path, name);
        if (*json_string_value(member) != '\0')
            auth_set(parser, auth, name, &value, place);
    }
finish:
    json_decref(object);
    buffer_free(&content);
}

static void read_entry(struct parser *parser, struct auth *auth, const struct node *entry)
{
    struct place place = node_place(&auth->document->tree, entry);
    const char *name = node_text(node_get(entry, "parameter"));

    if (name == NULL) {
        findings_add(&parser->findings, FINDING_ERROR, &place, "filePath",
            "each entry needs parameter and path");
        return;
    }
    struct value_ref value = {.source = SOURCE_FILE};
    value.text = full_path(parser, &place, node_text(node_get(entry, "path")));
    if (value.text == NULL)
        return;
    value.origin = parser_printf(parser, "file %s", value.text);
    auth_set(parser, auth, name, &value, &place);
}

/* Reads the field; NULL: it is absent. A path is relative to the secrets folder. A text is
 * the path of a JSON object of strings; a list of {parameter, path} names a file for each. */
static void auth_file_read(struct parser *parser, struct auth *auth, const struct node *field)
{
    if (field == NULL)
        return;
    struct place place = node_place(&auth->document->tree, field);
    if (auth->document->kind != DOCUMENT_CLUSTER_AUTHENTICATION)
        findings_add(&parser->findings, FINDING_WARNING, &place, "filePath",
            "KEDA reads it only in a ClusterTriggerAuthentication");
    for (uint32_t i = 0; field->kind == NODE_LIST && i < field->count; i++)
        read_entry(parser, auth, field->items[i]);
    if (field->kind == NODE_LIST)
        return;
    const char *path = full_path(parser, &place, node_text(field));
    if (path != NULL)
        auth_read_object(parser, auth, path, &place);
}

/* A string member of such an object, kept; NULL: no such member. */
static const char *auth_file_member(struct parser *parser, const char *json, const char *key)
{
    json_t *object = json_read(json, strlen(json), 0, NULL, NULL);
    const char *text = json_string_value(json_object_get(object, key));
    const char *kept = text != NULL ? parser_keep(parser, text) : NULL;

    json_decref(object);
    return kept;
}

/* ---- secret value ---- */

static struct value_ref auth_broken(struct parser *parser, const char *origin, const char *why)
{
    return (struct value_ref){.source = SOURCE_BROKEN,
        .text = parser_printf(parser, "%s %s", origin, why),
        .origin = origin};
}

/* The path of a mounted Secret in a pod. */
static struct value_ref from_file(struct parser *parser, const struct secret_key *key)
{
    const char *kind = document_kind_name(key->kind);
    struct value_ref value = {.source = SOURCE_FILE};
    struct buffer content;
    int r = 0;

    value.text = parser_printf(parser, "%s/%s/%s", parser->secrets_dir, key->name, key->key);
    value.origin = parser_printf(parser, "%s %s key %s", kind, key->name, key->key);
    if (value.text == NULL || value.origin == NULL)
        return value;
    buffer_init_secret(&content, 64 * 1024);
    r = parser->read_file != NULL ? parser->read_file(value.text, &content) : -1;
    if (r < 0)
        findings_add(&parser->findings, FINDING_NOTE, &key->place, key->name,
            "no %s of this name in the files, and nothing mounted at %s yet; mount it there", kind,
            value.text);
    buffer_free(&content);
    return value;
}

/* Trims white space, which no AWS value has but Secrets often do. */
static struct value_ref from_text(
    struct parser *parser, const struct secret_key *key, const char *origin, char *text)
{
    size_t len = strlen(text), start = strspn(text, " \t\r\n");

    while (len > start && strchr(" \t\r\n", text[len - 1]) != NULL)
        len--;
    if (len == start)
        return (struct value_ref){.source = SOURCE_ABSENT};
    if (start > 0 || text[len] != '\0')
        findings_add(&parser->findings, FINDING_WARNING, &key->place, key->key,
            "the value of %s has a line break or blank at its end, which AWS refuses when KEDA "
            "sends it; tally trims it, repair the Secret",
            origin);
    text[len] = '\0';
    for (size_t i = start; i < len; i++) {
        if (iscntrl((unsigned char)text[i])) {
            findings_add(&parser->findings, FINDING_WARNING, &key->place, key->key,
                "the value of %s holds a control character, so it cannot be a credential; repair "
                "it",
                origin);
            return auth_broken(parser, origin, "holds a control character");
        }
    }
    return (struct value_ref){.source = SOURCE_LITERAL, .text = text + start, .origin = origin};
}

static struct value_ref from_base64(
    struct parser *parser, const struct secret_key *key, const char *origin, const char *encoded)
{
    uint8_t *text = arena_alloc(parser->kept, strlen(encoded) + 1);
    long len = 0;

    if (text == NULL) {
        parser->failed = true;
        return (struct value_ref){.source = SOURCE_ABSENT};
    }
    len = base64_decode(encoded, text);
    if (len < 0) {
        findings_add(&parser->findings, FINDING_WARNING, &key->place, key->key,
            "the value of %s is not base64; was a placeholder not replaced?", origin);
        return auth_broken(parser, origin, "is not base64; was a placeholder not replaced?");
    }
    text[len] = '\0';
    if (memchr(text, '\0', (size_t)len) != NULL) {
        findings_add(&parser->findings, FINDING_WARNING, &key->place, key->key,
            "the value of %s is binary once its base64 is decoded, so it cannot be a credential; "
            "was it not encoded? stringData takes it as it is",
            origin);
        return auth_broken(parser, origin, "is binary once its base64 is decoded");
    }
    return from_text(parser, key, origin, (char *)text);
}

static struct value_ref from_document(
    struct parser *parser, const struct secret_key *key, const struct document *document)
{
    const struct node *root = document->tree.root;
    const struct node *plain = node_get(root, key->kind == DOCUMENT_SECRET ? "stringData" : "data");
    const struct node *encoded = node_get(
        root, key->kind == DOCUMENT_SECRET ? "data" : "binaryData");
    const char *origin = parser_printf(parser, "%s %s/%s key %s", document_kind_name(key->kind),
        document->namespace_, document->name, key->key);
    const char *text = node_text(node_get(plain, key->key));

    if (origin == NULL)
        return (struct value_ref){.source = SOURCE_ABSENT};
    if (text != NULL) {
        char *copy = arena_copy_string(parser->kept, text);

        if (copy != NULL)
            return from_text(parser, key, origin, copy);
        parser->failed = true;
        return (struct value_ref){.source = SOURCE_ABSENT};
    }
    text = node_text(node_get(encoded, key->key));
    if (text != NULL)
        return from_base64(parser, key, origin, text);
    findings_add(&parser->findings, FINDING_WARNING, &key->place, key->key,
        "%s %s/%s has no such key; add it there", document_kind_name(key->kind),
        document->namespace_, document->name);
    return from_file(parser, key);
}

/* A document of the files, else the file `<secrets-dir>/<name>/<key>`. An unusable value is
 * SOURCE_BROKEN with a warning; an empty value is SOURCE_ABSENT. */
static struct value_ref secret_value(struct parser *parser, const struct secret_key *key)
{
    const char *kind = document_kind_name(key->kind);
    size_t matches = 0;
    const struct document *document = documents_find(
        &parser->documents, key->kind, key->namespace_, key->name, &matches);

    if (document == NULL && matches > 1) {
        findings_add(&parser->findings, FINDING_ERROR, &key->place, key->name,
            "several documents of kind %s have this name, and none alone is in namespace %s; "
            "keep one",
            kind, key->namespace_);
        return auth_broken(parser, key->name, "is ambiguous");
    }
    if (document == NULL)
        return from_file(parser, key);
    if (!key->cluster && strcmp(document->namespace_, key->namespace_) != 0)
        findings_add(&parser->findings, FINDING_WARNING, &key->place, key->name,
            "the %s is in namespace %s; KEDA looks in %s only, so move it there", kind,
            document->namespace_, key->namespace_);
    return from_document(parser, key, document);
}
