/* Where the shared AWS files are, and what they say of a profile. */
#ifndef TALLY_AGENT_IDENTITY_SHARED_FILES_H
#define TALLY_AGENT_IDENTITY_SHARED_FILES_H

#include "agent/file.h"
#include "agent/identity/context.h"
#include "agent/identity/profile.h"

#define SHARED_FILE_BYTES (256u * 1024u)

struct shared_files {
    char config[1024]; /* "" where there is no home */
    char credentials[1024];
};

/* By AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE, else in ~/.aws. */
void shared_files_find(struct shared_files *files, const struct identity_context *context);

struct shared_stamps {
    struct file_stamp config, credentials;
};
struct shared_stamps shared_files_stamps(const struct shared_files *files);
bool shared_stamps_equal(const struct shared_stamps *a, const struct shared_stamps *b);

/* Reads both files. 0 (profile->found tells whether it is in one), or negative with *failure:
 * a file that is there, but cannot be read or understood. */
int shared_files_read(const struct shared_files *files, const char *name, struct profile *profile,
    struct failure *failure);

/* The profile's name that the environment chooses; *named: by a variable, not by default. */
const char *shared_profile_name(const struct identity_context *context, bool *named);

#endif
