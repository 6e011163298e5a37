#include "agent/config/auth_file.h"

#include "agent/json.h"

#include <jansson.h>
#include <string.h>

#define AUTH_FILE_BYTES (64u * 1024u)

/* NULL with an error for a path that would leave the folder. */
static const char *full_path(struct reading *reading, const struct place *place, const char *path)
{
    if (path == NULL || *path == '\0' || strstr(path, "..") != NULL) {
        findings_add(
            &reading->findings, FINDING_ERROR, place, "filePath", "must be a path without \"..\"");
        return NULL;
    }
    if (*path != '/')
        return reading_printf(reading, "%s/%s", reading->secrets_dir, path);
    findings_add(&reading->findings, FINDING_WARNING, place, "filePath",
        "KEDA takes only a path relative to its own folder; use one below %s",
        reading->secrets_dir);
    return reading_keep(reading, path);
}

static struct value_ref member_ref(struct reading *reading, const char *path, const char *name)
{
    return (struct value_ref){.source = SOURCE_JSON_FILE,
        .text = path,
        .key = reading_keep(reading, name),
        .origin = reading_printf(reading, "%s of file %s", name, path)};
}

/* Off the pod nobody knows which parameters the file will hold; keys are the common case. */
static void expect_keys(
    struct reading *reading, struct auth *auth, const char *path, const struct place *place)
{
    static const char *const names[] = {"awsAccessKeyID", "awsSecretAccessKey", "awsSessionToken"};

    findings_add(&reading->findings, FINDING_NOTE, place, "filePath",
        "%s cannot be read here, so it is taken to hold awsAccessKeyID, awsSecretAccessKey and "
        "awsSessionToken; mount it",
        path);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct value_ref value = member_ref(reading, path, names[i]);
        auth_set(reading, auth, names[i], &value, place);
    }
}

static void read_object(
    struct reading *reading, struct auth *auth, const char *path, const struct place *place)
{
    struct buffer content;
    json_t *object = NULL;
    json_t *member = NULL;
    const char *name = NULL;

    buffer_init_secret(&content, AUTH_FILE_BYTES);
    if (reading->read_file == NULL || reading->read_file(path, &content) < 0) {
        expect_keys(reading, auth, path, place);
        goto finish;
    }
    object = json_read(content.data, content.len, 0, NULL, NULL);
    if (!json_is_object(object)) {
        findings_add(&reading->findings, FINDING_ERROR, place, "filePath",
            "%s is not a JSON object of strings; correct it", path);
        goto finish;
    }
    json_object_foreach(object, name, member)
    {
        if (!json_is_string(member)) {
            findings_add(&reading->findings, FINDING_ERROR, place, "filePath",
                "%s of %s must be a string", name, path);
            continue;
        }
        struct value_ref value = member_ref(reading, path, name);
        if (*json_string_value(member) != '\0')
            auth_set(reading, auth, name, &value, place);
    }
finish:
    json_decref(object);
    buffer_free(&content);
}

static void read_entry(struct reading *reading, struct auth *auth, const struct node *entry)
{
    struct place place = node_place(&auth->document->tree, entry);
    const char *name = node_text(node_get(entry, "parameter"));

    if (name == NULL) {
        findings_add(&reading->findings, FINDING_ERROR, &place, "filePath",
            "each entry needs parameter and path");
        return;
    }
    struct value_ref value = {.source = SOURCE_FILE};
    value.text = full_path(reading, &place, node_text(node_get(entry, "path")));
    if (value.text == NULL)
        return;
    value.origin = reading_printf(reading, "file %s", value.text);
    auth_set(reading, auth, name, &value, &place);
}

void auth_file_read(struct reading *reading, struct auth *auth, const struct node *field)
{
    if (field == NULL)
        return;
    struct place place = node_place(&auth->document->tree, field);
    if (auth->document->kind != DOCUMENT_CLUSTER_AUTHENTICATION)
        findings_add(&reading->findings, FINDING_WARNING, &place, "filePath",
            "KEDA reads it only in a ClusterTriggerAuthentication");
    for (uint32_t i = 0; field->kind == NODE_LIST && i < field->count; i++)
        read_entry(reading, auth, field->items[i]);
    if (field->kind == NODE_LIST)
        return;
    const char *path = full_path(reading, &place, node_text(field));
    if (path != NULL)
        read_object(reading, auth, path, &place);
}

const char *auth_file_member(struct reading *reading, const char *json, const char *key)
{
    json_t *object = json_read(json, strlen(json), 0, NULL, NULL);
    const char *text = json_string_value(json_object_get(object, key));
    const char *kept = text != NULL ? reading_keep(reading, text) : NULL;
    json_decref(object);
    return kept;
}
