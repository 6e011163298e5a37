#include "agent/identity/shared_files.h"

#include "agent/identity/explain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* A path from a variable, where "~/" is the home; else the default below the home. */
static void find(const struct identity_context *context, const char *variable,
    const char *default_path, char *path, size_t size)
{
    const char *home = context_variable(context, "HOME");
    const char *named = context_variable(context, variable);
    int len = 0;

    path[0] = '\0';
    if (named != NULL && (strncmp(named, "~/", 2) != 0 || home == NULL))
        len = snprintf(path, size, "%s", named);
    else if (home != NULL)
        len = snprintf(path, size, "%s/%s", home, named != NULL ? named + 2 : default_path);
    if (len < 0 || (size_t)len >= size)
        path[0] = '\0';
}

void shared_files_find(struct shared_files *files, const struct identity_context *context)
{
    find(context, "AWS_CONFIG_FILE", ".aws/config", files->config, sizeof(files->config));
    find(context, "AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials", files->credentials,
        sizeof(files->credentials));
}

struct shared_stamps shared_files_stamps(const struct shared_files *files)
{
    return (struct shared_stamps){
        .config = file_stamp_of(files->config),
        .credentials = file_stamp_of(files->credentials),
    };
}

bool shared_stamps_equal(const struct shared_stamps *a, const struct shared_stamps *b)
{
    return file_stamp_equal(&a->config, &b->config) &&
           file_stamp_equal(&a->credentials, &b->credentials);
}

/* A file that is not there configures nothing, be it named by a variable or not, and /dev/null is
 * how people say that there is none. So is one below a folder that is not ours to enter, as another
 * user's home; one that is there and cannot be read is a fault. */
static bool is_as_good_as_empty(const char *path, int error)
{
    struct stat status;

    return error == -ENOENT || error == -ENOTDIR || strcmp(path, "/dev/null") == 0 ||
           (error == -EACCES && stat(path, &status) < 0);
}

static int read_one(const char *path, enum profile_file file, const char *name,
    struct profile *profile, struct failure *failure)
{
    char why[sizeof(failure->message)];
    struct buffer content;
    unsigned line = 0;
    int r;

    if (path[0] == '\0')
        return 0;
    buffer_init_secret(&content, SHARED_FILE_BYTES);
    r = file_read(path, &content);
    if (r < 0 && is_as_good_as_empty(path, r)) {
        r = 0;
    } else if (r < 0) {
        file_explain(path, r, why, sizeof(why));
        failure_set_settings(failure, "shared AWS file: %s", why);
    } else {
        r = profile_parse(profile, name, file, buffer_string(&content), content.len, &line);
        if (r == -EINVAL)
            failure_set_settings(failure,
                "shared AWS file: %s:%u: neither a [section] nor 'name = value'", path, line);
        else if (r < 0)
            failure_set(failure, ERROR_INTERNAL, "shared AWS file: %s: no memory", path);
    }
    buffer_free(&content);
    return r;
}

int shared_files_read(const struct shared_files *files, const char *name, struct profile *profile,
    struct failure *failure)
{
    int r;

    *profile = (struct profile){.found = false};
    r = read_one(files->config, PROFILE_CONFIG, name, profile, failure);
    if (r == 0)
        r = read_one(files->credentials, PROFILE_CREDENTIALS, name, profile, failure);
    if (r < 0)
        profile_clear(profile);
    return r;
}

const char *shared_profile_name(const struct identity_context *context, bool *named)
{
    const char *name = context_variable(context, "AWS_PROFILE");

    if (name == NULL)
        name = context_variable(context, "AWS_DEFAULT_PROFILE");
    *named = name != NULL;
    return name != NULL ? name : "default";
}
