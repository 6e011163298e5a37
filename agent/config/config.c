/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config/config.h"

#include "agent/config/identity_spec.h"
#include "agent/file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void config_destroy(struct config *config)
{
    if (config == NULL)
        return;
    arena_destroy(config->arena);
    free(config);
}

/* ---- names ---- */

/* Each trigger has the long name `namespace/object/label`; four of its forms are substrings of it.
 * If the trigger has its own name, that name and `namespace/label` are two more forms. */
#define FORMS 6

struct form {
    const char *text;
    uint32_t len;
    uint32_t trigger : 31; /* its index */
    uint32_t weak : 1;     /* without the object: used only if no other form matches */
};

struct names {
    struct form *forms; /* sorted by text, then trigger */
    size_t count;
};

static int compare_text(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int r = memcmp(a, b, a_len < b_len ? a_len : b_len);

    return r != 0 ? r : (a_len > b_len) - (a_len < b_len);
}

static int compare_forms(const void *left, const void *right)
{
    const struct form *a = left, *b = right;
    int r = compare_text(a->text, a->len, b->text, b->len);

    if (r != 0 || a->weak != b->weak)
        return r != 0 ? r : a->weak - b->weak;
    return (a->trigger > b->trigger) - (a->trigger < b->trigger);
}

/* `label` and `namespace/label`: the text after the object, and the name without the object. */
static bool add_weak_forms(
    struct names *names, struct arena *arena, const struct trigger *trigger, uint32_t index)
{
    size_t label = strlen(trigger->trigger_name);
    const char *text = arena_printf(arena, "%s/%s", trigger->namespace_, trigger->trigger_name);

    if (text == NULL)
        return false;
    size_t len = strlen(text);
    names->forms[names->count++] = (struct form){text, (uint32_t)len, index & INT32_MAX, 1};
    names->forms[names->count++] = (struct form){
        text + len - label, (uint32_t)label, index & INT32_MAX, 1};
    return true;
}

static bool add_forms(
    struct names *names, struct arena *arena, const struct trigger *trigger, uint32_t index)
{
    char number[16];
    const char *label = trigger->trigger_name;
    size_t space = strlen(trigger->namespace_) + 1;
    size_t object = strlen(trigger->object);

    if (label == NULL) {
        snprintf(number, sizeof(number), "%u", trigger->index);
        label = number;
    }
    const char *text = arena_printf(arena, "%s/%s/%s", trigger->namespace_, trigger->object, label);
    if (text == NULL)
        return false;
    size_t len = strlen(text);
    const struct form forms[] = {
        {text, (uint32_t)len, index & INT32_MAX, 0},
        {text, (uint32_t)(space + object), index & INT32_MAX, 0},
        {text + space, (uint32_t)object, index & INT32_MAX, 0},
        {text + space, (uint32_t)(len - space), index & INT32_MAX, 0},
    };
    memcpy(names->forms + names->count, forms, sizeof(forms));
    names->count += sizeof(forms) / sizeof(forms[0]);
    return trigger->trigger_name == NULL || add_weak_forms(names, arena, trigger, index);
}

const struct names *names_create(struct arena *arena, const struct trigger *triggers, size_t count)
{
    struct names *names = arena_alloc(arena, sizeof(*names));
    size_t kept = 0;

    if (names == NULL)
        return NULL;
    names->forms = arena_alloc_array(arena, count * FORMS + 1, sizeof(struct form));
    if (names->forms == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (!add_forms(names, arena, &triggers[i], (uint32_t)i))
            return NULL;
    }
    qsort(names->forms, names->count, sizeof(struct form), compare_forms);
    /* `a/a/a` has the form `a/a` twice, but it is one trigger. */
    for (size_t i = 0; i < names->count; i++) {
        if (kept == 0 || compare_forms(&names->forms[kept - 1], &names->forms[i]) != 0)
            names->forms[kept++] = names->forms[i];
    }
    names->count = kept;
    return names;
}

