/* SPDX-License-Identifier: Apache-2.0 */
/* The shared AWS files: their INI format and their profiles. */
#ifndef TALLY_AGENT_CREDENTIALS_PROFILE_H
#define TALLY_AGENT_CREDENTIALS_PROFILE_H

#include "agent/credentials/provider.h"
#include "agent/file.h"
#include "proto/reader.h"

#include <stdbool.h>
#include <stddef.h>

/* ---- INI: pure; borrows all texts from the input ---- */

/* One parsed line, without white space around each text. A line that is indented deeper than a
 * setting without a value is a sub-setting of it, as in `s3 =`; however else lines are indented,
 * they are settings. */
struct ini_entry {
    struct text section;
    struct text parent; /* of a sub-setting; data NULL: it is not one */
    struct text name;   /* data NULL: the section begins */
    struct text value;
};

/* Called for each section and for each setting in it. Comments are skipped: whole lines, and after
 * white space in a value. */
typedef void ini_fn(void *data, const struct ini_entry *entry);

/* 0, or -EINVAL if a line is not valid; *line then is its number, from 1. */
int ini_scan(const char *text, size_t len, ini_fn *fn, void *data, unsigned *line);

/* ---- one profile, as settings: pure ---- */

enum profile_file {
    PROFILE_CONFIG,      /* ~/.aws/config: [default] and [profile name] */
    PROFILE_CREDENTIALS, /* ~/.aws/credentials: [name] */
};

/* NULL if a setting is absent. */
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
    const char *unsupported; /* a credential setting that tally does not support; static */
};

/* Adds the file's settings of the profile, and overrides present ones. 0; -ENOMEM; or -EINVAL if a
 * line cannot be parsed: *line then is its number. */
int profile_parse(struct profile *profile, const char *name, enum profile_file file,
    const char *text, size_t len, unsigned *line);
void profile_clear(struct profile *profile); /* wipes */

/* Whether it names a source of credentials, even an invalid one. */
bool profile_names_source(const struct profile *profile);

/* ---- locations of the files, and their settings of a profile ---- */

/* The profile's name that the environment chooses; *named: by a variable, not by default. */
const char *shared_profile_name(const struct identity_context *context, bool *named);

struct shared_stamps {
    struct file_stamp config, credentials;
};
struct shared_stamps shared_stamps_of(const struct identity_context *context);
bool shared_stamps_equal(const struct shared_stamps *a, const struct shared_stamps *b);

/* Reads a profile's settings. 0 (profile->found: whether it is in one of the files), or negative
 * with *failure: a file exists, but cannot be read or parsed. */
int profile_read(const struct identity_context *context, const char *name, struct profile *profile,
    struct failure *failure);

/* Whether the shared files configure an identity, valid or not: the chosen profile names a source
 * of credentials, or a variable chooses one that is missing or cannot be read. */
bool profile_configured(const struct identity_context *context);

/* Whether the chosen profile sends requests to another endpoint than the environment, whatever the
 * source of the credentials: the SDKs honour that, tally rejects it by name (*failure). */
bool profile_redirection(const struct identity_context *context, struct failure *failure);

#endif
