/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/profile_chain.h"

#include "agent/credentials/assume_role.h"
#include "agent/credentials/metadata.h"
#include "agent/credentials/profile.h"
#include "agent/credentials/static.h"
#include "agent/credentials/web_identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROFILES_MAX 8 /* in one source_profile chain */

struct profile_chain {
    struct provider base;
    const struct identity_context *context;
    struct facts *facts; /* of the first profile */
    struct facts inner;  /* of the profiles it is based on */
    const char *region;
    struct shared_stamps stamps;
    struct profile profiles[PROFILES_MAX]; /* the chosen one, then its source profiles */
    char names[PROFILES_MAX][128];
    int count;
    struct provider *providers[PROFILES_MAX + 1]; /* from the root to the last role */
    int provider_count;
    int under_way; /* the index of the provider that fetches */
};

static void profile_chain_set_failure(
    struct failure *failure, const char *name, const char *what, const char *detail)
{
    failure_set_settings(failure, "profile %s: %s%s", name, what, detail);
}

/* ---- reading the profiles ---- */

static bool has_keys(const struct profile *profile)
{
    return profile->key_id != NULL || profile->secret_key != NULL;
}

/* A profile that names itself as its source uses its own keys. */
static bool is_own_source(const struct profile_chain *self, int index)
{
    const struct profile *profile = &self->profiles[index];

    return profile->source_profile != NULL &&
           strcmp(profile->source_profile, self->names[index]) == 0 && has_keys(profile);
}

/* 0: the role's default, or a duration that STS does not accept. */
static int duration_of(const struct profile *profile)
{
    char *end = NULL;
    long seconds = profile->duration_s != NULL ? strtol(profile->duration_s, &end, 10) : 0;

    return end != NULL && *end == '\0' && seconds >= 900 && seconds <= 43200 ? (int)seconds : 0;
}

/* What to do about `unsupported`. Static. */
static const char *profile_workaround(const struct profile *profile)
{
    return strcmp(profile->unsupported, "mfa_serial") == 0
               ? "take a session with `aws sts get-session-token` and set its keys as variables"
               : "set the variables that `aws configure export-credentials --format env` prints";
}

static int profile_check(const struct profile_chain *self, int index, struct failure *failure)
{
    const struct profile *profile = &self->profiles[index];
    const char *name = self->names[index];

    if (!profile->found)
        profile_chain_set_failure(failure, name, "it is in none of the shared AWS files", "");
    else if (profile->unsupported != NULL)
        failure_set_settings(failure, "profile %s: %s is not supported; %s", name,
            profile->unsupported, profile_workaround(profile));
    else if (profile->duration_s != NULL && duration_of(profile) == 0)
        profile_chain_set_failure(
            failure, name, "duration_seconds must be a number from 900 to 43200", "");
    else if (profile->source_profile != NULL && profile->credential_source != NULL)
        profile_chain_set_failure(
            failure, name, "source_profile and credential_source exclude each other", "");
    else if (profile->role != NULL && profile->token_file == NULL &&
             profile->source_profile == NULL && profile->credential_source == NULL)
        profile_chain_set_failure(
            failure, name, "role_arn needs source_profile or credential_source", "");
    else if (profile->role == NULL && profile->token_file != NULL)
        profile_chain_set_failure(failure, name, "web_identity_token_file needs role_arn", "");
    else if (profile->role == NULL && !has_keys(profile))
        profile_chain_set_failure(failure, name, "it names no source of credentials", "");
    else
        return 0;
    return -1;
}

