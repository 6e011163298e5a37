/* SPDX-License-Identifier: Apache-2.0 */
/* What `tallyd --check` prints. */
#include "tests/unit/config_world.h"

/* Standard output, then standard error, then the exit code. */
static const char *check(const char *yaml)
{
    static char *text;
    size_t size = 0, err_size = 0;
    char *err_text = NULL;

    world_environment = NULL;
    struct config *config = config_of(yaml);
    free(text);
    FILE *out = open_memstream(&text, &size), *err = open_memstream(&err_text, &err_size);
    CHECK(out != NULL && err != NULL);
    int code = config_check(config, out, err);
    fclose(err);
    fprintf(out, "%s%d", err_text, code);
    fclose(out);
    free(err_text);
    config_destroy(config);
    return text;
}

TEST(a_good_configuration_is_a_table)
{
    CHECK_STR("TRIGGER                  TABLE     INDEX     REGION     IDENTITY              "
              "                        POLLING\n"
              "default/worker/0         jobs      -         eu-west-1  chain                 "
              "                        5s\n"
              "default/worker/archived  archives  by-state  us-east-1  assume-role "
              "arn:aws:iam::123456789012:role/r  5s warm\n"
              "t.yaml:8:5: note: authenticationRef: no keys and no role are given, so the pod's "
              "own identity is used; KEDA refuses this trigger (awsAccessKeyID not found)\n"
              "t.yaml:11:17: note: tableName: KEDA (2.20.2, and its main branch of August 2026) "
              "counts the first page of a query "
              "only, at most 1 MB; tally counts every page, so its numbers can be higher; through "
              "tally-bridge KEDA would read those\n"
              "0",
        check(
            "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: worker}\nspec:\n"
            "  pollingInterval: 5\n  scaleTargetRef: {name: x}\n  triggers:\n"
            "  - type: aws-dynamodb\n    metadata:\n     awsRegion: eu-west-1\n     tableName: "
            "jobs\n"
            "     targetValue: '1'\n     keyConditionExpression: '#k = :k'\n"
            "     expressionAttributeNames: '{\"#k\":\"k\"}'\n"
            "     expressionAttributeValues: '{\":k\":{\"S\":\"v\"}}'\n"
            "  - type: aws-dynamodb\n    name: archived\n    authenticationRef: {name: a}\n    "
            "metadata:\n"
            "     awsRegion: us-east-1\n     tableName: archives\n     indexName: by-state\n"
            "     targetValue: '1'\n     warm: 'true'\n     keyConditionExpression: '#k = :k'\n"
            "     expressionAttributeNames: '{\"#k\":\"k\"}'\n"
            "     expressionAttributeValues: '{\":k\":{\"S\":\"v\"}}'\n"
            "---\napiVersion: keda.sh/v1alpha1\nkind: TriggerAuthentication\nmetadata: {name: a}\n"
            "spec: {secretTargetRef: [{parameter: awsRoleArn, name: s, key: arn}]}\n"
            "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {arn: "
            "'arn:aws:iam::123456789012:role/r'}\n"));
}

TEST(a_bad_configuration_is_its_findings)
{
    CHECK_STR("t.yaml:9:32: error: expressionAttributeValues[\":key\"].N must be a string; write "
              "the number in quotes: {\"N\":\"5\"}\n"
              "1 error; the configuration is not usable\n2",
        strstr(check(trigger_with("expressionAttributeValues", "'{\":key\":{\"N\":5}}'")),
            "t.yaml:9:32: error"));
    CHECK_STR("2 errors; the configuration is not usable\n2",
        strstr(check("triggers:\n- type: aws-dynamodb\n- x\n"), "2 errors"));
}

TEST(warnings_alone_exit_0)
{
    const char *text = check(trigger_with("tableName", "ab"));

    CHECK(strstr(text, ": warning: tableName: ") != NULL && text[strlen(text) - 1] == '0');
}

TEST(nothing_to_check_exits_2)
{
    const char *text = check("kind: Deployment\n");

    CHECK_STR("t.yaml: warning: no ScaledObject, ScaledJob or list of triggers, and nothing that "
              "one refers to\n"
              "t.yaml:1:1: note: kind: documents of kind Deployment are skipped: tally has no use "
              "for them\n"
              "no aws-dynamodb trigger, so nothing was checked\n2",
        text);
}

TEST(no_text_of_a_file_moves_the_cursor)
{
    const char *text = check(trigger_with("\"a\\x1b[2J\\n\"", "x"));

    CHECK(strchr(text, 0x1b) == NULL);
    CHECK(strstr(text, "note: a?[2J?: not a parameter of aws-dynamodb") != NULL);
}

TEST_MAIN(RUN(a_good_configuration_is_a_table), RUN(a_bad_configuration_is_its_findings),
    RUN(warnings_alone_exit_0), RUN(nothing_to_check_exits_2),
    RUN(no_text_of_a_file_moves_the_cursor))