static const struct trigger *find_full(const struct config *config, const char *name, size_t len)
{
    size_t low = 0, high = config->trigger_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *other = config->triggers[middle].name;
        int r = compare_text(other, strlen(other), name, len);

        if (r == 0)
            return &config->triggers[middle];
        if (r < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static size_t first_form(const struct names *names, const char *name, size_t len)
{
    size_t low = 0, high = names->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct form *form = &names->forms[middle];

        if (compare_text(form->text, form->len, name, len) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct trigger *config_find(const struct config *config, const char *name, size_t len,
    size_t *matches, const char **candidates, size_t capacity)
{
    const struct names *names = config->names;
    const struct trigger *found = find_full(config, name, len);
    bool strong = false; /* a form that names the object matches */

    *matches = found != NULL;
    if (found != NULL) {
        if (candidates != NULL && capacity > 0)
            candidates[0] = found->name;
        return found;
    }
    for (size_t i = first_form(names, name, len); i < names->count; i++) {
        const struct form *form = &names->forms[i];

        if (compare_text(form->text, form->len, name, len) != 0 || (form->weak && strong))
            break;
        found = &config->triggers[form->trigger];
        strong = !form->weak;
        if (candidates != NULL && *matches < capacity)
            candidates[*matches] = found->name;
        ++*matches;
    }
    return *matches == 1 ? found : NULL;
}

/* ---- comparing two configurations ---- */

/* The position while two configurations are compared, name by name. */
struct comparison {
    const struct config *old, *new;
    size_t old_at, new_at;
};

/* The next trigger that is missing in the new configuration; NULL: none. */
static const struct trigger *comparison_next_removed(struct comparison *self)
{
    for (; self->old_at < self->old->trigger_count; self->old_at++) {
        const struct trigger *trigger = &self->old->triggers[self->old_at];

        while (self->new_at < self->new->trigger_count &&
               strcmp(self->new->triggers[self->new_at].name, trigger->name) < 0)
            self->new_at++;
        if (self->new_at == self->new->trigger_count ||
            strcmp(self->new->triggers[self->new_at].name, trigger->name) != 0) {
            self->old_at++;
            return trigger;
        }
    }
    return NULL;
}

size_t config_count_removed(const struct config *old, const struct config *new)
{
    struct comparison comparison = {.old = old, .new = new};
    size_t count = 0;

    while (comparison_next_removed(&comparison) != NULL)
        count++;
    return count;
}

static int compare_files(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* The files of all triggers, sorted. NULL: no memory. */
static const char **list_files(const struct config *config)
{
    const char **files = malloc((config->trigger_count + 1) * sizeof(char *));

    if (files == NULL)
        return NULL;
    for (size_t i = 0; i < config->trigger_count; i++)
        files[i] = config->triggers[i].file;
    qsort(files, config->trigger_count, sizeof(char *), compare_files);
    return files;
}

static bool file_exists(const char *path)
{
    struct file_stamp stamp = file_stamp_of(path);

    return stamp.error == 0;
}

const char *config_emptied_file(const struct config *old, const struct config *new)
{
    struct comparison comparison = {.old = old, .new = new};
    const char **files = list_files(new);
    const char *seen = NULL, *emptied = NULL;
    const struct trigger *removed;

    while (files != NULL && emptied == NULL &&
           (removed = comparison_next_removed(&comparison)) != NULL) {
        if (removed->file == seen)
            continue;
        seen = removed->file;
        if (bsearch(&seen, files, new->trigger_count, sizeof(char *), compare_files) == NULL &&
            file_exists(seen))
            emptied = seen;
    }
    free(files);
    return emptied;
}

/* ---- snapshot ---- */

struct snapshot *snapshot_create(struct config *config)
{
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot));

    if (snapshot == NULL)
        return NULL;
    snapshot->config = config;
    snapshot->references = 1;
    return snapshot;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
    snapshot->references++;
    return snapshot;
}

void snapshot_unref(struct snapshot *snapshot)
{
    if (snapshot == NULL || --snapshot->references > 0)
        return;
    config_destroy(snapshot->config);
    free(snapshot);
}

/* ---- config check ---- */

#define COLUMNS 6

struct row {
    const char *cells[COLUMNS];
    char identity[256];
    char polling[32];
};

static void row_fill(struct row *row, const struct trigger *trigger)
{
    const struct identity_spec *identity = trigger->identity;
    bool role = identity != NULL && identity->role.source == SOURCE_LITERAL;

    snprintf(row->identity, sizeof(row->identity), "%s%s%s",
        identity != NULL ? identity_kind_name(identity->kind) : "?", role ? " " : "",
        role ? identity->role.text : "");
    snprintf(row->polling, sizeof(row->polling), "%" PRId64 "s%s", trigger->polling_ms / 1000,
        trigger->warm ? " warm" : "");
    row->cells[0] = trigger->name;
    row->cells[1] = trigger->query.table;
    row->cells[2] = trigger->query.index != NULL ? trigger->query.index : "-";
    row->cells[3] = trigger->query.region;
    row->cells[4] = row->identity;
    row->cells[5] = row->polling;
}

static void row_measure(const struct row *row, int widths[COLUMNS])
{
    for (size_t i = 0; i < COLUMNS; i++) {
        int len = (int)strlen(row->cells[i]);

        if (len > widths[i])
            widths[i] = len;
    }
}

static void row_print(const struct row *row, const int widths[COLUMNS], FILE *out)
{
    for (size_t i = 0; i < COLUMNS; i++) {
        finding_print_text(row->cells[i], out);
        if (i + 1 < COLUMNS)
            fprintf(out, "%*s", widths[i] - (int)strlen(row->cells[i]) + 2, "");
    }
    fputc('\n', out);
}

static void print_table(const struct config *config, FILE *out)
{
    struct row row = {.cells = {"TRIGGER", "TABLE", "INDEX", "REGION", "IDENTITY", "POLLING"}};
    const struct row head = row;
    int widths[COLUMNS] = {0};

    row_measure(&row, widths);
    for (size_t i = 0; i < config->trigger_count; i++) {
        row_fill(&row, &config->triggers[i]);
        row_measure(&row, widths);
    }
    row_print(&head, widths, out);
    for (size_t i = 0; i < config->trigger_count; i++) {
        row_fill(&row, &config->triggers[i]);
        row_print(&row, widths, out);
    }
}

int config_check(const struct config *config, FILE *out, FILE *err)
{
    for (size_t i = 0; i < config->finding_count; i++)
        finding_print(&config->findings[i], err);
    if (config->error_count > 0) {
        fprintf(err, "%zu error%s; the configuration is not usable\n", config->error_count,
            config->error_count == 1 ? "" : "s");
        return 2;
    }
    if (config->trigger_count == 0) {
        fputs("no aws-dynamodb trigger, so nothing was checked\n", err);
        return 2;
    }
    print_table(config, out);
    return 0;
}
