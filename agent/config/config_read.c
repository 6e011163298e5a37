/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config/config_read.h"

#include "agent/config/config_files.h"
#include "agent/config/scaled_object.h"
#include "agent/config/yaml.h"
#include "agent/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MEBIBYTE   (1024u * 1024u)
#define FILE_MAX   MEBIBYTE
#define STREAM_MAX (16u * MEBIBYTE) /* everything that a chart renders, read once */

/* ---- documents ---- */

static void warn_useless(struct parser *parser, const struct tree *source, const char *message)
{
    tree_report(source, NULL, FINDING_WARNING, "", "%s", message);
    parser->useless_reported = true;
}

/* The next file or folder, also one that cannot be read. file: NULL if there is no memory. */
static struct tree source_next(struct parser *parser, const char *path)
{
    return (struct tree){.file = parser_keep(parser, path),
        .file_index = parser->file_count++,
        .findings = &parser->findings};
}

/* JSON is YAML except for surrogate escapes. 0 or -ENOMEM. */
static int prepare_json(struct parser *parser, struct yaml_input *input)
{
    const char *dot = strrchr(input->tree.base, '.');
    char *copy = NULL;

    if (dot == NULL || strcmp(dot, ".json") != 0 ||
        memmem(input->data, input->len, "\\u", 2) == NULL)
        return 0;
    copy = arena_copy(parser->scratch, input->data, input->len);
    if (copy == NULL)
        return -ENOMEM;
    input->len = surrogates_join(copy, input->len);
    input->data = copy;
    return 0;
}

/* The documents of one text. */
static void read_documents(struct parser *parser, struct yaml_input *input)
{
    int r = prepare_json(parser, input);

    if (r == 0)
        r = yaml_read(input, parser->scratch, documents_add, &parser->documents);
    if (r == -ENOMEM && arena_is_full(parser->scratch))
        tree_report(&input->tree, NULL, FINDING_ERROR, "",
            "the files are too large in all (256 MiB in memory); read fewer");
    else if (r == -ENOMEM)
        parser->failed = true;
}

void config_read_add(struct parser *parser, const char *file, const void *data, size_t len)
{
    struct yaml_input input = {.tree = source_next(parser, file),
        .data = data != NULL ? data : "", /* an empty file */
        .len = len};
    const char *kept = input.tree.file;
    const char *slash = kept != NULL ? strrchr(kept, '/') : NULL;
    size_t before = parser->documents.count;
    size_t errors = parser->findings.error_count;

    if (parser->first_file == NULL)
        parser->first_file = kept;
    if (kept == NULL || parser->failed || parser->documents.seen > DOCUMENTS_MAX)
        return;
    input.tree.base = slash != NULL ? slash + 1 : kept;
    read_documents(parser, &input);
    if (!parser->failed && parser->documents.count == before &&
        parser->findings.error_count == errors)
        warn_useless(parser, &input.tree,
            "no ScaledObject, ScaledJob or list of triggers, and nothing that one refers to");
}

/* The contents of a ConfigMap that is mounted as the configuration: files of KEDA documents. Other
 * programs' files are ignored, whatever is wrong with them. */
static bool holds_documents(const char *key, const char *text)
{
    static const char *const signs[] = {"keda.sh/", "triggers:", "\"triggers\"", "kind: Secret"};

    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
        if (strstr(text, signs[i]) != NULL)
            return config_file_name_is_read(key);
    }
    return false;
}

static void read_config_map(struct parser *parser, const struct document *map)
{
    const struct node *data = node_get(map->tree.root, "data");

    for (uint32_t i = 0; data != NULL && data->kind == NODE_MAP && i < data->count; i++) {
        const char *key = data->pairs[i].key->text;
        const struct node *value = data->pairs[i].value;
        const char *text = node_text(value);

        if (text == NULL || !holds_documents(key, text) || parser->failed)
            continue;
        struct yaml_input input = {
            .tree = map->tree, .data = text, .len = strlen(text), .inside = value};
        input.tree.base = key;
        read_documents(parser, &input);
    }
}

/* The form in which a cluster gets the configuration. ConfigMaps in ConfigMaps stay texts. */
static void read_config_maps(struct parser *parser)
{
    size_t count = parser->documents.count;

    for (size_t i = 0; i < count; i++) {
        struct document document = parser->documents.items[i];

        if (document.kind == DOCUMENT_CONFIG_MAP &&
            !documents_refer_to(&parser->documents, &document))
            read_config_map(parser, &document);
    }
}

static int compare_triggers(const void *left, const void *right)
{
    const struct trigger *a = left, *b = right;
    int r = strcmp(a->name, b->name);

    /* A stable order, also for duplicate names. */
    return r != 0 ? r : (a->line > b->line) - (a->line < b->line);
}

static void report_clashes(struct parser *parser, const struct trigger *triggers)
{
    for (size_t i = 1; i < parser->trigger_count; i++) {
        const struct trigger *a = &triggers[i - 1], *b = &triggers[i];

        if (strcmp(a->name, b->name) != 0)
            continue;
        struct place place = {.file = b->file, .line = b->line, .column = b->column};
        for (size_t k = 0; k < parser->documents.count; k++) {
            if (parser->documents.items[k].tree.file == b->file)
                place.file_index = parser->documents.items[k].tree.file_index;
        }
        findings_add(&parser->findings, FINDING_ERROR, &place, "name",
            "the trigger %s is defined twice, first at %s:%u; rename or remove one", b->name,
            a->file, a->line);
    }
}

