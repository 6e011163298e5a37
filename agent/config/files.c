#include "agent/config/files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool path_is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

bool file_name_is_configuration(const char *name)
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

static int add_path(struct folder *folder, const char *path, const char *name)
{
    if (folder->count == folder->capacity) {
        size_t capacity = folder->capacity > 0 ? folder->capacity * 2 : 16;
        char **paths = realloc(folder->paths, capacity * sizeof(char *));
        if (paths == NULL)
            return -ENOMEM;
        folder->paths = paths;
        folder->capacity = capacity;
    }
    size_t size = strlen(path) + 1 + strlen(name) + 1;
    bool slash = path[0] != '\0' && path[strlen(path) - 1] == '/';
    char *full = malloc(size);
    if (full == NULL)
        return -ENOMEM;
    snprintf(full, size, "%s%s%s", path, slash ? "" : "/", name);
    folder->paths[folder->count++] = full;
    return 0;
}

static int compare_paths(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

int folder_read(struct folder *folder, const char *path)
{
    int r = 0;
    DIR *stream = opendir(path);

    *folder = (struct folder){0};
    if (stream == NULL)
        return -errno;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (entry == NULL) {
            r = -errno;
            break;
        }
        if (file_name_is_configuration(entry->d_name))
            r = add_path(folder, path, entry->d_name);
        if (r < 0)
            break;
    }
    closedir(stream);
    if (r < 0)
        folder_free(folder);
    else if (folder->count > 0)
        qsort(folder->paths, folder->count, sizeof(char *), compare_paths);
    return r;
}

void folder_free(struct folder *folder)
{
    for (size_t i = 0; i < folder->count; i++)
        free(folder->paths[i]);
    free(folder->paths);
    *folder = (struct folder){0};
}
