/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config/config_read.h"

#include "agent/config/scaled_object.h"
#include "agent/config/yaml.h"
#include "agent/file.h"
#include "agent/fnv.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- config files ---- */

/* The `*.yaml`, `*.yml` and `*.json` of a folder, sorted, without hidden names such as the
 * `..data` of a mounted ConfigMap. */
struct folder {
    char **paths;
    size_t count;
    size_t capacity;
};

static void folder_free(struct folder *folder)
{
    for (size_t i = 0; i < folder->count; i++)
        free(folder->paths[i]);
    free(folder->paths);
    *folder = (struct folder){0};
}

static bool path_is_folder(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* Whether it is the name of a YAML or JSON file that is not hidden. */
static bool file_name_is_configuration(const char *name)
{
    static const char *const endings[] = {".yaml", ".yml", ".json"};
    size_t len = strlen(name);

    for (size_t i = 0; *name != '.' && i < sizeof(endings) / sizeof(endings[0]); i++) {
        size_t ending = strlen(endings[i]);

        if (len > ending && strcmp(name + len - ending, endings[i]) == 0)
            return true;
    }
    return false;
}

static int add_path(struct folder *folder, const char *path, const char *name)
{
    char **paths = array_grow(folder->paths, folder->count, &folder->capacity, sizeof(char *));
    bool slash = path[0] != '\0' && path[strlen(path) - 1] == '/';

    if (paths == NULL)
        return -ENOMEM;
    folder->paths = paths;
    if (asprintf(&paths[folder->count], "%s%s%s", path, slash ? "" : "/", name) < 0)
        return -ENOMEM;
    folder->count++;
    return 0;
}

static int compare_paths(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* 0 or a negative errno. */
static int folder_read(struct folder *folder, const char *path)
{
    int r = 0;
    DIR *stream = opendir(path);

    *folder = (struct folder){0};
    if (stream == NULL)
        return -errno;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (entry == NULL) {
            r = -errno;
            break;
        }
        if (file_name_is_configuration(entry->d_name))
            r = add_path(folder, path, entry->d_name);
        if (r < 0)
            break;
    }
    closedir(stream);
    if (r < 0)
        folder_free(folder);
    else if (folder->count > 0)
        qsort(folder->paths, folder->count, sizeof(char *), compare_paths);
    return r;
}

/* ---- config read ---- */

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
            return file_name_is_configuration(key);
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

void config_read_add_failure(struct parser *parser, const char *file, const char *why)
{
    struct tree source = source_next(parser, file);

    if (source.file != NULL)
        tree_report(&source, NULL, FINDING_ERROR, "", "%s", why);
}

void config_read_add_empty(struct parser *parser, const char *folder)
{
    struct tree source = source_next(parser, folder);

    if (source.file != NULL)
        warn_useless(parser, &source,
            "the folder has no *.yaml, *.yml or *.json file, so there is nothing to count");
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

static void add_failure(struct parser *parser, const char *path, int error, bool stream)
{
    char why[160];

    if (error == -EMSGSIZE)
        snprintf(why, sizeof(why), "larger than %u MiB; split it",
            (stream ? STREAM_MAX : FILE_MAX) / MEBIBYTE);
    else if (!stream && path_is_stream(path))
        snprintf(why, sizeof(why),
            "not a regular file; name a YAML file or a folder of them (only --check reads the "
            "standard input and pipes)");
    else if (error == -EINVAL || error == -EISDIR)
        snprintf(why, sizeof(why), "not a regular file; name a YAML file or a folder of them");
    else
        snprintf(why, sizeof(why), "cannot be read by uid %u: %s", (unsigned)geteuid(),
            strerror(-error));
    config_read_add_failure(parser, path_title(path), why);
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
        add_failure(parser, path, r, stream);
    else
        config_read_add(parser, path_title(path), content.data, content.len);
    buffer_free(&content);
}

static void add_folder(struct parser *parser, const char *path)
{
    struct folder folder;
    int r = folder_read(&folder, path);

    if (r == -ENOMEM) {
        parser->failed = true;
        return;
    }
    if (r < 0) {
        add_failure(parser, path, r, false);
        return;
    }
    if (folder.count == 0)
        config_read_add_empty(parser, path);
    for (size_t i = 0; i < folder.count && !parser->failed; i++)
        add_file(parser, folder.paths[i], false);
    folder_free(&folder);
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

/* ---- config watch ---- */

#define SETTLE_MS  200   /* an editor or kubelet makes several changes at once */
#define LOOKS_MAX  25    /* until files that keep changing are read anyway */
#define IDLE_MS    10000 /* for changes without an event: behind links, on network file systems */
#define PATH_BYTES 4096

struct config_watch {
    struct loop *loop;
    const char *const *paths;
    size_t path_count;
    struct loop_folder **folders; /* one per path; NULL if it cannot be watched */
    int error;                    /* of watching folders, as a negative errno; 0: it works */
    struct loop_timer *look;
    bool curious;   /* the next check is due soon */
    unsigned looks; /* since they changed */
    uint64_t stamp; /* of all files when they were last read */
    uint64_t seen;  /* at the last check */
    loop_fn *changed;
    void *data;
};

/* ---- the state of the files as one number ---- */

static void mix_number(uint64_t *stamp, uint64_t number)
{
    *stamp = fnv_bytes(*stamp, &number, sizeof(number));
}

static void mix_file(uint64_t *stamp, const char *path)
{
    struct file_stamp file = file_stamp_of(path);

    *stamp = fnv_text(*stamp, path);
    mix_number(stamp, (uint64_t)file.error);
    mix_number(stamp, file.device);
    mix_number(stamp, file.inode);
    mix_number(stamp, file.size);
    mix_number(stamp, (uint64_t)file.changed_s);
    mix_number(stamp, (uint64_t)file.changed_ns);
}

uint64_t config_stamp(const char *const *paths, size_t path_count)
{
    uint64_t stamp = FNV_START;

    for (size_t i = 0; i < path_count; i++) {
        struct folder folder = {0};

        if (!path_is_folder(paths[i])) {
            mix_file(&stamp, paths[i]);
            continue;
        }
        if (folder_read(&folder, paths[i]) == 0)
            for (size_t k = 0; k < folder.count; k++)
                mix_file(&stamp, folder.paths[k]);
        folder_free(&folder);
    }
    return stamp;
}

/* ---- events ---- */

static void look_soon(struct config_watch *watch)
{
    watch->curious = true;
    loop_timer_start(watch->look, SETTLE_MS);
}

/* An event of any file in the folder: it must not delay a check that is due. */
static void folder_changed(void *data)
{
    struct config_watch *watch = data;

    if (!watch->curious)
        look_soon(watch);
}

/* A file is watched through its folder: another file may later replace it. */
static struct loop_folder *watch_path(struct config_watch *watch, const char *path)
{
    char parent[PATH_BYTES];
    const char *slash = strrchr(path, '/');

    if (path_is_folder(path))
        return loop_folder_create(watch->loop, path, folder_changed, watch);
    if (slash == NULL)
        return loop_folder_create(watch->loop, ".", folder_changed, watch);
    if ((size_t)(slash - path) + 2 > sizeof(parent)) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    snprintf(parent, sizeof(parent), "%.*s", slash == path ? 1 : (int)(slash - path), path);
    return loop_folder_create(watch->loop, parent, folder_changed, watch);
}

/* Whether the machine has no inotify watch left; else the folder is missing or not readable. */
static bool is_exhausted(int error)
{
    return error != ENOENT && error != ENOTDIR && error != EACCES && error != ENAMETOOLONG;
}

/* Also called later: the folder may be replaced, too. Without an inotify instance at the start
 * there is never one: the system call filter refuses to create it. */
static void watch_folders(struct config_watch *watch)
{
    if (watch->error != 0 && watch->error != -ENOSPC)
        return;
    watch->error = 0;
    for (size_t i = 0; i < watch->path_count; i++) {
        loop_folder_destroy(watch->folders[i]);
        watch->folders[i] = watch_path(watch, watch->paths[i]);
        if (watch->folders[i] == NULL && is_exhausted(errno))
            watch->error = -errno;
    }
}

static void config_watch_look(void *data)
{
    struct config_watch *watch = data;
    uint64_t stamp = config_stamp(watch->paths, watch->path_count);

    if (stamp == watch->stamp) {
        watch->curious = false;
        watch->looks = 0;
        loop_timer_start(watch->look, IDLE_MS);
    } else if (stamp != watch->seen && ++watch->looks < LOOKS_MAX) {
        watch->seen = stamp;
        look_soon(watch);
    } else {
        watch->looks = 0;
        watch->stamp = stamp;
        watch_folders(watch);
        look_soon(watch); /* changes while the folders were not watched cause no event */
        watch->changed(watch->data);
    }
}

void config_watch_demand(struct config_watch *watch)
{
    watch->stamp = 0; /* matches no set of files */
    watch->looks = 0;
    watch->seen = config_stamp(watch->paths, watch->path_count);
    look_soon(watch);
}

bool config_watch_confirm(struct config_watch *watch)
{
    if (watch == NULL || config_stamp(watch->paths, watch->path_count) == watch->stamp)
        return true;
    config_watch_demand(watch);
    return false;
}

int config_watch_error(const struct config_watch *watch)
{
    return watch->error;
}

/* ---- life ---- */

struct config_watch *config_watch_create(struct loop *loop, const char *const *paths,
    size_t path_count, uint64_t stamp, loop_fn *changed, void *data)
{
    struct config_watch *watch = calloc(1, sizeof(*watch));

    if (watch == NULL)
        return NULL;
    watch->loop = loop;
    watch->paths = paths;
    watch->path_count = path_count;
    watch->stamp = watch->seen = stamp;
    watch->changed = changed;
    watch->data = data;
    watch->folders = calloc(path_count + 1, sizeof(struct loop_folder *));
    watch->look = loop_timer_create(loop, config_watch_look, watch);
    if (watch->folders == NULL || watch->look == NULL) {
        config_watch_destroy(watch);
        return NULL;
    }
    watch_folders(watch);
    look_soon(watch); /* for changes before the watch existed */
    return watch;
}

void config_watch_destroy(struct config_watch *watch)
{
    if (watch == NULL)
        return;
    for (size_t i = 0; watch->folders != NULL && i < watch->path_count; i++)
        loop_folder_destroy(watch->folders[i]);
    loop_timer_destroy(watch->look);
    free(watch->folders);
    free(watch);
}