static int profile_load(struct profile_chain *self, const char *name, struct failure *failure)
{
    self->stamps = shared_stamps_of(self->context);
    while (name != NULL) {
        int index = self->count;

        for (int i = 0; i < index; i++) {
            if (strcmp(self->names[i], name) == 0) {
                profile_chain_set_failure(
                    failure, name, "its chain of source_profile leads back to it", "");
                return -1;
            }
        }
        if (index == PROFILES_MAX || strlen(name) >= sizeof(self->names[index])) {
            profile_chain_set_failure(
                failure, self->names[0], "its chain of source_profile is too long", "");
            return -1;
        }
        snprintf(self->names[index], sizeof(self->names[index]), "%s", name);
        if (profile_read(self->context, name, &self->profiles[index], failure) < 0)
            return -1;
        self->count++;
        if (profile_check(self, index, failure) < 0)
            return -1;
        name = self->profiles[index].role != NULL && !is_own_source(self, index)
                   ? self->profiles[index].source_profile
                   : NULL;
    }
    return 0;
}

/* ---- from profiles to providers ---- */

static struct value_ref profile_literal(const char *text, const char *origin)
{
    return (struct value_ref){
        .source = text != NULL ? SOURCE_LITERAL : SOURCE_ABSENT, .text = text, .origin = origin};
}

static struct value_ref profile_variable(const char *name)
{
    return (struct value_ref){.source = SOURCE_ENVIRONMENT, .text = name, .origin = "profile"};
}

static const char *region_of(const struct profile_chain *self)
{
    return self->profiles[0].region != NULL ? self->profiles[0].region : self->region;
}

static struct provider *make_keys(struct profile_chain *self, const char *name,
    const struct profile *profile, struct facts *facts)
{
    struct static_options options = {
        .context = self->context,
        .facts = facts,
        .key_id = profile_literal(profile->key_id, name),
        .secret_key = profile_literal(profile->secret_key, name),
        .session_token = profile_literal(profile->session_token, name),
    };

    return static_create(&options);
}

static struct provider *make_environment_keys(struct profile_chain *self, struct facts *facts)
{
    struct static_options options = {
        .context = self->context,
        .facts = facts,
        .key_id = profile_variable("AWS_ACCESS_KEY_ID"),
        .secret_key = profile_variable("AWS_SECRET_ACCESS_KEY"),
        .session_token = profile_variable("AWS_SESSION_TOKEN"),
    };

    return static_create(&options);
}

static struct provider *profile_make_web_identity(
    struct profile_chain *self, const struct profile *profile, struct facts *facts)
{
    struct web_identity_options options = {
        .context = self->context,
        .facts = facts,
        .token_file = profile->token_file,
        .role = profile_literal(profile->role, "role_arn of the profile"),
        .session_name = profile->session_name,
        .region = region_of(self),
        .duration_s = duration_of(profile),
    };

    return web_identity_create(&options);
}

/* The provider of the last profile's own settings, before any role. */
static struct provider *make_root(
    struct profile_chain *self, struct facts *facts, struct failure *failure)
{
    int last = self->count - 1;
    const struct profile *profile = &self->profiles[last];
    const char *source = profile->credential_source;

    if (profile->token_file != NULL)
        return profile_make_web_identity(self, profile, facts);
    if (source == NULL)
        return make_keys(self, self->names[last], profile, facts);
    if (strcmp(source, "Environment") == 0)
        return make_environment_keys(self, facts);
    if (strcmp(source, "EcsContainer") == 0)
        return container_create(self->context, facts);
    if (strcmp(source, "Ec2InstanceMetadata") == 0)
        return imds_create(self->context, facts, false);
    profile_chain_set_failure(failure, self->names[last],
        "credential_source must be Environment, EcsContainer or Ec2InstanceMetadata", "");
    return NULL;
}

static struct provider *make_role(
    struct profile_chain *self, const struct profile *profile, struct facts *facts)
{
    struct assume_role_options options = {
        .context = self->context,
        .facts = facts,
        .role = profile_literal(profile->role, "role_arn of the profile"),
        .external_id = profile_literal(profile->external_id, "external_id of the profile"),
        .session_name = profile->session_name,
        .region = region_of(self),
        .duration_s = duration_of(profile),
    };

