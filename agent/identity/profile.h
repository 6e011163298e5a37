/* One profile of the shared AWS files, as settings. Pure. */
#ifndef TALLY_AGENT_IDENTITY_PROFILE_H
#define TALLY_AGENT_IDENTITY_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

enum profile_file {
    PROFILE_CONFIG,      /* ~/.aws/config: [default] and [profile name] */
    PROFILE_CREDENTIALS, /* ~/.aws/credentials: [name] */
};

/* NULL where a setting is absent. */
struct profile {
    bool found;
    char *key_id;
    char *secret_key;
    char *session_token;
    char *role;
    char *source_profile;
    char *credential_source;
    char *token_file; /* web_identity_token_file */
    char *session_name;
    char *external_id;
    char *region;
    const char *unsupported; /* a setting for credentials that tally cannot honour; static */
};

/* Adds what the file says of the profile, over what is already there. 0; -ENOMEM; or -EINVAL
 * where a line cannot be read: *line then is its number. */
int profile_parse(struct profile *profile, const char *name, enum profile_file file,
    const char *text, size_t len, unsigned *line);
void profile_clear(struct profile *profile); /* wipes */

/* Whether it names a source of credentials, be it a wrong one. */
bool profile_names_source(const struct profile *profile);

#endif
