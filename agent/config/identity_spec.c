/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config/identity_spec.h"

#include "agent/config/auth.h"
#include "agent/config/parser.h"
#include "agent/fnv.h"
#include "proto/buffer.h"
#include "proto/suggest.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

const char *identity_kind_name(enum identity_kind kind)
{
    switch (kind) {
    case IDENTITY_CHAIN:
        return "chain";
    case IDENTITY_STATIC:
        return "static";
    case IDENTITY_WEB_IDENTITY:
        return "web-identity";
    case IDENTITY_AWS:
        return "aws";
    case IDENTITY_ASSUME_ROLE:
        return "assume-role";
    case IDENTITY_KIAM:
        return "kiam";
    }
    return "unknown";
}

static bool text_equal(const char *a, const char *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return strcmp(a, b) == 0;
}

static bool value_equal(const struct value_ref *a, const struct value_ref *b)
{
    return a->source == b->source && text_equal(a->text, b->text) && text_equal(a->key, b->key);
}

bool identity_spec_equal(const struct identity_spec *a, const struct identity_spec *b)
{
    return a->kind == b->kind && text_equal(a->region, b->region) &&
           value_equal(&a->role, &b->role) && value_equal(&a->external_id, &b->external_id) &&
           value_equal(&a->key_id, &b->key_id) && value_equal(&a->secret_key, &b->secret_key) &&
           value_equal(&a->session_token, &b->session_token);
}

bool identity_spec_same_reason(const struct identity_spec *a, const struct identity_spec *b)
{
    return text_equal(a->reason, b->reason);
}

/* ---- copies ---- */

#define SPEC_TEXTS 17

/* All its texts, NULL or not. */
static void spec_list_texts(struct identity_spec *spec, const char **texts[SPEC_TEXTS])
{
    struct value_ref *values[] = {
        &spec->role, &spec->external_id, &spec->key_id, &spec->secret_key, &spec->session_token};

    *texts++ = &spec->reason;
    *texts++ = &spec->region;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        *texts++ = &values[i]->text;
        *texts++ = &values[i]->key;
        *texts++ = &values[i]->origin;
    }
}

int identity_spec_copy(struct identity_spec *copy, const struct identity_spec *spec)
{
    const char **texts[SPEC_TEXTS];
    bool failed = false;

    *copy = *spec;
    spec_list_texts(copy, texts);
    for (int i = 0; i < SPEC_TEXTS; i++) {
        if (*texts[i] == NULL)
            continue;
        *texts[i] = strdup(*texts[i]);
        failed |= *texts[i] == NULL;
    }
    if (!failed)
        return 0;
    identity_spec_clear(copy);
    return -ENOMEM;
}

void identity_spec_clear(struct identity_spec *spec)
{
    const char **texts[SPEC_TEXTS];

    spec_list_texts(spec, texts);
    for (int i = 0; i < SPEC_TEXTS; i++) {
        /* This module owns the copy: it is const only for its readers. */
        char *own = (char *)(uintptr_t)*texts[i];

        if (own != NULL)
            wipe(own, strlen(own));
        free(own);
    }
    *spec = (struct identity_spec){0};
}

/* ---- equal ones are shared ---- */

static uint64_t spec_hash_text(uint64_t hash, const char *text)
{
    return fnv_text(hash, text != NULL ? text : "");
}

/* Equal specs with the same reason have the same. */
static uint64_t spec_hash(const struct identity_spec *spec)
{
    const struct value_ref *values[] = {
        &spec->role, &spec->external_id, &spec->key_id, &spec->secret_key, &spec->session_token};
    uint64_t hash = spec_hash_text(spec_hash_text(FNV_START, spec->region), spec->reason);

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        hash = spec_hash_text(spec_hash_text(hash, values[i]->text), values[i]->key);
    return hash;
}

/* The spec that the configuration keeps; NULL if out of memory. */
static const struct identity_spec *spec_share(
    struct parser *parser, const struct identity_spec *spec)
{
    uint64_t hash = spec_hash(spec);

