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

/* A name that matches with a lower rank hides those with a higher one. */
enum form_rank {
    RANK_NAME,   /* the trigger's name, as `list` shows it */
    RANK_OBJECT, /* another form that names the object */
    RANK_LABEL,  /* without the object */
};

struct form {
    const char *text;
    uint32_t len;
    uint16_t trigger; /* its index */
    uint16_t rank;
};

_Static_assert(TRIGGERS_MAX <= UINT16_MAX, "form::trigger holds each index");

struct names {
    struct form *forms; /* sorted by text, rank, trigger */
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

    if (r != 0)
        return r;
    return a->rank != b->rank ? a->rank - b->rank : a->trigger - b->trigger;
}

static void form_add(
    struct names *names, const char *text, size_t len, size_t trigger, enum form_rank rank)
{
    names->forms[names->count++] = (struct form){
        .text = text, .len = (uint32_t)len, .trigger = (uint16_t)trigger, .rank = (uint16_t)rank};
}

static bool add_forms(
    struct names *names, struct arena *arena, const struct trigger *trigger, size_t index)
{
    char number[16];
    const char *label = trigger->trigger_name != NULL ? trigger->trigger_name : number;
    size_t space = strlen(trigger->namespace_) + 1;
    size_t object = strlen(trigger->object);

    snprintf(number, sizeof(number), "%u", trigger->index);
    const char *text = arena_printf(arena, "%s/%s/%s", trigger->namespace_, trigger->object, label);
    if (text == NULL)
        return false;
    size_t len = strlen(text);
    form_add(names, text, len, index, trigger->only ? RANK_OBJECT : RANK_NAME);
    form_add(names, text, space + object, index, trigger->only ? RANK_NAME : RANK_OBJECT);
    form_add(names, text + space, object, index, RANK_OBJECT);
    form_add(names, text + space, len - space, index, RANK_OBJECT);
    if (trigger->trigger_name == NULL)
        return true;
    text = arena_printf(arena, "%s/%s", trigger->namespace_, label);
    if (text == NULL)
        return false;
    form_add(names, text, strlen(text), index, RANK_LABEL);
    form_add(names, text + space, strlen(label), index, RANK_LABEL);
    return true;
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
        if (!add_forms(names, arena, &triggers[i], i))
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
    const struct trigger *found = NULL;
    unsigned rank = RANK_LABEL;

    *matches = 0;
    for (size_t i = first_form(names, name, len); i < names->count; i++) {
        const struct form *form = &names->forms[i];

        if (compare_text(form->text, form->len, name, len) != 0 || form->rank > rank)
            break;
        found = &config->triggers[form->trigger];
        rank = form->rank;
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
