#include "agent/config/reading.h"

#include "agent/config/files.h"
#include "agent/config/names.h"
#include "agent/config/scaled_object.h"
#include "agent/config/surrogates.h"
#include "agent/config/yaml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_BLOCK    (32u * 1024u)
#define KEPT_MAX      (512u * 1024u * 1024u)
#define SCRATCH_BLOCK (256u * 1024u)
#define SCRATCH_MAX   (256u * 1024u * 1024u)
#define SECRETS_DIR   "/var/run/secrets/tally"

static const char *environment(const char *name)
{
    return getenv(name);
}

static void reading_free(struct reading *reading)
{
    findings_free(&reading->findings);
    documents_free(&reading->documents);
    arena_destroy(reading->scratch);
    arena_destroy(reading->kept);
    free(reading->triggers);
    free(reading->specs);
    free(reading->spec_hashes);
    free(reading);
}

struct reading *reading_create(const struct config_options *options, config_file_fn *read_file)
{
    struct reading *reading = calloc(1, sizeof(*reading));
    if (reading == NULL)
        return NULL;
    reading->secrets_dir = options->secrets_dir != NULL ? options->secrets_dir : SECRETS_DIR;
    reading->getenv = options->getenv != NULL ? options->getenv : environment;
    reading->environment.allow_http = options->allow_http;
    endpoint_environment_read(&reading->environment, reading->getenv);
    reading->read_file = read_file;
    reading->kept = arena_create(KEPT_BLOCK, KEPT_MAX);
    reading->scratch = arena_create(SCRATCH_BLOCK, SCRATCH_MAX);
    findings_init(&reading->findings, reading->kept);
    documents_init(&reading->documents, reading->scratch, &reading->findings);
    if (reading->kept == NULL || reading->scratch == NULL) {
        reading_free(reading);
        return NULL;
    }
    return reading;
}

static void warn_useless(struct reading *reading, const struct place *place, const char *message)
{
    findings_add(&reading->findings, FINDING_WARNING, place, "", "%s", message);
    reading->useless_told = true;
}

/* JSON is YAML but for one thing. 0 or -ENOMEM. */
static int prepare_json(struct reading *reading, struct yaml_input *input)
{
    const char *dot = strrchr(input->base, '.');
    char *copy = NULL;

    if (dot == NULL || strcmp(dot, ".json") != 0 ||
        memmem(input->data, input->len, "\\u", 2) == NULL)
        return 0;
    copy = arena_copy(reading->scratch, input->data, input->len);
    if (copy == NULL)
        return -ENOMEM;
    input->len = surrogates_join(copy, input->len);
    input->data = copy;
    return 0;
}

/* The documents of one text. */
static void read_documents(struct reading *reading, struct yaml_input *input)
{
    struct place place = {.file = input->file, .file_index = input->file_index};
    int r = prepare_json(reading, input);

    if (r == 0)
        r = yaml_read(
            input, reading->scratch, &reading->findings, documents_add, &reading->documents);
    if (r == -ENOMEM && arena_is_full(reading->scratch))
        findings_add(&reading->findings, FINDING_ERROR, &place, "",
            "the files are too large in all (256 MiB in memory); read fewer");
    else if (r == -ENOMEM)
        reading->failed = true;
}

void reading_add(struct reading *reading, const char *file, const void *data, size_t len)
{
    const char *kept = reading_keep(reading, file);
    const char *slash = kept != NULL ? strrchr(kept, '/') : NULL;
    struct yaml_input input = {.file = kept,
        .file_index = reading->file_count++,
        .base = slash != NULL ? slash + 1 : kept,
        .data = data != NULL ? data : "", /* an empty file */
        .len = len};
    size_t before = reading->documents.count;
    size_t errors = reading->findings.error_count;
    struct place place = {.file = input.file, .file_index = input.file_index};

    if (reading->first_file == NULL)
        reading->first_file = input.file;
    if (reading->failed || reading->documents.seen > DOCUMENTS_MAX)
        return;
    read_documents(reading, &input);
    if (!reading->failed && reading->documents.count == before &&
        reading->findings.error_count == errors)
        warn_useless(reading, &place,
            "no ScaledObject, ScaledJob or list of triggers, and nothing that one refers to");
}

/* What a ConfigMap holds that is mounted as the configuration: files of documents of KEDA's. Other
 * programs' files are none of tally's business, whatever is wrong with them. */
static bool holds_documents(const char *key, const char *text)
{
    static const char *const signs[] = {"keda.sh/", "triggers:", "\"triggers\"", "kind: Secret"};

    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
        if (strstr(text, signs[i]) != NULL)
            return file_name_is_configuration(key);
    }
    return false;
}

static void read_config_map(struct reading *reading, const struct document *map)
{
    const struct node *data = node_get(map->tree.root, "data");

    for (uint32_t i = 0; data != NULL && data->kind == NODE_MAP && i < data->count; i++) {
        const char *key = data->pairs[i].key->text;
        const struct node *value = data->pairs[i].value;
        const char *text = node_text(value);
        if (text == NULL || !holds_documents(key, text) || reading->failed)
            continue;
        struct yaml_input input = {.file = map->tree.file,
            .file_index = map->tree.file_index,
            .base = key,
            .data = text,
            .len = strlen(text),
            .inside = value};
        read_documents(reading, &input);
    }
}

