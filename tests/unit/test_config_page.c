/* SPDX-License-Identifier: Apache-2.0 */
/* Every example of KEDA's page on its aws-dynamodb scaler, as of KEDA 2.7. */
#include "tests/unit/config_world.h"

#define SNIPPET(owner)                                                                             \
    "triggers:\n"                                                                                  \
    "- type: aws-dynamodb\n"                                                                       \
    "  metadata:\n"                                                                                \
    "    # Required: awsRegion\n"                                                                  \
    "    awsRegion: \"eu-west-1\"\n"                                                               \
    "    # Required: tableName\n"                                                                  \
    "    tableName: myTableName\n"                                                                 \
    "    # Required: targetValue\n"                                                                \
    "    targetValue: \"1\"\n"                                                                     \
    "    # Required: expressionAttributeNames\n"                                                   \
    "    expressionAttributeNames: '{ \"#k\" : \"partition_key_name\"}'\n"                         \
    "    # Required: keyConditionExpression\n"                                                     \
    "    keyConditionExpression: \"#k = :key\"\n"                                                  \
    "    # Required: expressionAttributeValues\n"                                                  \
    "    expressionAttributeValues: '{ \":key\" : {\"S\":\"partition_key_target_value\"}}'\n"      \
    "    # Optional. Default: pod\n"                                                               \
    "    identityOwner: " owner "\n"

#define SCALED_OBJECT                                                                              \
    "---\n"                                                                                        \
    "apiVersion: keda.sh/v1alpha1\n"                                                               \
    "kind: ScaledObject\n"                                                                         \
    "metadata:\n"                                                                                  \
    "  name:  aws-dynamodb-table-scaledobject\n"                                                   \
    "  namespace: keda-test\n"                                                                     \
    "spec:\n"                                                                                      \
    "  scaleTargetRef:\n"                                                                          \
    "    name: nginx-deployment\n"                                                                 \
    "  triggers:\n"                                                                                \
    "  - type: aws-dynamodb\n"                                                                     \
    "    authenticationRef:\n"                                                                     \
    "      name: keda-trigger-auth-aws-credentials\n"                                              \
    "    metadata:\n"                                                                              \
    "      awsRegion: eu-west-2\n"                                                                 \
    "      tableName: keda-events\n"                                                               \
    "      expressionAttributeNames: '{ \"#k\" : \"event_type\"}'\n"                               \
    "      keyConditionExpression: \"#k = :key\"\n"                                                \
    "      expressionAttributeValues: '{ \":key\" : {\"S\":\"scaling_event\"}}'\n"                 \
    "      targetValue: \"5\"\n"

#define AUTHENTICATION                                                                             \
    "---\n"                                                                                        \
    "apiVersion: keda.sh/v1alpha1\n"                                                               \
    "kind: TriggerAuthentication\n"                                                                \
    "metadata:\n"                                                                                  \
    "  name: keda-trigger-auth-aws-credentials\n"                                                  \
    "  namespace: default\n"                                                                       \
    "spec:\n"                                                                                      \
    "  secretTargetRef:\n"

#define ROLE(arn)                                                                                  \
    "apiVersion: v1\n"                                                                             \
    "kind: Secret\n"                                                                               \
    "metadata:\n"                                                                                  \
    "  name: test-secrets\n"                                                                       \
    "data:\n"                                                                                      \
    "  AWS_ROLE_ARN: " arn "\n" AUTHENTICATION                                                     \
    "  - parameter: awsRoleArn    # The property in KEDA.\n"                                       \
    "    name: test-secrets       # The name of the kubernetes secret.\n"                          \
    "    key: AWS_ROLE_ARN        # The key from the kubernetes secret.\n" SCALED_OBJECT

