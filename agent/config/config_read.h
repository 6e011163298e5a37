/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the configuration, and finds out when its files have changed. */
#ifndef TALLY_AGENT_CONFIG_CONFIG_READ_H
#define TALLY_AGENT_CONFIG_CONFIG_READ_H

#include "agent/config/config.h"
#include "agent/config/parser.h"
#include "agent/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads a configuration: files and folders of YAML and JSON documents in, triggers and findings
 * out. */

/* Always returns a config, or NULL if out of memory. Anything that cannot be read or parsed is a
 * finding; all findings of all files are collected in one run. */
struct config *config_read(const struct config_options *options);

/* In steps, for a caller that already has the bytes. */

/* One file's bytes; they may be freed afterwards. */
void config_read_add(struct parser *parser, const char *file, const void *data, size_t len);

/* A file or folder that could not be read at all. */
void config_read_add_failure(struct parser *parser, const char *file, const char *why);

/* A folder without any file to read. */
void config_read_add_empty(struct parser *parser, const char *folder);

/* Frees the reading. NULL: no memory. */
struct config *config_read_finish(struct parser *parser);

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
