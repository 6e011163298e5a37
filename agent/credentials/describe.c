/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/describe.h"

#include "agent/aws/sts.h"
#include "agent/credentials/source.h"
#include "agent/credentials/web_identity.h"
#include "agent/file.h"
#include "proto/message.h"
#include "proto/saturating.h"
#include "proto/utf8.h"
#include "proto/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static void describe_put_text(struct map *map, const char *key, const char *text)
{
    char shown[4096];

    if (text == NULL || text[0] == '\0')
        return;
    utf8_copy(shown, sizeof(shown), text, strlen(text));
    map_string(map, key, shown);
}

static void describe_put_time(struct map *map, const char *key, int64_t wall_s)
{
    char text[40];
    struct tm parts;
    time_t seconds = (time_t)wall_s;

    if (gmtime_r(&seconds, &parts) == NULL ||
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        return;
    describe_put_text(map, key, text);
}

/* ---- the token file ---- */

static void put_claims(struct map *map, const struct jwt_claims *claims, int64_t wall_ms)
{
    describe_put_text(map, "subject", claims->subject);
    describe_put_text(map, "audience", claims->audience);
    describe_put_text(map, "issuer", claims->issuer);
    if (claims->expires_s == 0)
        return;
    map_int(map, "expires_in_ms", saturating_subtract(claims->expires_s * 1000, wall_ms));
    describe_put_time(map, "expires_at", claims->expires_s);
}

static void put_status(struct map *map, const char *path)
{
    struct stat status;
    char mode[8];

    if (stat(path, &status) < 0)
        return;
    snprintf(mode, sizeof(mode), "%04o", (unsigned)status.st_mode & 07777u);
    map_int(map, "owner_uid", status.st_uid);
    map_int(map, "owner_gid", status.st_gid);
    describe_put_text(map, "mode", mode);
    map_int(map, "size", status.st_size);
}

static bool read_claims(const char *path, struct jwt_claims *claims)
{
    struct buffer token;
    bool ok;

    buffer_init_secret(&token, 2 * TOKEN_BYTES);
    ok = file_read(path, &token) == 0 && token.len > 0 &&
         jwt_read_claims((const char *)token.data, token.len, claims) == 0;
    buffer_free(&token);
    return ok;
}

static void put_token_file(
    struct map *map, const char *path, const struct jwt_claims *claims, int64_t wall_ms)
{
    struct map inner = map_begin_in(map, "token_file");

    describe_put_text(&inner, "path", path);
    put_status(&inner, path);
    if (claims != NULL)
        put_claims(&inner, claims, wall_ms);
    map_end(&inner);
}

static const char *token_file_of(const struct source *source)
{
    for (; source != NULL; source = source->below)
        if (source->facts.token_file != NULL)
            return source->facts.token_file;
    return NULL;
}

static void put_trust(struct map *map, const struct facts *facts, const struct jwt_claims *claims)
{
    char text[sizeof(*claims) + 160];

    if (facts->kind == NULL)
        return;
    if (strcmp(facts->kind, "web-identity") == 0 && claims != NULL) {
        jwt_explain_trust(claims, text, sizeof(text));
        describe_put_text(map, "trust", text);
    } else if (strcmp(facts->kind, "container") == 0) {
        describe_put_text(map, "trust",
            "allow sts:AssumeRole and sts:TagSession to the service pods.eks.amazonaws.com (EKS), "
            "or sts:AssumeRole to ecs-tasks.amazonaws.com (ECS)");
    } else if (strcmp(facts->kind, "assume-role") == 0) {
        describe_put_text(map, "trust",
            "allow sts:AssumeRole to the base identity, under the external ID where one is "
            "configured; the base identity's own policy must allow it too");
    }
}

/* ---- the credentials ---- */

static const char *describe_state_of(const struct source *keeper)
{
    if (source_credentials(keeper) != NULL)
        return "valid";
    if (keeper->fetching)
        return "fetching";
    return keeper->failed ? "failed" : "none";
}

/* arn:aws:sts::123456789012:assumed-role/… */
static void put_account(struct map *map, const char *arn)
{
    char account[16] = "";
    const char *at = arn;

    for (int colons = 0; colons < 4 && at != NULL; colons++) {
        at = strchr(at, ':');
        if (at != NULL)
            at++;
    }
    if (at == NULL || strspn(at, "0123456789") != 12)
        return;
    snprintf(account, sizeof(account), "%.12s", at);
    describe_put_text(map, "account", account);
}

static void put_caller(
    struct map *map, const struct credentials *credentials, const struct facts *facts)
{
    if (!caller_known(facts, credentials))
        return;
    describe_put_text(map, "arn", credentials->arn != NULL ? credentials->arn : facts->arn);
    if (credentials->arn != NULL)
        put_account(map, credentials->arn);
    else
        describe_put_text(map, "account", facts->account);
}

static void put_credentials(struct map *map, const struct credentials *credentials, int64_t wall_ms)
{
    char masked[CREDENTIALS_MASKED_SIZE];

    credentials_mask_id(credentials->access_key_id, masked);
    describe_put_text(map, "access_key_id", masked);
    if (credentials->expires_ms == CREDENTIALS_NEVER_EXPIRE)
        return;
    map_int(map, "expires_in_ms", saturating_subtract(credentials->expires_ms, wall_ms));
    describe_put_time(map, "expires_at", credentials->expires_ms / 1000);
}

/* What the source keeps; a chain that has not chosen keeps nothing. */
static void put_kept(struct map *map, const struct source *keeper)
{
    const struct credentials *credentials = source_credentials(keeper);
    int64_t refresh_in_ms = source_refresh_in(keeper);

    describe_put_text(map, "state", describe_state_of(keeper));
    if (credentials != NULL) {
        put_credentials(map, credentials, aws_client_wall(keeper->pool->context.client));
        put_caller(map, credentials, &keeper->facts);
    }
    if (refresh_in_ms >= 0)
        map_int(map, "refresh_in_ms", refresh_in_ms);
    if (keeper->failed)
        failure_pack(map_key(map, "last_error"), &keeper->failure, NULL);
}

static void put_why(struct map *map, const struct identity_spec *spec, const struct source *source)
{
    const char *chosen = NULL;
    char why[1024];

    for (; source != NULL && chosen == NULL; source = source->below)
        chosen = source->facts.why;
    if (spec->reason != NULL && chosen != NULL) {
        snprintf(why, sizeof(why), "%s; %s", spec->reason, chosen);
        describe_put_text(map, "why", why);
    } else {
        describe_put_text(map, "why", spec->reason != NULL ? spec->reason : chosen);
    }
}

struct unused {
    struct buffer *out;
    uint16_t count;
};

static void put_one_unused(void *data, const char *source, const char *reason)
{
    struct unused *unused = data;
    struct map map = map_begin(unused->out);

    map_string(&map, "source", source);
    map_string(&map, "reason", reason);
    map_end(&map);
    unused->count++;
}

/* Sources based on what the environment configures use it, too. */
static enum source_kind root_kind(const struct source *source)
{
    while (source->below != NULL)
        source = source->below;
    return source->kind == SOURCE_KIND_AWS ? SOURCE_KIND_WEB_IDENTITY : source->kind;
}

static void put_unused(struct map *map, const struct source *source)
{
    struct unused unused = {.out = map_key(map, "not_used")};
    size_t array = write_array_begin(map->buffer);

    chain_list_unused(&source->pool->context, root_kind(source), source->kind == SOURCE_KIND_CHAIN,
        put_one_unused, &unused);
    write_array_end(map->buffer, array, unused.count);
}

void describe_source(const struct identity_spec *spec, struct source *source, struct map *map)
{
    const struct source *keeper = source_keeper(source);
    const struct facts *facts = keeper != NULL ? &keeper->facts : &source->facts;
    const char *token_file = token_file_of(source);
    struct jwt_claims claims;
    bool readable = token_file != NULL && read_claims(token_file, &claims);

    describe_put_text(map, "kind", facts->kind);
    put_why(map, spec, source);
    describe_put_text(map, "role", facts->role);
    describe_put_text(map, "session_name", facts->session_name);
    put_kept(map, keeper != NULL ? keeper : source);
    if (token_file != NULL)
        put_token_file(map, token_file, readable ? &claims : NULL,
            aws_client_wall(source->pool->context.client));
    put_trust(map, facts, readable ? &claims : NULL);
    put_unused(map, source);
}

/* ---- caller ---- */

#define WHAT         "GetCallerIdentity"
#define ATTEMPTS_MAX 3
#define FORM_BYTES   128

struct caller {
    struct source *source;
    caller_done_fn *done;
    void *data;
    struct loop_timer *timer; /* defers the start, as promised */
    struct credentials_request request;
    struct aws_call *call;
    struct buffer form;
    char key_id[132];
    struct sts_identity identity;
};

bool caller_known(const struct facts *facts, const struct credentials *credentials)
{
    if (credentials->arn != NULL)
        return true;
    return facts->caller_key_id != NULL &&
           strcmp(facts->caller_key_id, credentials->access_key_id) == 0;
}

static void caller_free(struct caller *caller)
{
    loop_timer_destroy(caller->timer);
    buffer_free(&caller->form);
    source_release(caller->source);
    free(caller);
}

static void caller_end(struct caller *caller, const struct failure *failure)
{
    caller->done(caller->data, failure);
    caller_free(caller);
}

static int caller_parse_reply(void *data, const void *body, size_t len, char *why, size_t why_size)
{
    struct caller *caller = data;

    return sts_parse_identity(body, len, &caller->identity, why, why_size);
}

static void caller_keep(struct caller *caller)
{
    struct facts *facts = &source_keeper(caller->source)->facts;

    facts_set(&facts->caller_key_id, caller->key_id);
    facts_set(&facts->account, caller->identity.account);
    facts_set(&facts->arn, caller->identity.arn);
}

static void on_reply(void *data, const struct aws_reply *reply)
{
    struct caller *caller = data;
    bool ok = reply->error.outcome == AWS_OK;

    caller->call = NULL;
    if (ok)
        caller_keep(caller);
    caller_end(caller, ok ? NULL : &reply->failure);
}

static void on_credentials(
    void *data, struct credentials *credentials, const struct failure *failure)
{
    struct caller *caller = data;
    const struct identity_context *context = &caller->source->pool->context;
    struct endpoint endpoint;
    struct failure own;
    char why[240] = "";
    struct aws_request request = {
        .service = AWS_STS,
        .what = WHAT,
        .endpoint = &endpoint,
        .content_type = "application/x-www-form-urlencoded",
        .credentials = credentials,
        .max_reply = STS_REPLY_BYTES,
        .max_attempts = ATTEMPTS_MAX,
        .data = caller,
        .parse_reply = caller_parse_reply,
        .parse_error = sts_parse_error,
    };

    if (credentials == NULL) {
        caller_end(caller, failure);
        return;
    }
    sts_caller_identity_body(&caller->form);
    request.body = caller->form.data;
    request.body_len = caller->form.len;
    snprintf(caller->key_id, sizeof(caller->key_id), "%s", credentials->access_key_id);
    if (endpoint_sts(
            &endpoint, &context->environment, caller->source->spec.region, why, sizeof(why)) < 0) {
        failure_set(&own, ERROR_CREDENTIALS, "%s: %s", WHAT, why);
        caller_end(caller, &own);
        return;
    }
    if (caller->form.failed)
        failure_set_buffer(&own, WHAT, &caller->form);
    else
        caller->call = aws_call_start(context->client, &request, on_reply, caller, &own);
    if (caller->call == NULL)
        caller_end(caller, &own);
}

static void on_begin(void *data)
{
    struct caller *caller = data;

    source_get(caller->source, &caller->request);
}

struct caller *caller_start(struct source *source, caller_done_fn *done, void *data)
{
    struct caller *caller = calloc(1, sizeof(*caller));

    if (caller == NULL)
        return NULL;
    caller->timer = loop_timer_create(source->pool->context.loop, on_begin, caller);
    if (caller->timer == NULL) {
        free(caller);
        return NULL;
    }
    source->references++;
    caller->source = source;
    caller->done = done;
    caller->data = data;
    caller->request.done = on_credentials;
    caller->request.data = caller;
    buffer_init(&caller->form, FORM_BYTES);
    loop_timer_start(caller->timer, 0);
    return caller;
}

void caller_cancel(struct caller *caller)
{
    source_cancel(&caller->request);
    if (caller->call != NULL)
        aws_call_cancel(caller->call);
    caller_free(caller);
}