    for (size_t i = 0; i < parser->spec_count; i++) {
        const struct parser_spec *known = &parser->specs[i];

        if (known->hash == hash && identity_spec_equal(known->spec, spec) &&
            identity_spec_same_reason(known->spec, spec))
            return known->spec;
    }
    struct identity_spec *copy = parser_array(parser, parser->kept, 1, sizeof(*copy));
    struct parser_spec *specs = array_grow(
        parser->specs, parser->spec_count, &parser->spec_capacity, sizeof(*specs));
    parser->failed |= specs == NULL;
    if (specs != NULL)
        parser->specs = specs;
    if (specs == NULL || copy == NULL)
        return NULL;
    *copy = *spec;
    specs[parser->spec_count++] = (struct parser_spec){.hash = hash, .spec = copy};
    return copy;
}

/* ---- the row that a trigger selects ---- */

struct choice {
    const struct parameters *parameters;
    struct parser *parser;
    struct auth *auth;
    bool is_operator;
    struct identity_spec spec;
};

static bool choice_is_set(const struct value_ref *value)
{
    return value->source != SOURCE_ABSENT;
}

static const struct value_ref *auth_value(const struct choice *c, enum auth_parameter parameter)
{
    static const struct value_ref absent = {.source = SOURCE_ABSENT};

    return c->auth != NULL ? &c->auth->parameters[parameter] : &absent;
}

/* A problem of the authentication itself is reported once, not for each trigger that uses it.
 * Messages are literals, so equal addresses mean equal messages. */
static bool is_first(const struct choice *c, const char *message)
{
    struct auth *auth = c->auth;

    for (size_t i = 0; i < auth->reported_count; i++) {
        if (auth->reported[i] == message)
            return false;
    }
    if (auth->reported_count < AUTH_REPORTED_MAX)
        auth->reported[auth->reported_count++] = message;
    return true;
}

static void auth_finding(const struct choice *c, enum finding_level level, const struct node *node,
    const char *subject, const char *message)
{
    if (is_first(c, message))
        tree_report(c->auth->tree, node, level, subject, "%s", message);
}

static void identity_choose_kind(struct choice *c, enum identity_kind kind, const char *why)
{
    c->spec.kind = kind;
    c->spec.reason = c->auth != NULL ? parser_printf(c->parser, "%s of %s", why, c->auth->title)
                                     : parser_keep(c->parser, why);
}

/* Notes keys that the chosen identity ignores: the user expects that they are used. */
static void note_unused_keys(const struct choice *c, const char *why)
{
    static const char *const names[] = {
        "awsAccessKeyID", "awsAccessKeyIDFromEnv", "awsSecretAccessKeyFromEnv"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (parameter_text(c->parameters, names[i]) != NULL)
            parameter_note(c->parameters, names[i], "ignored: %s", why);
    }
    for (int i = AUTH_KEY_ID; c->auth != NULL && i <= AUTH_SECRET_KEY; i++) {
        if (choice_is_set(&c->auth->parameters[i]) && is_first(c, why))
            tree_report(c->auth->tree, c->auth->nodes[i], FINDING_NOTE, "authenticationRef",
                "the access key is ignored: %s", why);
    }
}

static struct value_ref from_environment(
    const struct choice *c, const char *parameter, const char *variable)
{
    const char *value = c->parser->getenv(variable);

    if (value == NULL || *value == '\0')
        parameter_error(c->parameters, parameter,
            "the variable %s is not set; set it in tally's own container", variable);
    return (struct value_ref){.source = SOURCE_ENVIRONMENT,
        .text = parser_keep(c->parser, variable),
        .origin = parser_printf(c->parser, "environment variable %s", variable)};
}

/* Static keys in the trigger's metadata. False: there are none. */
static bool choose_metadata_keys(struct choice *c)
{
    const char *id = parameter_text(c->parameters, "awsAccessKeyID");
    const char *id_variable = parameter_text(c->parameters, "awsAccessKeyIDFromEnv");
    const char *secret_variable = parameter_text(c->parameters, "awsSecretAccessKeyFromEnv");

    if (id == NULL && id_variable == NULL && secret_variable == NULL)
        return false;
    identity_choose_kind(c, IDENTITY_STATIC, "access key in the trigger's metadata");
    if (id != NULL)
        c->spec.key_id = (struct value_ref){.source = SOURCE_LITERAL,
            .text = parser_keep(c->parser, id),
            .origin = "awsAccessKeyID of the trigger"};
    else if (id_variable != NULL)
        c->spec.key_id = from_environment(c, "awsAccessKeyIDFromEnv", id_variable);
    else
        parameter_error(c->parameters, "awsSecretAccessKeyFromEnv",
            "a secret key without an id; add awsAccessKeyID or awsAccessKeyIDFromEnv");
    if (secret_variable != NULL)
        c->spec.secret_key = from_environment(c, "awsSecretAccessKeyFromEnv", secret_variable);
    else
        parameter_error(c->parameters, id != NULL ? "awsAccessKeyID" : "awsAccessKeyIDFromEnv",
            "an access key without its secret; add awsSecretAccessKeyFromEnv");
    return true;
}

