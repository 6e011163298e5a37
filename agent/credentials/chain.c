/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/chain.h"

#include "agent/credentials/profile.h"

#include <stdio.h>

/* Each rule returns whether the environment configures its kind; if so, it sets the choice or the
 * failure. */
typedef bool rule_fn(
    const struct identity_context *context, struct chain_choice *choice, struct failure *failure);

static void choice_set_why(struct chain_choice *choice, const char *why)
{
    snprintf(choice->why, sizeof(choice->why), "%s", why);
}

static bool choose_keys(
    const struct identity_context *context, struct chain_choice *choice, struct failure *failure)
{
    bool id = context_variable(context, "AWS_ACCESS_KEY_ID") != NULL;
    bool secret = context_variable(context, "AWS_SECRET_ACCESS_KEY") != NULL;

    if (!id && !secret)
        return false;
    if (id != secret) {
        failure_set_settings(failure, "%s is set, but %s is not: both are needed, or neither",
            id ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
            id ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
        return true;
    }
    choice->kind = SOURCE_KIND_STATIC;
    choice->spec.key_id = (struct value_ref){
        .source = SOURCE_ENVIRONMENT, .text = "AWS_ACCESS_KEY_ID", .origin = "the environment"};
    choice->spec.secret_key = (struct value_ref){
        .source = SOURCE_ENVIRONMENT, .text = "AWS_SECRET_ACCESS_KEY", .origin = "the environment"};
    choice->spec.session_token = (struct value_ref){
        .source = SOURCE_ENVIRONMENT, .text = "AWS_SESSION_TOKEN", .origin = "the environment"};
    choice_set_why(choice, "AWS_ACCESS_KEY_ID is set");
    return true;
}

static bool choose_web_identity(
    const struct identity_context *context, struct chain_choice *choice, struct failure *failure)
{
    bool file = context_variable(context, "AWS_WEB_IDENTITY_TOKEN_FILE") != NULL;
    bool role = context_variable(context, "AWS_ROLE_ARN") != NULL;

    if (!file)
        return false; /* AWS_ROLE_ARN alone configures nothing in any SDK */
    if (!role) {
        failure_set_settings(failure, "AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is "
                                      "not: web identity needs both, no "
                                      "other identity is tried");
        return true;
    }
    choice->kind = SOURCE_KIND_WEB_IDENTITY;
    choice_set_why(choice, "AWS_WEB_IDENTITY_TOKEN_FILE is set");
    return true;
}

static bool choose_profile(
    const struct identity_context *context, struct chain_choice *choice, struct failure *failure)
{
    bool named;
    const char *name = shared_profile_name(context, &named);

    (void)failure;
    if (!profile_configured(context))
        return false;
    choice->kind = SOURCE_KIND_PROFILE;
    snprintf(choice->why, sizeof(choice->why), "the shared AWS files have the profile %s%s", name,
        named ? " (AWS_PROFILE)" : "");
    return true;
}

static bool choose_container(
    const struct identity_context *context, struct chain_choice *choice, struct failure *failure)
{
    bool relative = context_variable(context, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != NULL;
    bool full = context_variable(context, "AWS_CONTAINER_CREDENTIALS_FULL_URI") != NULL;

    (void)failure;
    choice->kind = SOURCE_KIND_CONTAINER;
    if (relative)
        choice_set_why(choice, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is set");
    else if (full)
        choice_set_why(choice, "AWS_CONTAINER_CREDENTIALS_FULL_URI is set");
    return relative || full;
}

static bool choose_imds(
    const struct identity_context *context, struct chain_choice *choice, struct failure *failure)
{
    (void)failure;
    choice->kind = SOURCE_KIND_IMDS;
    if (context->imds)
        choice_set_why(choice, "--imds is given, and nothing else is configured");
    return context->imds;
}

int chain_choose(
    const struct identity_context *context, struct chain_choice *choice, struct failure *failure)
{
    static rule_fn *const rules[] = {
        choose_keys, choose_web_identity, choose_profile, choose_container, choose_imds};
    /* EKS injects the variables when it admits a pod, and never later. */
    bool pod = context_variable(context, "KUBERNETES_SERVICE_HOST") != NULL;

    if (profile_redirection(context, failure))
        return -1;
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (rules[i](context, choice, failure))
            return choice->why[0] != '\0' ? 0 : -1;
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

void chain_list_unused(const struct identity_context *context, enum source_kind used, bool by_chain,
    chain_unused_fn *fn, void *data)
{
    const struct source {
        const char *name;
        bool configured;
        enum source_kind kind;
    } sources[] = {
        {"AWS_ACCESS_KEY_ID", context_variable(context, "AWS_ACCESS_KEY_ID") != NULL,
            SOURCE_KIND_STATIC},
        {"AWS_WEB_IDENTITY_TOKEN_FILE",
            context_variable(context, "AWS_WEB_IDENTITY_TOKEN_FILE") != NULL,
            SOURCE_KIND_WEB_IDENTITY},
        {"the profile of the shared AWS files", profile_configured(context), SOURCE_KIND_PROFILE},
        {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            context_variable(context, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != NULL,
            SOURCE_KIND_CONTAINER},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI",
            context_variable(context, "AWS_CONTAINER_CREDENTIALS_FULL_URI") != NULL,
            SOURCE_KIND_CONTAINER},
        {"the instance metadata (--imds)", context->imds, SOURCE_KIND_IMDS},
    };
    bool role_alone = context_variable(context, "AWS_ROLE_ARN") != NULL &&
                      context_variable(context, "AWS_WEB_IDENTITY_TOKEN_FILE") == NULL;

    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
        if (sources[i].configured && sources[i].kind != used)
            fn(data, sources[i].name,
                by_chain ? "another source precedes it in the default chain"
                         : "the trigger's configuration chooses another source");
    if (role_alone)
        fn(data, "AWS_ROLE_ARN", "it configures nothing without AWS_WEB_IDENTITY_TOKEN_FILE");
}
