/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config/config_watch.h"

#include "agent/config/config_read.h"
#include "agent/file.h"
#include "agent/fnv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