#define USERS(id, secret, token)                                                                   \
    "apiVersion: v1\n"                                                                             \
    "kind: Secret\n"                                                                               \
    "metadata:\n"                                                                                  \
    "  name: test-secrets\n"                                                                       \
    "data:\n"                                                                                      \
    "  AWS_ACCESS_KEY_ID: " id " # Required.\n"                                                    \
    "  AWS_SECRET_ACCESS_KEY: " secret " # Required.\n"                                            \
    "  AWS_SESSION_TOKEN: " token " # Required when using temporary credentials.\n" AUTHENTICATION \
    "  - parameter: awsAccessKeyID     # Required.\n"                                              \
    "    name: test-secrets            # Required.\n"                                              \
    "    key: AWS_ACCESS_KEY_ID        # Required.\n"                                              \
    "  - parameter: awsSecretAccessKey # Required.\n"                                              \
    "    name: test-secrets            # Required.\n"                                              \
    "    key: AWS_SECRET_ACCESS_KEY    # Required.\n"                                              \
    "  - parameter: awsSessionToken    # Required when using temporary credentials.\n"             \
    "    name: test-secrets            # Required when using temporary credentials.\n"             \
    "    key: AWS_SESSION_TOKEN        # Required when using temporary "                           \
    "credentials.\n" SCALED_OBJECT

static void check_scaled_object(const struct config *config)
{
    CHECK_INT(1, config->trigger_count);
    const struct trigger *trigger = &config->triggers[0];
    CHECK_STR("keda-test/aws-dynamodb-table-scaledobject", trigger->name);
    CHECK_STR("keda-test", trigger->namespace_);
    CHECK_STR("aws-dynamodb-table-scaledobject", trigger->object);
    CHECK(trigger->trigger_name == NULL && trigger->only);
    CHECK_INT(OWNER_SCALED_OBJECT, trigger->owner);
    CHECK_STR("t.yaml", trigger->file);
    CHECK_INT(30000, trigger->polling_ms);
    CHECK_STR("s0-aws-dynamodb-keda-events", trigger->metric_name);
    CHECK_STR("eu-west-2", trigger->query.region);
    CHECK_STR("keda-events", trigger->query.table);
    CHECK_STR("#k = :key", trigger->query.key_condition);
    CHECK_STR("{\"#k\":\"event_type\"}", trigger->query.names);
    CHECK_STR("{\":key\":{\"S\":\"scaling_event\"}}", trigger->query.values);
    CHECK(trigger->query.endpoint == NULL && trigger->query.index == NULL);
    CHECK(trigger->query.filter == NULL && !trigger->query.uses_now);
    CHECK_INT(METRIC_AVERAGE_VALUE, trigger->scaling.metric_type);
    CHECK_INT(5, trigger->scaling.target);
    CHECK_INT(0, trigger->scaling.activation);
    CHECK_INT(0, trigger->scaling.min_replicas);
    CHECK_INT(100, trigger->scaling.max_replicas);
    CHECK_INT(-1, trigger->scaling.idle_replicas);
    CHECK(!trigger->scaling.has_fallback && !trigger->scaling.is_job);
}

TEST(snippet_becomes_a_trigger_named_after_its_file)
{
    const char *const files[] = {"deploy/pages.yaml", SNIPPET("pod"), NULL};
    struct config *config = config_of_files(files);

    CHECK_STR("", config_lines(config, FINDING_WARNING));
    CHECK_INT(1, config->trigger_count);
    const struct trigger *trigger = &config->triggers[0];
    CHECK_STR("default/pages", trigger->name);
    CHECK_INT(OWNER_SNIPPET, trigger->owner);
    CHECK_STR("{\"#k\":\"partition_key_name\"}", trigger->query.names);
    CHECK_INT(IDENTITY_CHAIN, trigger->identity->kind);
    CHECK_STR("no authenticationRef", trigger->identity->reason);
    CHECK_STR("eu-west-1", trigger->identity->region);
    config_destroy(config);
}

TEST(snippet_works_with_the_operator_s_identity)
{
    struct config *config = config_of(SNIPPET("operator"));

    CHECK_STR("", config_lines(config, FINDING_WARNING));
    CHECK_INT(IDENTITY_CHAIN, config->triggers[0].identity->kind);
    CHECK_STR("identityOwner operator", config->triggers[0].identity->reason);
    config_destroy(config);
}

TEST(snippet_as_printed_asks_for_a_choice)
{
    CHECK_STR("t.yaml:17:20: error: identityOwner: must be pod or operator; \"pod | operator\" is "
              "the notation of KEDA's manual, choose one\n",
        problems_of(SNIPPET("pod | operator")));
}

