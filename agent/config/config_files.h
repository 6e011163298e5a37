/* SPDX-License-Identifier: Apache-2.0 */
/* The files of the configuration: those of a folder, and whether any of them has changed. */
#ifndef TALLY_AGENT_CONFIG_CONFIG_FILES_H
#define TALLY_AGENT_CONFIG_CONFIG_FILES_H

#include "agent/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether a file of this name is read in a folder: `*.yaml`, `*.yml` and `*.json`, but no hidden
 * names such as the `..data` of a mounted ConfigMap. */
bool config_file_name_is_read(const char *name);

/* Those of a folder, sorted. */
struct config_folder {
    char **paths;
    size_t count;
    size_t capacity;
};

/* 0 or a negative errno. */
int config_folder_read(struct config_folder *folder, const char *path);
void config_folder_free(struct config_folder *folder);

/* ---- config watch ---- */

/* Notices that the configuration's files changed: edited in place, replaced, added, removed, or
 * swapped as a ConfigMap mount does (its `..data` link is renamed, the files' names stay). */

/* The files and their state as one number. Taken before the files are read, it reveals a change
 * during the read. */
uint64_t config_stamp(const char *const *paths, size_t path_count);

struct config_watch;

/* paths: files and folders, borrowed. `stamp`: of the active configuration. `changed` is called if
 * a file of the configuration differs from before, once all of them have been stable for a moment:
 * half a file can be a valid configuration. NULL: out of memory; then SIGHUP still reloads. */
struct config_watch *config_watch_create(struct loop *loop, const char *const *paths,
    size_t path_count, uint64_t stamp, loop_fn *changed, void *data);
void config_watch_destroy(struct config_watch *watch); /* NULL is allowed */

/* Why changes are not noticed by events, as a negative errno: inotify is out of watches, so the
 * files are only polled every ten seconds. 0: events work. */
int config_watch_error(const struct config_watch *watch);

/* Calls `changed` whether the files changed or not, once they have been stable for a moment. */
void config_watch_demand(struct config_watch *watch);

/* Whether the files stayed unchanged while they were read. If not, `changed` will be called. */
bool config_watch_confirm(struct config_watch *watch); /* NULL: true */

#endif