/* Static keys among the auth parameters. False: there are none. */
static bool choose_auth_keys(struct choice *c)
{
    const struct value_ref *id = auth_value(c, AUTH_KEY_ID);
    const struct value_ref *secret = auth_value(c, AUTH_SECRET_KEY);

    if (!choice_is_set(id) && !choice_is_set(secret))
        return false;
    identity_choose_kind(c, IDENTITY_STATIC, "access key");
    c->spec.key_id = *id;
    c->spec.secret_key = *secret;
    c->spec.session_token = *auth_value(c, AUTH_SESSION_TOKEN);
    if (!choice_is_set(secret))
        auth_finding(c, FINDING_ERROR, c->auth->nodes[AUTH_KEY_ID], "awsAccessKeyID",
            "an access key without its secret; add awsSecretAccessKey");
    if (!choice_is_set(id))
        auth_finding(c, FINDING_ERROR, c->auth->nodes[AUTH_SECRET_KEY], "awsSecretAccessKey",
            "a secret key without an id; add awsAccessKeyID");
    return true;
}

static void take_role(struct choice *c)
{
    const struct value_ref *external = auth_value(c, AUTH_EXTERNAL_ID);

    c->spec.role = *auth_value(c, AUTH_ROLE);
    if (choice_is_set(&c->spec.role))
        c->spec.external_id = choice_is_set(external) ? *external : c->auth->external_id;
}

/* No pod identity: a role, keys, or the pod's own credentials. */
static void choose_by_parameters(struct choice *c)
{
    if (choice_is_set(auth_value(c, AUTH_ROLE))) {
        identity_choose_kind(c, IDENTITY_ASSUME_ROLE, "awsRoleArn");
        take_role(c);
        note_unused_keys(c, "awsRoleArn is assumed with the pod's own identity");
        return;
    }
    if (choose_auth_keys(c) || choose_metadata_keys(c))
        return;
    identity_choose_kind(
        c, IDENTITY_CHAIN, c->auth != NULL ? "no role and no keys" : "no authenticationRef");
    parameter_note(c->parameters, "authenticationRef",
        "no keys and no role are given, so the pod's own identity is used; KEDA refuses this "
        "trigger (awsAccessKeyID not found)");
}

static void choose_eks(struct choice *c)
{
    identity_choose_kind(c, IDENTITY_WEB_IDENTITY, "podIdentity aws-eks");
    take_role(c);
    note_unused_keys(c, "podIdentity aws-eks is used");
    auth_finding(c, FINDING_WARNING, c->auth->provider_node, "podIdentity.provider",
        "KEDA has deprecated aws-eks and will remove it; use aws");
    if (c->parser->getenv("AWS_WEB_IDENTITY_TOKEN_FILE") == NULL ||
        c->parser->getenv("AWS_ROLE_ARN") == NULL)
        auth_finding(c, FINDING_NOTE, c->auth->provider_node, "podIdentity.provider",
            "AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are not set here; in the pod, "
            "Kubernetes sets them when the service account is annotated with a role");
}

static void choose_kiam(struct choice *c)
{
    identity_choose_kind(c, IDENTITY_KIAM, "podIdentity aws-kiam");
    note_unused_keys(c, "podIdentity aws-kiam is used");
    auth_finding(c, FINDING_WARNING, c->auth->provider_node, "podIdentity.provider",
        "KEDA 2.16 and later do not know aws-kiam; use aws");
}

