/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the files of a configuration path. */
#ifndef TALLY_AGENT_CONFIG_CONFIG_READ_H
#define TALLY_AGENT_CONFIG_CONFIG_READ_H

#include "agent/config/config.h"
#include "agent/config/parser.h"

#include <stdbool.h>
#include <stddef.h>

bool path_is_folder(const char *path);

/* The `*.yaml`, `*.yml` and `*.json` of a folder, sorted, without hidden names such as the
 * `..data` of a mounted ConfigMap. */
struct folder {
    char **paths;
    size_t count;
    size_t capacity;
};

/* 0 or a negative errno. */
int folder_read(struct folder *folder, const char *path);
void folder_free(struct folder *folder);

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

#endif