/* The shape in which a cluster gets the configuration. ConfigMaps in ConfigMaps stay texts. */
static void read_config_maps(struct reading *reading)
{
    size_t count = reading->documents.count;

    for (size_t i = 0; i < count; i++) {
        struct document document = reading->documents.items[i];
        if (document.kind == DOCUMENT_CONFIG_MAP &&
            !documents_refer_to(&reading->documents, &document))
            read_config_map(reading, &document);
    }
}

void reading_add_failure(struct reading *reading, const char *file, const char *why)
{
    struct place place = {.file = reading_keep(reading, file), .file_index = reading->file_count++};
    if (place.file != NULL)
        findings_add(&reading->findings, FINDING_ERROR, &place, "", "%s", why);
}

void reading_add_empty(struct reading *reading, const char *folder)
{
    struct place place = {
        .file = reading_keep(reading, folder), .file_index = reading->file_count++};
    if (place.file != NULL)
        warn_useless(reading, &place,
            "the folder has no *.yaml, *.yml or *.json file, so there is nothing to count");
}

const char *reading_keep(struct reading *reading, const char *text)
{
    const char *copy = arena_copy_string(reading->kept, text);
    if (copy == NULL)
        reading->failed = true;
    return copy;
}

const char *reading_printf(struct reading *reading, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = arena_vprintf(reading->kept, format, args);
    va_end(args);
    if (text == NULL)
        reading->failed = true;
    return text;
}

struct trigger *reading_add_trigger(struct reading *reading)
{
    if (reading->trigger_count == reading->trigger_capacity) {
        size_t capacity = reading->trigger_capacity > 0 ? reading->trigger_capacity * 2 : 16;
        struct trigger *triggers = realloc(reading->triggers, capacity * sizeof(*triggers));
        if (triggers == NULL) {
            reading->failed = true;
            return NULL;
        }
        reading->triggers = triggers;
        reading->trigger_capacity = capacity;
    }
    struct trigger *trigger = &reading->triggers[reading->trigger_count++];
    *trigger = (struct trigger){0};
    return trigger;
}

static int compare_triggers(const void *left, const void *right)
{
    const struct trigger *a = left, *b = right;
    int r = strcmp(a->name, b->name);
    /* The same order each time, also for names that clash. */
    return r != 0 ? r : (a->line > b->line) - (a->line < b->line);
}

static void report_clashes(struct reading *reading, const struct trigger *triggers)
{
    for (size_t i = 1; i < reading->trigger_count; i++) {
        const struct trigger *a = &triggers[i - 1], *b = &triggers[i];
        if (strcmp(a->name, b->name) != 0)
            continue;
        struct place place = {.file = b->file, .line = b->line, .column = b->column};
        for (size_t k = 0; k < reading->documents.count; k++) {
            if (reading->documents.items[k].tree.file == b->file)
                place.file_index = reading->documents.items[k].tree.file_index;
        }
        findings_add(&reading->findings, FINDING_ERROR, &place, "name",
            "the trigger %s is defined twice, first at %s:%u; rename or remove one", b->name,
            a->file, a->line);
    }
}

static struct config *make_config(struct reading *reading)
{
    struct config *config = calloc(1, sizeof(*config));
    struct trigger *triggers = NULL;

    if (config == NULL)
        return NULL;
    triggers = arena_alloc_array(reading->kept, reading->trigger_count + 1, sizeof(struct trigger));
    if (triggers == NULL)
        goto fail;
    if (reading->trigger_count > 0)
        memcpy(triggers, reading->triggers, reading->trigger_count * sizeof(struct trigger));
    qsort(triggers, reading->trigger_count, sizeof(struct trigger), compare_triggers);
    report_clashes(reading, triggers);
    config->triggers = triggers;
    config->trigger_count = reading->trigger_count;
    config->names = names_create(reading->kept, triggers, reading->trigger_count);
    config->error_count = reading->findings.error_count;
    config->findings = findings_finish(&reading->findings, &config->finding_count);
    if (config->names == NULL || config->findings == NULL || reading->failed)
        goto fail;
    config->arena = reading->kept;
    reading->kept = NULL;
    return config;
fail:
    free(config);
    return NULL;
}

struct config *reading_finish(struct reading *reading)
{
    struct config *config = NULL;

    if (!reading->failed)
        read_config_maps(reading);
    if (documents_index(&reading->documents) < 0)
        reading->failed = true;
    if (!reading->failed)
        scaled_objects_read(reading);
    if (!reading->failed && reading->trigger_count == 0 && reading->findings.error_count == 0 &&
        !reading->useless_told) {
        struct place place = {.file = reading->first_file};
        if (place.file != NULL)
            findings_add(&reading->findings, FINDING_WARNING, &place, "",
                "no aws-dynamodb trigger in the files, so there is nothing to count; add one");
    }
    if (!reading->failed)
        config = make_config(reading);
    reading_free(reading);
    return config;
}

void config_destroy(struct config *config)
{
    if (config == NULL)
        return;
    arena_destroy(config->arena);
    free(config);
}
