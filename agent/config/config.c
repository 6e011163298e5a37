#include "agent/config/config.h"

#include "agent/config/files.h"
#include "agent/config/reading.h"
#include "agent/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX (1024u * 1024u)

static void add_failure(struct reading *reading, const char *path, int error)
{
    char why[160];

    if (error == -EMSGSIZE)
        snprintf(why, sizeof(why), "larger than 1 MiB; split it");
    else if (error == -EINVAL || error == -EISDIR)
        snprintf(why, sizeof(why), "not a regular file; name a YAML file or a folder of them");
    else
        snprintf(why, sizeof(why), "cannot be read by uid %u: %s", (unsigned)geteuid(),
            strerror(-error));
    reading_add_failure(reading, path, why);
}

static void add_file(struct reading *reading, const char *path)
{
    struct buffer content;
    int r = 0;

    buffer_init_secret(&content, FILE_MAX);
    r = file_read(path, &content);
    if (r == -ENOMEM)
        reading->failed = true;
    else if (r < 0)
        add_failure(reading, path, r);
    else
        reading_add(reading, path, content.data, content.len);
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
        add_failure(reading, path, r);
        return;
    }
    if (folder.count == 0)
        reading_add_empty(reading, path);
    for (size_t i = 0; i < folder.count && !reading->failed; i++)
        add_file(reading, folder.paths[i]);
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
            add_file(reading, options->paths[i]);
    }
    return reading_finish(reading);
}