static struct config *make_config(struct parser *parser)
{
    struct config *config = calloc(1, sizeof(*config));
    struct trigger *triggers = NULL;

    if (config == NULL)
        return NULL;
    triggers = arena_alloc_array(parser->kept, parser->trigger_count + 1, sizeof(struct trigger));
    if (triggers == NULL)
        goto fail;
    if (parser->trigger_count > 0)
        memcpy(triggers, parser->triggers, parser->trigger_count * sizeof(struct trigger));
    qsort(triggers, parser->trigger_count, sizeof(struct trigger), compare_triggers);
    report_clashes(parser, triggers);
    config->triggers = triggers;
    config->trigger_count = parser->trigger_count;
    config->names = names_create(parser->kept, triggers, parser->trigger_count);
    config->error_count = parser->findings.error_count;
    config->findings = findings_finish(&parser->findings, &config->finding_count);
    if (config->names == NULL || config->findings == NULL || parser->failed)
        goto fail;
    config->arena = parser->kept;
    parser->kept = NULL;
    return config;
fail:
    free(config);
    return NULL;
}

/* The triggers of each ScaledObject, ScaledJob and snippet. */
static void read_objects(struct parser *parser)
{
    for (size_t i = 0; i < parser->documents.count && !parser->failed; i++) {
        const struct document *document = &parser->documents.items[i];

        if (parser->too_many)
            return;
        if (document->kind <= DOCUMENT_SNIPPET)
            scaled_object_read(parser, document);
    }
}

struct config *config_read_finish(struct parser *parser)
{
    struct config *config = NULL;

    if (!parser->failed)
        read_config_maps(parser);
    if (documents_index(&parser->documents) < 0)
        parser->failed = true;
    if (!parser->failed)
        read_objects(parser);
    if (!parser->failed && parser->trigger_count == 0 && parser->findings.error_count == 0 &&
        !parser->useless_reported) {
        struct place place = {.file = parser->first_file};

        if (place.file != NULL)
            findings_add(&parser->findings, FINDING_WARNING, &place, "",
                "no aws-dynamodb trigger in the files, so there is nothing to count; add one");
    }
    if (!parser->failed)
        config = make_config(parser);
    parser_free(parser);
    return config;
}

/* ---- files ---- */

static const char *path_title(const char *path)
{
    return strcmp(path, "-") == 0 ? "stdin" : path;
}

static void report_unreadable(struct parser *parser, const char *path, int error, bool stream)
{
    struct tree source = source_next(parser, path_title(path));

    if (error == -EMSGSIZE)
        tree_report(&source, NULL, FINDING_ERROR, "", "larger than %u MiB; split it",
            (stream ? STREAM_MAX : FILE_MAX) / MEBIBYTE);
    else if (!stream && path_is_stream(path))
        tree_report(&source, NULL, FINDING_ERROR, "",
            "not a regular file; name a YAML file or a folder of them (only --check reads the "
            "standard input and pipes)");
    else if (error == -EINVAL || error == -EISDIR)
        tree_report(&source, NULL, FINDING_ERROR, "",
            "not a regular file; name a YAML file or a folder of them");
    else
        tree_report(&source, NULL, FINDING_ERROR, "", "cannot be read by uid %u: %s",
            (unsigned)geteuid(), strerror(-error));
}

static void add_file(struct parser *parser, const char *path, bool stream)
{
    struct buffer content;
    int r = 0;

    buffer_init_secret(&content, stream ? STREAM_MAX : FILE_MAX);
    r = stream ? stream_read(path, &content) : file_read(path, &content);
    if (r == -ENOMEM)
        parser->failed = true;
    else if (r < 0)
        report_unreadable(parser, path, r, stream);
    else
        config_read_add(parser, path_title(path), content.data, content.len);
    buffer_free(&content);
}

static void add_folder(struct parser *parser, const char *path)
{
    struct config_folder folder;
    int r = config_folder_read(&folder, path);

    if (r == -ENOMEM) {
        parser->failed = true;
        return;
    }
    if (r < 0) {
        report_unreadable(parser, path, r, false);
        return;
    }
    if (folder.count == 0) {
        struct tree source = source_next(parser, path);

        warn_useless(parser, &source,
            "the folder has no *.yaml, *.yml or *.json file, so there is nothing to count");
    }
    for (size_t i = 0; i < folder.count && !parser->failed; i++)
        add_file(parser, folder.paths[i], false);
    config_folder_free(&folder);
}

struct config *config_read(const struct config_options *options)
{
    struct parser *parser = parser_create(options, file_read);

    if (parser == NULL)
        return NULL;
    for (size_t i = 0; i < options->path_count && !parser->failed; i++) {
        if (path_is_folder(options->paths[i]))
            add_folder(parser, options->paths[i]);
        else
            add_file(
                parser, options->paths[i], options->streams && path_is_stream(options->paths[i]));
    }
    return config_read_finish(parser);
}
