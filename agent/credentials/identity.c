/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/identity.h"

#include "agent/aws/sts.h"
#include "agent/credentials/cached.h"
#include "agent/credentials/describe.h"
#include "agent/credentials/source.h"
#include "agent/file.h"
#include "agent/process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct identity {
    struct identity *next;
    struct identities *identities;
    unsigned references;
    struct identity_spec spec; /* a copy */
    struct source *source;
};

struct identities {
    struct sources pool;
    struct identity *first;
    size_t count;
};

static const char *process_getenv(const char *name)
{
    return getenv(name);
}

/* In a pod the host name is the pod's: CloudTrail then shows which pod it was. */
static void set_session_name(struct identity_context *context)
{
    const char *name = context_variable(context, "AWS_ROLE_SESSION_NAME");
    char host[256] = "";
    char wanted[sizeof(host) + 8];

    if (name == NULL) {
        const char *variable = context_variable(context, "HOSTNAME");
        if (variable != NULL)
            snprintf(host, sizeof(host), "%s", variable);
        else if (gethostname(host, sizeof(host) - 1) != 0)
            snprintf(host, sizeof(host), "agent");
        snprintf(wanted, sizeof(wanted), "tally-%s", host);
        name = wanted;
    }
    sts_session_name(name, context->session_name);
}

struct identities *identities_create(const struct identities_options *options)
{
    struct identities *identities = calloc(1, sizeof(*identities));

    if (identities == NULL)
        return NULL;
    identities->pool.context = (struct identity_context){
        .loop = options->loop,
        .client = options->client,
        .environment = options->environment,
        .imds = options->imds,
        .getenv = options->getenv != NULL ? options->getenv : process_getenv,
        .random = options->random != NULL ? options->random : random_bits,
    };
    set_session_name(&identities->pool.context);
    return identities;
}

const char *identities_session_name(const struct identities *identities)
{
    return identities->pool.context.session_name;
}

static void identity_free(struct identity *identity)
{
    source_release(identity->source);
    identity_spec_clear(&identity->spec);
    free(identity);
}

void identities_destroy(struct identities *identities)
{
    if (identities == NULL)
        return;
    while (identities->first != NULL) {
        struct identity *identity = identities->first;
        identities->first = identity->next;
        identity_free(identity);
    }
    free(identities);
}

static enum source_kind source_kind_of(const struct identity_spec *spec)
{
    switch (spec->kind) {
    case IDENTITY_CHAIN:
        return SOURCE_KIND_CHAIN;
    case IDENTITY_STATIC:
        return SOURCE_KIND_STATIC;
    case IDENTITY_WEB_IDENTITY:
        return spec->role.source == SOURCE_ABSENT ? SOURCE_KIND_WEB_IDENTITY
                                                  : SOURCE_KIND_ASSUME_ROLE;
    case IDENTITY_AWS:
        return spec->role.source == SOURCE_ABSENT ? SOURCE_KIND_CHAIN : SOURCE_KIND_AWS;
    case IDENTITY_ASSUME_ROLE:
        return SOURCE_KIND_ASSUME_ROLE;
    case IDENTITY_KIAM:
        return SOURCE_KIND_KIAM;
    }
    return SOURCE_KIND_CHAIN;
}

struct identity *identity_acquire(struct identities *identities, const struct identity_spec *spec)
{
    struct identity **last = &identities->first;
    struct identity *identity;

    for (; *last != NULL; last = &(*last)->next) {
        if (identity_spec_equal(&(*last)->spec, spec) &&
            identity_spec_same_reason(&(*last)->spec, spec)) {
            (*last)->references++;
            return *last;
        }
    }
    identity = calloc(1, sizeof(*identity));
    if (identity == NULL)
        return NULL;
    if (identity_spec_copy(&identity->spec, spec) == 0)
        identity->source = source_acquire(&identities->pool, source_kind_of(spec), spec);
    if (identity->source == NULL) {
        identity_free(identity);
        return NULL;
    }
    identity->identities = identities;
    identity->references = 1;
    identities->count++;
    *last = identity;
    return identity;
}

struct identity *identity_ref(struct identity *identity)
{
    identity->references++;
    return identity;
}

void identity_release(struct identity *identity)
{
    struct identity **link;

    if (identity == NULL || --identity->references > 0)
        return;
    link = &identity->identities->first;
    while (*link != identity)
        link = &(*link)->next;
    *link = identity->next;
    identity->identities->count--;
    identity_free(identity);
}

void identity_get(struct identity *identity, struct provider_request *request)
{
    provider_get(identity->source->provider, request);
}

void identity_cancel(struct provider_request *request)
{
    provider_cancel(request);
}

void identity_refused(
    struct identity *identity, const struct credentials *credentials, const char *aws_code)
{
    sources_refused(&identity->identities->pool, credentials, aws_code);
}

void identity_refresh(struct identity *identity)
{
    source_refresh(identity->source);
}

void identity_describe(const struct identity *identity, struct map *map)
{
    describe_source(&identity->spec, identity->source, map);
}

bool identity_find_fault(const struct identity *identity, struct failure *failure)
{
    for (const struct source *source = identity->source; source != NULL; source = source->below) {
        const char *path = source->facts.token_file;
        char why[300];

        if (source->failure.code != ERROR_NONE) {
            *failure = source->failure;
            return true;
        }
        if (path != NULL && access(path, R_OK) < 0) {
            file_explain(path, -errno, why, sizeof(why));
            failure_set(failure, ERROR_CREDENTIALS, "token file: %s", why);
            failure->stage = STAGE_TOKEN;
            return true;
        }
    }
    return false;
}

const char *identity_source(const struct identity *identity)
{
    const struct source *keeper = source_keeper(identity->source);
    const char *kind = keeper != NULL ? keeper->facts.kind : identity->source->facts.kind;

    return kind != NULL ? kind : identity_kind_name(identity->spec.kind);
}

struct caller *identity_ask_caller(struct identity *identity, identity_caller_fn *done, void *data)
{
    const struct source *keeper = source_keeper(identity->source);
    struct cached_state state = {.credentials = NULL};

    if (keeper != NULL)
        cached_describe(keeper->provider, &state);
    if (state.credentials != NULL && caller_known(&keeper->facts, state.credentials))
        return NULL;
    return caller_start(identity->source, done, data);
}

void identity_cancel_caller(struct caller *caller)
{
    caller_cancel(caller);
}

size_t identities_count(const struct identities *identities)
{
    return identities->count;
}

struct identity *identities_at(const struct identities *identities, size_t index)
{
    struct identity *identity = identities->first;

    for (; index > 0 && identity != NULL; index--)
        identity = identity->next;
    return identity;
}
