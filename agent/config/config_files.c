/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config/config_files.h"

#include "agent/file.h"
#include "agent/fnv.h"
#include "agent/wiping_heap.h"
#include "proto/buffer.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the files of a folder ---- */

void config_folder_free(struct config_folder *folder)
{
    for (size_t i = 0; i < folder->count; i++)
        free(folder->paths[i]);
    free(folder->paths);
    *folder = (struct config_folder){0};
}

bool config_file_name_is_read(const char *name)
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

static int add_path(struct config_folder *folder, const char *path, const char *name)
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

int config_folder_read(struct config_folder *folder, const char *path)
{
    int r = 0;
    DIR *stream = opendir(path);

    *folder = (struct config_folder){0};
    if (stream == NULL)
        return -errno;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (entry == NULL) {
            r = -errno;
            break;
        }
        if (config_file_name_is_read(entry->d_name))
            r = add_path(folder, path, entry->d_name);
        if (r < 0)
            break;
    }
    closedir(stream);
    if (r < 0)
        config_folder_free(folder);
    else if (folder->count > 0)
        qsort(folder->paths, folder->count, sizeof(char *), compare_paths);
    return r;
}

/* ---- config watch ---- */

#define SETTLE_MS  200   /* an editor or kubelet makes several changes at once */
#define CHECKS_MAX 25    /* until files that keep changing are read anyway */
#define IDLE_MS    10000 /* for changes without an event: behind links, on network file systems */
#define PATH_BYTES 4096

struct config_watch {
    struct loop *loop;
    const char *const *paths;
    size_t path_count;
    struct loop_folder **folders; /* one per path; NULL if it cannot be watched */
    int error;                    /* of watching folders, as a negative errno; 0: it works */
    struct loop_timer *timer;
    bool is_due_soon; /* the next check */
    unsigned checks;  /* since they changed */
    uint64_t stamp;   /* of all files when they were last read */
    uint64_t seen;    /* at the last check */
    loop_fn *changed;
    void *data;
};

/* ---- the state of the files as one number ---- */

static uint64_t stamp_add(uint64_t stamp, const char *path)
{
    struct file_stamp file = file_stamp_of(path);

    return fnv_bytes(fnv_text(stamp, path), &file, sizeof(file));
}

uint64_t config_stamp(const char *const *paths, size_t path_count)
{
    uint64_t stamp = FNV_START;

    for (size_t i = 0; i < path_count; i++) {
        struct config_folder folder = {0};

        if (!path_is_folder(paths[i])) {
            stamp = stamp_add(stamp, paths[i]);
            continue;
        }
        if (config_folder_read(&folder, paths[i]) == 0)
            for (size_t k = 0; k < folder.count; k++)
                stamp = stamp_add(stamp, folder.paths[k]);
        config_folder_free(&folder);
    }
    return stamp;
}

/* ---- events ---- */

static void check_soon(struct config_watch *watch)
{
    watch->is_due_soon = true;
    loop_timer_start(watch->timer, SETTLE_MS);
}

/* An event of any file in the folder: it must not delay a check that is due. */
static void folder_changed(void *data)
{
    struct config_watch *watch = data;

    if (!watch->is_due_soon)
        check_soon(watch);
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

static void config_watch_check(void *data)
{
    struct config_watch *watch = data;
    uint64_t stamp = config_stamp(watch->paths, watch->path_count);

    if (stamp == watch->stamp) {
        watch->is_due_soon = false;
        watch->checks = 0;
        loop_timer_start(watch->timer, IDLE_MS);
        heap_give_back(); /* the 32 KB that opendir took */
    } else if (stamp != watch->seen && ++watch->checks < CHECKS_MAX) {
        watch->seen = stamp;
        check_soon(watch);
    } else {
        watch->checks = 0;
        watch->stamp = stamp;
        watch_folders(watch);
        check_soon(watch); /* changes while the folders were not watched cause no event */
        watch->changed(watch->data);
    }
}

void config_watch_demand(struct config_watch *watch)
{
    watch->stamp = 0; /* matches no set of files */
    watch->checks = 0;
    watch->seen = config_stamp(watch->paths, watch->path_count);
    check_soon(watch);
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
    watch->timer = loop_timer_create(loop, config_watch_check, watch);
    if (watch->folders == NULL || watch->timer == NULL) {
        config_watch_destroy(watch);
        return NULL;
    }
    watch_folders(watch);
    check_soon(watch); /* for changes before the watch existed */
    return watch;
}

void config_watch_destroy(struct config_watch *watch)
{
    if (watch == NULL)
        return;
    for (size_t i = 0; watch->folders != NULL && i < watch->path_count; i++)
        loop_folder_destroy(watch->folders[i]);
    loop_timer_destroy(watch->timer);
    free(watch->folders);
    free(watch);
}
