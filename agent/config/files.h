/* The only part of the configuration that touches the file system. */
#ifndef TALLY_AGENT_CONFIG_FILES_H
#define TALLY_AGENT_CONFIG_FILES_H

#include "proto/buffer.h"

#include <stdbool.h>

/* Appends a regular file's content, up to content->max bytes. 0 or a negative errno: -EFBIG
 * over the maximum, -EINVAL for what is no regular file, -ENOMEM. Never waits. */
int file_read(const char *path, struct buffer *content);

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

#endif