TEST(role_example_assumes_the_role)
{
    /* arn:aws:iam::111122223333:role/counter */
    struct config *config = config_of(ROLE("YXJuOmF3czppYW06OjExMTEyMjIyMzMzMzpyb2xlL2NvdW50ZXI="));

    CHECK_STR("t.yaml:30:13: warning: authenticationRef.name: keda-trigger-auth-aws-credentials is "
              "in namespace default; KEDA looks in keda-test only, so move it there\n",
        config_lines(config, FINDING_WARNING));
    check_scaled_object(config);
    const struct identity_spec *identity = config->triggers[0].identity;
    CHECK_INT(IDENTITY_ASSUME_ROLE, identity->kind);
    CHECK_STR("awsRoleArn of TriggerAuthentication default/keda-trigger-auth-aws-credentials",
        identity->reason);
    CHECK_INT(SOURCE_LITERAL, identity->role.source);
    CHECK_STR("arn:aws:iam::111122223333:role/counter", identity->role.text);
    CHECK_STR("Secret default/test-secrets key AWS_ROLE_ARN", identity->role.origin);
    CHECK_INT(SOURCE_ABSENT, identity->key_id.source);
    CHECK_INT(SOURCE_ABSENT, identity->external_id.source);
    config_destroy(config);
}

TEST(role_example_as_printed_warns_of_the_placeholder)
{
    struct config *config = config_of(ROLE("<encoded-iam-role-arn>"));

    CHECK_STR("t.yaml:15:5: warning: AWS_ROLE_ARN: the value of Secret default/test-secrets key "
              "AWS_ROLE_ARN is not base64; was a placeholder not replaced?\n"
              "t.yaml:30:13: warning: authenticationRef.name: keda-trigger-auth-aws-credentials is "
              "in namespace default; KEDA looks in keda-test only, so move it there\n",
        config_lines(config, FINDING_WARNING));
    check_scaled_object(config);
    CHECK_INT(SOURCE_BROKEN, config->triggers[0].identity->role.source);
    CHECK_STR("Secret default/test-secrets key AWS_ROLE_ARN is not base64; was a placeholder not "
              "replaced?",
        config->triggers[0].identity->role.text);
    config_destroy(config);
}

TEST(user_example_takes_the_keys)
{
    /* AKIDEXAMPLE, secret, and a wrapped token */
    struct config *config = config_of(
        USERS("QUtJREVYQU1QTEU=", "c2VjcmV0", "|\n    dG9r\n    ZW4=\n"));

    CHECK_INT(0, config->error_count);
    check_scaled_object(config);
    const struct identity_spec *identity = config->triggers[0].identity;
    CHECK_INT(IDENTITY_STATIC, identity->kind);
    CHECK_STR("AKIDEXAMPLE", identity->key_id.text);
    CHECK_STR("secret", identity->secret_key.text);
    CHECK_STR("token", identity->session_token.text);
    CHECK_INT(SOURCE_LITERAL, identity->session_token.source);
    config_destroy(config);
}

TEST(user_example_as_printed_warns_of_each_placeholder)
{
    struct config *config = config_of(
        USERS("<encoded-user-id>", "<encoded-key>", "<encoded-session-token>"));

    CHECK_INT(0, config->error_count);
    check_scaled_object(config);
    CHECK_INT(SOURCE_BROKEN, config->triggers[0].identity->key_id.source);
    CHECK_INT(SOURCE_BROKEN, config->triggers[0].identity->secret_key.source);
    CHECK_INT(SOURCE_BROKEN, config->triggers[0].identity->session_token.source);
    config_destroy(config);
}

TEST_MAIN(RUN(snippet_becomes_a_trigger_named_after_its_file),
    RUN(snippet_works_with_the_operator_s_identity), RUN(snippet_as_printed_asks_for_a_choice),
    RUN(role_example_assumes_the_role), RUN(role_example_as_printed_warns_of_the_placeholder),
    RUN(user_example_takes_the_keys), RUN(user_example_as_printed_warns_of_each_placeholder))
