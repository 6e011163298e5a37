/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/chain.h"

#include "agent/credentials/profile.h"

#include <stdio.h>

static bool chain_has(const struct identity_context *context, const char *name)
{
    return context_variable(context, name) != NULL;
}

/* The value of a variable, for a failure that names where it is from. */
static struct value_ref chain_variable(const char *name)
{
    return (struct value_ref){
        .source = SOURCE_ENVIRONMENT, .text = name, .origin = "the environment"};
}

/* ---- for each source: whether the environment configures it, and what it then needs ---- */

static bool has_keys(const struct identity_context *context)
{
    return chain_has(context, "AWS_ACCESS_KEY_ID") || chain_has(context, "AWS_SECRET_ACCESS_KEY");
}

static int choose_keys(
    const struct identity_context *context, struct chain_choice *choice, struct failure *failure)
{
    bool id = chain_has(context, "AWS_ACCESS_KEY_ID");

    if (id != chain_has(context, "AWS_SECRET_ACCESS_KEY")) {
        failure_set_settings(failure, "%s is set, but %s is not: both are needed, or neither",
            id ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
            id ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
        return -1;
    }
    choice->spec.key_id = chain_variable("AWS_ACCESS_KEY_ID");
    choice->spec.secret_key = chain_variable("AWS_SECRET_ACCESS_KEY");
    choice->spec.session_token = chain_variable("AWS_SESSION_TOKEN");
    return 0;
}

/* AWS_ROLE_ARN alone configures nothing in any SDK. */
static bool has_web_identity(const struct identity_context *context)
{
    return chain_has(context, "AWS_WEB_IDENTITY_TOKEN_FILE");
}

static int choose_web_identity(
    const struct identity_context *context, struct chain_choice *choice, struct failure *failure)
{
    (void)choice;
    if (chain_has(context, "AWS_ROLE_ARN"))
        return 0;
    failure_set_settings(failure, "AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is "
                                  "not: web identity needs both, no "
                                  "other identity is tried");
    return -1;
}

static int choose_profile(
    const struct identity_context *context, struct chain_choice *choice, struct failure *failure)
{
    bool named;
    const char *name = shared_profile_name(context, &named);

    (void)failure;
    snprintf(choice->why, sizeof(choice->why), "the shared AWS files have the profile %s%s", name,
        named ? " (AWS_PROFILE)" : "");
    return 0;
}

static bool has_relative_uri(const struct identity_context *context)
{
    return chain_has(context, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
}

static bool has_full_uri(const struct identity_context *context)
{
    return chain_has(context, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
}

static bool has_imds(const struct identity_context *context)
{
    return context->imds;
}

/* The sources of the environment, in the order in which the first one that is configured is
 * chosen. */
static const struct chain_rule {
    enum source_kind kind;
    const char *name; /* in `not_used` of `whoami` */
    const char *why;  /* for users; NULL: `choose` sets it */
    bool (*is_configured)(const struct identity_context *context);
    /* 0; or -1 with *failure: only part of it is configured. NULL: nothing more is needed. */
    int (*choose)(const struct identity_context *context, struct chain_choice *choice,
        struct failure *failure);
} chain_rules[] = {
    {SOURCE_KIND_STATIC, "AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID is set", has_keys, choose_keys},
    {SOURCE_KIND_WEB_IDENTITY, "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE is set",
        has_web_identity, choose_web_identity},
    {SOURCE_KIND_PROFILE, "the profile of the shared AWS files", NULL, profile_configured,
        choose_profile},
    {SOURCE_KIND_CONTAINER, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is set", has_relative_uri, NULL},
    {SOURCE_KIND_CONTAINER, "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI is set", has_full_uri, NULL},
    {SOURCE_KIND_IMDS, "the instance metadata (--imds)",
        "--imds is given, and nothing else is configured", has_imds, NULL},
};

#define CHAIN_RULES (sizeof(chain_rules) / sizeof(chain_rules[0]))

static int chain_fail_empty(const struct identity_context *context, struct failure *failure)
{
    /* EKS injects the variables when it admits a pod, and never later. */
    bool pod = chain_has(context, "KUBERNETES_SERVICE_HOST");

    failure_set_settings(failure,
        "this process has no identity: none of AWS_ACCESS_KEY_ID, AWS_WEB_IDENTITY_TOKEN_FILE, "
        "a profile in the shared AWS files, AWS_CONTAINER_CREDENTIALS_FULL_URI or "
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is there%s",
        pod ? "; if this pod's service account has a Pod Identity association or a role "
              "annotation, "
              "the pod was admitted before it: delete the pod"
        : context->imds ? ""
                        : "; the instance metadata is used only with --imds");
    return -1;
}

int chain_choose(
    const struct identity_context *context, struct chain_choice *choice, struct failure *failure)
{
    if (profile_redirection(context, failure))
        return -1;
    for (size_t i = 0; i < CHAIN_RULES; i++) {
        const struct chain_rule *rule = &chain_rules[i];

        if (!rule->is_configured(context))
            continue;
        choice->kind = rule->kind;
        if (rule->why != NULL)
            snprintf(choice->why, sizeof(choice->why), "%s", rule->why);
        return rule->choose != NULL ? rule->choose(context, choice, failure) : 0;
    }
    return chain_fail_empty(context, failure);
}

void chain_list_unused(const struct identity_context *context, enum source_kind used, bool by_chain,
    chain_unused_fn *fn, void *data)
{
    for (size_t i = 0; i < CHAIN_RULES; i++)
        if (chain_rules[i].is_configured(context) && chain_rules[i].kind != used)
            fn(data, chain_rules[i].name,
                by_chain ? "another source precedes it in the default chain"
                         : "the trigger's configuration chooses another source");
    if (chain_has(context, "AWS_ROLE_ARN") && !has_web_identity(context))
        fn(data, "AWS_ROLE_ARN", "it configures nothing without AWS_WEB_IDENTITY_TOKEN_FILE");
}