static void choose_aws(struct choice *c)
{
    identity_choose_kind(c, IDENTITY_AWS, "podIdentity aws");
    take_role(c);
    note_unused_keys(c, "podIdentity aws is used, as in KEDA");
    if (!choice_is_set(&c->auth->role))
        return;
    c->spec.role = c->auth->role;
    c->spec.external_id = choice_is_set(&c->auth->external_id) ? c->auth->external_id
                                                               : *auth_value(c, AUTH_EXTERNAL_ID);
    if (c->auth->workload)
        auth_finding(c, FINDING_ERROR, c->auth->provider_node, "podIdentity.roleArn",
            "cannot be used with identityOwner: workload; remove one of them");
}

/* KEDA uses an external id only if it assumes podIdentity.roleArn. */
static void check_external_id(const struct choice *c)
{
    if (c->auth == NULL || !choice_is_set(&c->auth->external_id))
        return;
    if (!choice_is_set(&c->spec.external_id))
        auth_finding(c, FINDING_WARNING, c->auth->external_id_node, "podIdentity.externalID",
            "ignored, by KEDA too: there is no role to assume; add podIdentity.roleArn");
    else if (c->spec.kind != IDENTITY_AWS || !choice_is_set(&c->auth->role))
        auth_finding(c, FINDING_WARNING, c->auth->external_id_node, "podIdentity.externalID",
            "KEDA ignores it without provider aws and podIdentity.roleArn; tally sends it with "
            "AssumeRole");
    else
        auth_finding(c, FINDING_NOTE, c->auth->external_id_node, "podIdentity.externalID",
            "sent with AssumeRole only; AssumeRoleWithWebIdentity has no external id");
}

bool identity_owner_is_operator(const struct parameters *parameters)
{
    const char *owner = parameter_text(parameters, "identityOwner");

    if (owner == NULL)
        return false;
    if (strchr(owner, '|') != NULL)
        parameter_error(parameters, "identityOwner",
            "must be pod or operator; \"%s\" is the notation of KEDA's manual, choose one", owner);
    else if (strcmp(owner, "pod") != 0 && strcmp(owner, "operator") != 0)
        parameter_error(parameters, "identityOwner",
            "must be pod or operator, not \"%s\"; KEDA silently takes its operator's identity",
            owner);
    else
        parameter_note(parameters, "identityOwner",
            "KEDA has deprecated it in 2.13; it may be left out where it is pod");
    return strcmp(owner, "operator") == 0;
}

static void refuse_provider(const struct choice *c, const char *provider)
{
    static const char *const known[] = {"aws", "aws-eks", "aws-kiam", "none", NULL};
    const char *close = suggest(provider, known);

    if (!is_first(c, "provider"))
        return;
    if (close != NULL)
        tree_report(c->auth->tree, c->auth->provider_node, FINDING_ERROR, "podIdentity.provider",
            "invalid provider \"%s\"; did you mean %s?", provider, close);
    else
        tree_report(c->auth->tree, c->auth->provider_node, FINDING_ERROR, "podIdentity.provider",
            "\"%s\" gives no AWS credentials; use aws, aws-eks, aws-kiam or none", provider);
}

static void choose_by_provider(struct choice *c, const char *provider)
{
    if (strcmp(provider, "aws") == 0) {
        choose_aws(c);
    } else if (c->is_operator) {
        identity_choose_kind(c, IDENTITY_CHAIN, "identityOwner operator");
        note_unused_keys(c, "identityOwner is operator, so the pod's own identity is used");
        if (choice_is_set(auth_value(c, AUTH_ROLE)))
            parameter_note(c->parameters, "identityOwner",
                "operator: the auth parameter awsRoleArn is ignored");
    } else if (strcmp(provider, "none") == 0 || *provider == '\0') {
        choose_by_parameters(c);
    } else if (strcmp(provider, "aws-eks") == 0) {
        choose_eks(c);
    } else if (strcmp(provider, "aws-kiam") == 0) {
        choose_kiam(c);
    } else {
        identity_choose_kind(c, IDENTITY_CHAIN, "podIdentity");
        refuse_provider(c, provider);
    }
}

const struct identity_spec *identity_spec_choose(
    const struct parameters *parameters, struct auth *auth, const char *region)
{
    struct choice c = {.parameters = parameters,
        .parser = parameters->parser,
        .auth = auth,
        .is_operator = identity_owner_is_operator(parameters),
        .spec = {.region = region}};

    choose_by_provider(&c, auth != NULL ? auth->provider : "none");
    check_external_id(&c);
    return spec_share(c.parser, &c.spec);
}
