#include "agent/config/config.h"

#include "agent/config/files.h"
#include "agent/config/reading.h"
#include "agent/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MEBIBYTE   (1024u * 1024u)
#define FILE_MAX   MEBIBYTE
#define STREAM_MAX (16u * MEBIBYTE) /* all that a chart renders, read once */

static const char *path_title(const char *path)
{
    return strcmp(path, "-") == 0 ? "stdin" : path;
}

static void add_failure(struct reading *reading, const char *path, int error, bool stream)
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
    reading_add_failure(reading, path_title(path), why);
}

static void add_file(struct reading *reading, const char *path, bool stream)
{
    struct buffer content;
    int r = 0;

    buffer_init_secret(&content, stream ? STREAM_MAX : FILE_MAX);
    r = stream ? stream_read(path, &content) : file_read(path, &content);
    if (r == -ENOMEM)
        reading->failed = true;
    else if (r < 0)
        add_failure(reading, path, r, stream);
    else
        reading_add(reading, path_title(path), content.data, content.len);
    buffer_free(&content);
}

static void add_folder(struct reading *reading, const char *path)
{
    struct folder folder;
    int r = folder_read(&folder, path);

    if (r == -ENOMEM) {
        reading->failed = true;
        return;
    }
    if (r < 0) {
        add_failure(reading, path, r, false);
        return;
    }
    if (folder.count == 0)
        reading_add_empty(reading, path);
    for (size_t i = 0; i < folder.count && !reading->failed; i++)
        add_file(reading, folder.paths[i], false);
    folder_free(&folder);
}

struct config *config_read(const struct config_options *options)
{
    struct reading *reading = reading_create(options, file_read);

    if (reading == NULL)
        return NULL;
    for (size_t i = 0; i < options->path_count && !reading->failed; i++) {
        if (path_is_folder(options->paths[i]))
            add_folder(reading, options->paths[i]);
        else
            add_file(
                reading, options->paths[i], options->streams && path_is_stream(options->paths[i]));
    }
    return reading_finish(reading);
}

/* ---- one after the other -----------------------------------------------------------------------
 */

/* Where two configurations are compared, name by name. */
struct comparison {
    const struct config *old, *new;
    size_t old_at, new_at;
};

/* The next trigger that the new one lacks; NULL: none. */
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
