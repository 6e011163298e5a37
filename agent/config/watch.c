#include "agent/config/watch.h"

#include "agent/config/files.h"
#include "agent/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE_MS  200 /* an editor or kubelet makes several changes for one */
#define PATH_BYTES 4096

struct config_watch {
    struct loop *loop;
    const char *const *paths;
    size_t path_count;
    struct loop_folder **folders; /* as the paths; NULL where one cannot be watched */
    struct loop_timer *settle;
    uint64_t print; /* of all files when they were last read */
    loop_fn *changed;
    void *data;
};

/* ---- which files there are, in one number
 * --------------------------------------------------------- */

static void mix_text(uint64_t *print, const char *text)
{
    for (; *text != '\0'; text++)
        *print = (*print ^ (unsigned char)*text) * 1099511628211u;
}

static void mix_number(uint64_t *print, uint64_t number)
{
    *print = (*print ^ number) * 1099511628211u;
    *print ^= *print >> 29;
}

static void mix_file(uint64_t *print, const char *path)
{
    struct file_stamp stamp = file_stamp_of(path);

    mix_text(print, path);
    mix_number(print, (uint64_t)stamp.error);
    mix_number(print, stamp.device);
    mix_number(print, stamp.inode);
    mix_number(print, stamp.size);
    mix_number(print, (uint64_t)stamp.changed_s);
    mix_number(print, (uint64_t)stamp.changed_ns);
}

static uint64_t print_of(const struct config_watch *watch)
{
    uint64_t print = 14695981039346656037u;

    for (size_t i = 0; i < watch->path_count; i++) {
        struct folder folder = {0};

        if (!path_is_folder(watch->paths[i])) {
            mix_file(&print, watch->paths[i]);
            continue;
        }
        if (folder_read(&folder, watch->paths[i]) == 0)
            for (size_t k = 0; k < folder.count; k++)
                mix_file(&print, folder.paths[k]);
        folder_free(&folder);
    }
    return print;
}

/* ---- events
 * ---------------------------------------------------------------------------------------- */

static void settled(void *data)
{
    struct config_watch *watch = data;
    uint64_t print = print_of(watch);

    if (print == watch->print)
        return;
    watch->print = print;
    watch->changed(watch->data);
}

static void folder_changed(void *data)
{
    struct config_watch *watch = data;

    loop_timer_start(watch->settle, SETTLE_MS);
}

/* A file is watched through its folder: the file of this name may be another one tomorrow. */
static struct loop_folder *watch_path(struct config_watch *watch, const char *path)
{
    char parent[PATH_BYTES];
    const char *slash = strrchr(path, '/');

    if (path_is_folder(path))
        return loop_folder_create(watch->loop, path, folder_changed, watch);
    if (slash == NULL)
        return loop_folder_create(watch->loop, ".", folder_changed, watch);
    if ((size_t)(slash - path) + 2 > sizeof(parent))
        return NULL;
    snprintf(parent, sizeof(parent), "%.*s", slash == path ? 1 : (int)(slash - path), path);
    return loop_folder_create(watch->loop, parent, folder_changed, watch);
}

struct config_watch *config_watch_create(
    struct loop *loop, const char *const *paths, size_t path_count, loop_fn *changed, void *data)
{
    struct config_watch *watch = calloc(1, sizeof(*watch));
    size_t watched = 0;

    if (watch == NULL)
        return NULL;
    watch->loop = loop;
    watch->paths = paths;
    watch->path_count = path_count;
    watch->changed = changed;
    watch->data = data;
    watch->folders = calloc(path_count + 1, sizeof(struct loop_folder *));
    watch->settle = loop_timer_create(loop, settled, watch);
    if (watch->folders != NULL && watch->settle != NULL) {
        for (size_t i = 0; i < path_count; i++) {
            watch->folders[i] = watch_path(watch, paths[i]);
            watched += watch->folders[i] != NULL;
        }
        watch->print = print_of(watch);
    }
    if (watched == 0) {
        config_watch_destroy(watch);
        return NULL;
    }
    return watch;
}

void config_watch_destroy(struct config_watch *watch)
{
    if (watch == NULL)
        return;
    for (size_t i = 0; watch->folders != NULL && i < watch->path_count; i++)
        loop_folder_destroy(watch->folders[i]);
    loop_timer_destroy(watch->settle);
    free(watch->folders);
    free(watch);
}