    return assume_role_create(&options);
}

static const struct provider_owner profile_owner;

static int profile_push(struct profile_chain *self, struct provider *provider)
{
    if (provider == NULL)
        return -1;
    provider->owner = &profile_owner;
    provider->data = self;
    self->providers[self->provider_count++] = provider;
    return 0;
}

static int profile_build(struct profile_chain *self, struct failure *failure)
{
    int roles = 0;

    failure_set(failure, ERROR_INTERNAL, "profile %s: no memory", self->names[0]);
    for (int i = 0; i < self->count; i++)
        roles += self->profiles[i].role != NULL && self->profiles[i].token_file == NULL;
    if (profile_push(self, make_root(self, roles == 0 ? self->facts : &self->inner, failure)) < 0)
        return -1;
    for (int i = self->count - 1; i >= 0; i--) {
        const struct profile *profile = &self->profiles[i];

        if (profile->role == NULL || profile->token_file != NULL)
            continue;
        roles--;
        if (profile_push(self, make_role(self, profile, roles == 0 ? self->facts : &self->inner)) <
            0)
            return -1;
    }
    return 0;
}

static void profile_drop(struct profile_chain *self)
{
    while (self->provider_count > 0)
        provider_destroy(self->providers[--self->provider_count]);
    while (self->count > 0)
        profile_clear(&self->profiles[--self->count]);
    facts_clear(&self->inner);
}

/* ---- the provider ---- */

static void profile_fetch(struct profile_chain *self, int index)
{
    self->under_way = index;
    self->providers[index]->ops->fetch(self->providers[index]);
}

/* A role needs the credentials below it; these continue the role above it. */
static void on_fetched(void *data, const struct fetch_end *end)
{
    struct profile_chain *self = data;
    struct provider *above;

    if (end->credentials == NULL && end->failure == NULL) {
        profile_fetch(self, self->under_way - 1);
    } else if (self->under_way == self->provider_count - 1) {
        provider_finish(&self->base, end->credentials, end->failure);
    } else {
        above = self->providers[++self->under_way];
        above->ops->resume(above, end->credentials, end->failure);
    }
}

static const struct provider_owner profile_owner = {
    .done = on_fetched, .trouble = provider_trouble};

static bool is_current(const struct profile_chain *self)
{
    struct shared_stamps now = shared_stamps_of(self->context);

    return self->provider_count > 0 && shared_stamps_equal(&now, &self->stamps);
}

static int profile_rebuild(struct profile_chain *self, struct failure *failure)
{
    bool named;

    profile_drop(self);
    if (profile_load(self, shared_profile_name(self->context, &named), failure) == 0 &&
        profile_build(self, failure) == 0)
        return 0;
    profile_drop(self);
    return -1;
}

static void profile_chain_fetch(struct provider *provider)
{
    struct profile_chain *self = (struct profile_chain *)provider;
    struct failure failure;

    if (!is_current(self) && profile_rebuild(self, &failure) < 0)
        provider_finish(provider, NULL, &failure);
    else
        profile_fetch(self, self->provider_count - 1);
}

static void profile_chain_destroy(struct provider *provider)
{
    struct profile_chain *self = (struct profile_chain *)provider;

    profile_drop(self);
    free(self);
}

static const struct provider_ops profile_chain_ops = {
    .kind = "profile", .fetch = profile_chain_fetch, .destroy = profile_chain_destroy};

struct provider *profile_chain_create(
    const struct identity_context *context, struct facts *facts, const char *region)
{
    struct profile_chain *self = calloc(1, sizeof(*self));
    struct failure failure;

    if (self == NULL)
        return NULL;
    self->base.ops = &profile_chain_ops;
    self->context = context;
    self->facts = facts;
    self->region = region;
    facts->kind = profile_chain_ops.kind;
    profile_rebuild(self, &failure); /* for whoami, which may be called first */
    return &self->base;
}
