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
    char *duration_s; /* duration_seconds */
    char *endpoint_url;
    char *services; /* the name of a section with an endpoint for each service */
    char *ignore_configured;
    char *ca_bundle;
    char *fips;       /* use_fips_endpoint */
    char *dual_stack; /* use_dualstack_endpoint */
    char *sts_regional;
    const char *unsupported; /* a setting for credentials that tally cannot honour; static */
};

/* Adds what the file says of the profile, over what is already there. 0; -ENOMEM; or -EINVAL
 * where a line cannot be read: *line then is its number. */
int profile_parse(struct profile *profile, const char *name, enum profile_file file,
    const char *text, size_t len, unsigned *line);
void profile_clear(struct profile *profile); /* wipes */

/* The setting by which an SDK would send requests, and with them signatures and tokens, elsewhere
 * than the environment's variables say, and the variable that takes its place; false: there is
 * none. `get`: getenv-like. Both are static. */
bool profile_redirects(const struct profile *profile, const char *(*get)(const char *name),
    const char **setting, const char **variable);

/* What to do about `unsupported`. Static. */
const char *profile_workaround(const struct profile *profile);

/* Whether it names a source of credentials, be it a wrong one. */
bool profile_names_source(const struct profile *profile);

#endif
