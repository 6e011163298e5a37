/* Which files a configuration path stands for. */
#ifndef TALLY_AGENT_CONFIG_FILES_H
#define TALLY_AGENT_CONFIG_FILES_H

#include <stdbool.h>
#include <stddef.h>

bool path_is_folder(const char *path);

/* Whether it is the name of a YAML or JSON file that is not hidden. */
bool file_name_is_configuration(const char *name);

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
