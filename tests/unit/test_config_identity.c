/* SPDX-License-Identifier: Apache-2.0 */
/* Which identity the YAML selects, and where its values come from. */
#include "tests/unit/config_world.h"

#define OBJECT(reference, metadata)                                                                \
    "---\napiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: o, namespace: ns}\n"  \
    "spec:\n  triggers:\n  - type: aws-dynamodb\n" reference                                       \
    "    metadata: {awsRegion: r, tableName: tab, targetValue: '1', keyConditionExpression: "      \
    "k" metadata "}\n"
#define REFERENCE "    authenticationRef: {name: a}\n"
#define CLUSTER   "    authenticationRef: {name: a, kind: ClusterTriggerAuthentication}\n"
#define AUTH(kind, spec)                                                                           \
    "apiVersion: keda.sh/v1alpha1\nkind: " kind "\nmetadata: {name: a, namespace: "                \
    "ns}\nspec:\n" spec
#define ENV(parameter, variable) "  - {parameter: " parameter ", name: " variable "}\n"

static const char *const variables[] = {"ROLE", "arn:aws:iam::123456789012:role/r", "ID", "AKID",
    "SECRET", "s3cret", "TOKEN", "tok", "EXTERNAL", "ext", "REGION", "us-east-2",
    "AWS_WEB_IDENTITY_TOKEN_FILE", "/t", "AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/x",
    "EMPTY", "", NULL};

/* What came out, in one line: "kind role external_id key_id secret_key session_token". */
static const char *describe(const char *yaml)
{
    static const char marks[] = {'-', '=', '$', '@', '#', '!'};
    static char text[1024];

    world_environment = variables;
    struct config *config = config_of(yaml);
    CHECK_INT(1, config->trigger_count);
    const struct identity_spec *spec = config->triggers[0].identity;
    CHECK(spec != NULL);
    const struct value_ref *const values[] = {
        &spec->role, &spec->external_id, &spec->key_id, &spec->secret_key, &spec->session_token};
    int len = snprintf(text, sizeof(text), "%s", identity_kind_name(spec->kind));
    for (size_t i = 0; i < 5; i++) {
        len += snprintf(text + len, sizeof(text) - (size_t)len, " %c", marks[values[i]->source]);
        if (values[i]->source != SOURCE_ABSENT)
            len += snprintf(text + len, sizeof(text) - (size_t)len, "%s", values[i]->text);
        if (values[i]->source == SOURCE_JSON_FILE)
            len += snprintf(text + len, sizeof(text) - (size_t)len, "#%s", values[i]->key);
    }
    config_destroy(config);
    return text;
}

TEST(each_row_of_the_table_is_chosen)
{
    static const struct {
        const char *yaml, *expected, *problems;
    } cases[] = {
        {OBJECT("", ""), "chain - - - - -", ""},
        {OBJECT("", ", identityOwner: operator"), "chain - - - - -", ""},
        {OBJECT("", ", identityOwner: operator, awsAccessKeyID: X"), "chain - - - - -", ""},
        {OBJECT("", ", awsAccessKeyID: X, awsSecretAccessKeyFromEnv: SECRET"),
            "static - - =X $SECRET -", ""},
        {OBJECT("", ", awsAccessKeyIDFromEnv: ID, awsSecretAccessKeyFromEnv: SECRET"),
            "static - - $ID $SECRET -", ""},
        {AUTH("TriggerAuthentication", "  podIdentity: {provider: aws-eks}\n")
                OBJECT(REFERENCE, ""),
            "web-identity - - - - -",
            "t.yaml:5:27: warning: podIdentity.provider: KEDA has deprecated aws-eks and will "
            "remove it; use aws\n"},
        {AUTH("TriggerAuthentication", "  podIdentity: {provider: aws-eks}\n  env:\n" ENV(
                                           "awsRoleArn", "ROLE")) OBJECT(REFERENCE, ""),
            "web-identity $ROLE - - - -",
            "t.yaml:5:27: warning: podIdentity.provider: KEDA has deprecated aws-eks and will "
            "remove it; use aws\n"},
        {AUTH("TriggerAuthentication", "  podIdentity: {provider: aws-eks}\n")
                OBJECT(REFERENCE, ", identityOwner: operator"),
            "chain - - - - -", ""},
        {AUTH("TriggerAuthentication", "  podIdentity: {provider: gcp}\n")
                OBJECT(REFERENCE, ", identityOwner: operator"),
            "chain - - - - -", ""},
        {AUTH("TriggerAuthentication", "  podIdentity: {provider: aws}\n") OBJECT(REFERENCE, ""),
            "aws - - - - -", ""},
        {AUTH("TriggerAuthentication", "  podIdentity: {provider: aws, identityOwner: workload}\n")
                OBJECT(REFERENCE, ""),
            "aws - - - - -", ""},
        {AUTH("TriggerAuthentication",
             "  podIdentity: {provider: aws, identityOwner: keda, "
             "roleArn: arn:aws:iam::123456789012:role/x, externalID: e}\n")
                OBJECT(REFERENCE, ", identityOwner: operator"),
            "aws =arn:aws:iam::123456789012:role/x =e - - -", ""},
        {AUTH("TriggerAuthentication", "  podIdentity: {provider: aws}\n  env:\n" ENV(
                                           "awsRoleArn", "ROLE") ENV("awsAccessKeyID", "ID"))
                OBJECT(REFERENCE, ""),
            "aws $ROLE - - - -", ""},
        {AUTH("TriggerAuthentication", "  podIdentity: {provider: aws-kiam}\n")
                OBJECT(REFERENCE, ""),
            "kiam - - - - -",
            "t.yaml:5:27: warning: podIdentity.provider: KEDA 2.16 and later do not know aws-kiam; "
            "use aws\n"},
        {AUTH("TriggerAuthentication", "  podIdentity: {provider: none}\n  env:\n" ENV(
                                           "awsRoleArn", "ROLE") ENV("awsExternalId", "EXTERNAL"))
                OBJECT(REFERENCE, ""),
            "assume-role $ROLE $EXTERNAL - - -", ""},
        {AUTH("TriggerAuthentication",
             "  env:\n" ENV("awsRoleArn", "ROLE") ENV("awsAccessKeyID", "ID")
                 ENV("awsSecretAccessKey", "SECRET")) OBJECT(REFERENCE, ""),
            "assume-role $ROLE - - - -", ""},
        {AUTH("TriggerAuthentication",
             "  env:\n" ENV("awsAccessKeyID", "ID") ENV("awsSecretAccessKey", "SECRET")
                 ENV("awsSessionToken", "TOKEN")) OBJECT(REFERENCE, ", awsAccessKeyID: IGNORED"),
            "static - - $ID $SECRET $TOKEN", ""},
        {AUTH("TriggerAuthentication", "  env:\n" ENV("awsAccessKeyId", "ID") ENV(
                                           "awsSecretAccessKey", "SECRET")) OBJECT(REFERENCE, ""),
            "static - - $ID $SECRET -", ""},
        {AUTH("ClusterTriggerAuthentication",
             "  env:\n" ENV("awsAccessKeyId", "ID") ENV("awsSecretAccessKey", "SECRET"))
                OBJECT(CLUSTER, ""),
            "static - - $ID $SECRET -", ""},
        {AUTH("TriggerAuthentication", "  env: []\n")
                OBJECT(REFERENCE, ", awsAccessKeyID: X, awsSecretAccessKeyFromEnv: SECRET"),
            "static - - =X $SECRET -", ""},
        {AUTH("TriggerAuthentication", "  env: []\n") OBJECT(REFERENCE, ""), "chain - - - - -", ""},
        {AUTH("TriggerAuthentication", "  podIdentity: {provider: azure-workload}\n")
                OBJECT(REFERENCE, ""),
            "chain - - - - -",
            "t.yaml:5:27: error: podIdentity.provider: \"azure-workload\" gives no AWS "
            "credentials; use aws, aws-eks, aws-kiam or none\n"},
        {AUTH("TriggerAuthentication", "  podIdentity: {provider: AWS}\n") OBJECT(REFERENCE, ""),
            "chain - - - - -",
            "t.yaml:5:27: error: podIdentity.provider: invalid provider \"AWS\"; did you mean "
            "aws?\n"},
        {AUTH("TriggerAuthentication", "  podIdentity: {provider: aws, identityOwner: workload, "
                                       "roleArn: arn:aws:iam::123456789012:role/x}\n")
                OBJECT(REFERENCE, ""),
            "aws =arn:aws:iam::123456789012:role/x - - - -",
            "t.yaml:5:27: error: podIdentity.roleArn: cannot be used with identityOwner: workload; "
            "remove one of them\n"},
        {AUTH("TriggerAuthentication", "  podIdentity: {provider: aws, identityOwner: operator}\n")
                OBJECT(REFERENCE, ""),
            "aws - - - - -",
            "t.yaml:5:47: error: podIdentity.identityOwner: must be keda or workload\n"},
        {AUTH("TriggerAuthentication",
             "  podIdentity: {roleArn: arn:aws:iam::123456789012:role/x}\n") OBJECT(REFERENCE, ""),
            "chain - - - - -",
            "t.yaml:5:16: warning: podIdentity.provider: missing, taken as none; KEDA refuses "
            "podIdentity without it\n"
            "t.yaml:5:26: warning: podIdentity.roleArn: is not used with provider none, by KEDA "
            "neither; use provider aws, or the auth parameter awsRoleArn\n"},
        {AUTH("TriggerAuthentication",
             "  podIdentity: {provider: aws, identityOwner: workload, externalID: e}\n")
                OBJECT(REFERENCE, ""),
            "aws - - - - -",
            "t.yaml:5:69: warning: podIdentity.externalID: ignored, by KEDA too: there is no role "
            "to assume; add podIdentity.roleArn\n"},
        {AUTH("TriggerAuthentication",
             "  podIdentity: {provider: none, externalID: e}\n  env:\n" ENV("awsRoleArn", "ROLE"))
                OBJECT(REFERENCE, ""),
            "assume-role $ROLE =e - - -",
            "t.yaml:5:45: warning: podIdentity.externalID: KEDA ignores it without provider aws "
            "and podIdentity.roleArn; tally sends it with AssumeRole\n"},
        {AUTH("TriggerAuthentication", "  podIdentity: {provider: aws, externalId: e}\n")
                OBJECT(REFERENCE, ""),
            "aws - - - - -",
            "t.yaml:5:32: warning: externalId: unknown field, so it is ignored; did you mean "
            "externalID?\n"},
        {AUTH("TriggerAuthentication", "  env:\n" ENV("awsAccessKeyID", "ID"))
                OBJECT(REFERENCE, ""),
            "static - - $ID - -",
            "t.yaml:6:5: error: awsAccessKeyID: an access key without its secret; add "
            "awsSecretAccessKey\n"},
        {AUTH("TriggerAuthentication", "  env:\n" ENV("awsSecretAccessKey", "SECRET"))
                OBJECT(REFERENCE, ""),
            "static - - - $SECRET -",
            "t.yaml:6:5: error: awsSecretAccessKey: a secret key without an id; add "
            "awsAccessKeyID\n"},
        {AUTH("TriggerAuthentication", "  env:\n" ENV("awsRoleARN", "ROLE")) OBJECT(REFERENCE, ""),
            "chain - - - - -",
            "t.yaml:6:5: warning: awsRoleARN: not a parameter of aws-dynamodb, so it is ignored, "
            "and another identity may take its place; did you mean "
            "awsRoleArn?\n"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK_STR(cases[i].expected, describe(cases[i].yaml));
        CHECK_STR(cases[i].problems, problems_of(cases[i].yaml));
    }
}

TEST(half_a_key_in_the_metadata_is_an_error)
{
    static const struct {
        const char *yaml, *expected;
    } cases[] = {
        {OBJECT("", ", awsAccessKeyID: X"),
            "t.yaml:8:107: error: awsAccessKeyID: an access key without its secret; add "
            "awsSecretAccessKeyFromEnv\n"},
        {OBJECT("", ", awsSecretAccessKeyFromEnv: SECRET"),
            "t.yaml:8:118: error: awsSecretAccessKeyFromEnv: a secret key without an id; add "
            "awsAccessKeyID or awsAccessKeyIDFromEnv\n"},
        {OBJECT("", ", awsAccessKeyIDFromEnv: GONE, awsSecretAccessKeyFromEnv: EMPTY"),
            "t.yaml:8:114: error: awsAccessKeyIDFromEnv: the variable GONE is not set; set it in "
            "tally's own container\n"
            "t.yaml:8:147: error: awsSecretAccessKeyFromEnv: the variable EMPTY is not set; set it "
            "in tally's own container\n"},
    };

    world_environment = variables;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        CHECK_STR(cases[i].expected, problems_of(cases[i].yaml));
}

TEST(sources_that_tally_does_not_speak_are_errors)
{
    static const char *const fields[] = {"hashiCorpVault", "azureKeyVault", "gcpSecretManager",
        "awsSecretManager", "boundServiceAccountToken", "oauth2"};

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        char yaml[2048], expected[512];

        snprintf(yaml, sizeof(yaml),
            AUTH("TriggerAuthentication", "  %s: {secrets: []}\n") OBJECT(REFERENCE, ""),
            fields[i]);
        snprintf(expected, sizeof(expected),
            "t.yaml:5:%zu: error: %s: tally does not read credentials from there; use "
            "secretTargetRef, configMapTargetRef, env, filePath or podIdentity\n",
            strlen(fields[i]) + 5, fields[i]);
        CHECK_STR(expected, problems_of(yaml));
    }
    /* One that nothing refers to is somebody else's. */
    CHECK_STR(
        "", problems_of(AUTH("TriggerAuthentication", "  hashiCorpVault: {}\n") OBJECT("", "")));
}

#define SECRETS                                                                                    \
    AUTH("TriggerAuthentication", "  secretTargetRef:\n  - {parameter: awsAccessKeyID, name: s, "  \
                                  "key: id}\n  - {parameter: awsSecretAccessKey, name: s, key: "   \
                                  "secret}\n")
#define SECRET(space, data) "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s" space "}\n" data

TEST(secrets_are_found_in_documents)
{
    static const struct {
        const char *secret, *expected, *problems;
    } cases[] = {
        {SECRET(", namespace: ns", "data: {id: QUtJRA==, secret: czNjcmV0}\n"),
            "static - - =AKID =s3cret -", ""},
        {SECRET(", namespace: ns", "stringData: {id: plain}\ndata: {id: QUtJRA==, secret: "
                                   "czNjcmV0}\n"),
            "static - - =plain =s3cret -", ""},
        {SECRET("", "data: {id: QUtJRA==, secret: czNjcmV0}\n"), "static - - =AKID =s3cret -",
            "t.yaml:6:5: warning: s: the Secret is in namespace default; KEDA looks in ns only, so "
            "move it there\n"
            "t.yaml:7:5: warning: s: the Secret is in namespace default; KEDA looks in ns only, so "
            "move it there\n"},
        {SECRET(", namespace: ns", "data: {id: QUtJRAo=, secret: czNjcmV0}\n"),
            "static - - =AKID =s3cret -",
            "t.yaml:6:5: warning: id: the value of Secret ns/s key id has a line break or blank at "
            "its end, which AWS refuses when KEDA sends it; tally trims it, repair the Secret\n"},
        {SECRET(", namespace: ns", "data: {id: QQBC, secret: czNjcmV0}\n"),
            "static - - !Secret ns/s key id is binary once its base64 is decoded =s3cret -",
            "t.yaml:6:5: warning: id: the value of Secret ns/s key id is binary once its "
            "base64 is decoded, so it cannot be a credential; was it not encoded? stringData takes "
            "it "
            "as it is\n"},
        {SECRET(", namespace: ns", "data: {id: YQpi, secret: czNjcmV0}\n"),
            "static - - !Secret ns/s key id holds a control character =s3cret -",
            "t.yaml:6:5: warning: id: the value of Secret ns/s key id holds a control character, "
            "so it cannot be a credential; repair it\n"},
        {SECRET(", namespace: ns", "data: {secret: czNjcmV0}\n"),
            "static - - @/var/run/secrets/tally/s/id =s3cret -",
            "t.yaml:6:5: warning: id: Secret ns/s has no such key; add it there\n"},
        {SECRET(", namespace: ns", "data: {id: QUtJRA==, secret: czNjcmV0}\n")
                SECRET(", namespace: other", "data: {id: eA==, secret: eA==}\n"),
            "static - - =AKID =s3cret -", ""},
        {SECRET(", namespace: ns", "data: {id: '', secret: ' '}\n"), "chain - - - - -", ""},
    };

    world_files = NULL;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char yaml[2048];

        snprintf(yaml, sizeof(yaml), "%s%s%s", SECRETS, cases[i].secret, OBJECT(REFERENCE, ""));
        CHECK_STR(cases[i].expected, describe(yaml));
        CHECK_STR(cases[i].problems, problems_of(yaml));
    }
    char yaml[2048];
    snprintf(yaml, sizeof(yaml), "%s%s%s%s", SECRETS, SECRET(", namespace: b", ""),
        SECRET(", namespace: c", ""), OBJECT(REFERENCE, ""));
    CHECK(strstr(problems_of(yaml),
              "t.yaml:6:5: error: s: several documents of kind Secret have "
              "this name, and none alone is in namespace ns; keep one\n") != NULL);
}

TEST(mounted_secrets_are_read_later)
{
    static const char *const mounted[] = {
        "/var/run/secrets/tally/s/id", "AKID", "/var/run/secrets/tally/s/secret", "s3cret", NULL};

    world_environment = NULL;
    world_files = NULL;
    CHECK_STR("static - - @/var/run/secrets/tally/s/id @/var/run/secrets/tally/s/secret -",
        describe(SECRETS OBJECT(REFERENCE, "")));
    CHECK(strstr(lines_of(SECRETS OBJECT(REFERENCE, ""), FINDING_NOTE),
              "t.yaml:6:5: note: s: no Secret of this name in the files, and nothing mounted at "
              "/var/run/secrets/tally/s/id yet; mount it there\n") != NULL);
    world_files = mounted;
    CHECK(strstr(lines_of(SECRETS OBJECT(REFERENCE, ""), FINDING_NOTE), "mounted") == NULL);
    world_files = NULL;
    CHECK_STR("t.yaml:6:5: error: awsRoleArn: name and key have no blanks and no slashes\n",
        problems_of(AUTH("TriggerAuthentication",
            "  secretTargetRef: \n  - {parameter: awsRoleArn, name: s, key: ../x}\n")
                OBJECT(REFERENCE, "")));
}

TEST(config_maps_are_read_too)
{
    CHECK_STR("assume-role =arn:aws:iam::123456789012:role/x - - - -",
        describe(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: ns}\n"
            "data: {role: arn:aws:iam::123456789012:role/x}\n---\n" AUTH("TriggerAuthentication",
                "  configMapTargetRef:\n  - {parameter: awsRoleArn, name: c, key: role}\n")
                OBJECT(REFERENCE, "")));
}

TEST(the_region_may_be_an_auth_parameter)
{
    static const char *const mounted[] = {"/var/run/secrets/tally/s/region", "eu-north-1\n", NULL};
    const char *by_variable = AUTH("TriggerAuthentication",
        "  env:\n" ENV("awsRegion",
            "REGION")) "---\ntriggers:\n- type: aws-dynamodb\n  authenticationRef: {name: a}\n"
                       "  metadata: {tableName: tab, targetValue: '1', keyConditionExpression: "
                       "k}\n";
    const char *by_file =
        AUTH("TriggerAuthentication", "  secretTargetRef:\n  - {parameter: awsRegion, name: s, "
                                      "key: region}\n") "---\ntriggers:\n- type: aws-dynamodb\n  "
                                                        "authenticationRef: {name: a}\n"
                                                        "  metadata: {tableName: tab, targetValue: "
                                                        "'1', keyConditionExpression: k}\n";

    world_environment = variables;
    struct config *config = config_of(by_variable);
    CHECK_STR("us-east-2", config->triggers[0].query.region);
    CHECK_STR("us-east-2", config->triggers[0].identity->region);
    config_destroy(config);
    world_files = mounted;
    config = config_of(by_file);
    CHECK_INT(0, config->error_count);
    CHECK_STR("eu-north-1", config->triggers[0].query.region);
    config_destroy(config);
    world_files = NULL;
    config = config_of(by_file);
    CHECK_INT(0, config->error_count);
    CHECK_STR("", config->triggers[0].query.region);
    CHECK(strstr(config_lines(config, FINDING_WARNING),
              "warning: awsRegion: cannot be read here (Secret s key region), so queries will "
              "fail until it is there and the configuration is reloaded; write it in the "
              "trigger\n") != NULL);
    config_destroy(config);
}

TEST(parameters_may_be_in_a_json_file)
{
    static const char *const files[] = {"/var/run/secrets/tally/creds.json",
        "{\"awsRoleArn\":\"arn:aws:iam::123456789012:role/x\",\"awsRegion\":\"\"}",
        "/var/run/secrets/tally/bad.json", "[]", "/var/run/secrets/tally/number.json",
        "{\"awsRoleArn\":1}", NULL};

    world_environment = NULL;
    world_files = files;
    CHECK_STR("assume-role #/var/run/secrets/tally/creds.json#awsRoleArn - - - -",
        describe(
            AUTH("ClusterTriggerAuthentication", "  filePath: creds.json\n") OBJECT(CLUSTER, "")));
    CHECK_STR("static - - #/var/run/secrets/tally/later.json#awsAccessKeyID "
              "#/var/run/secrets/tally/later.json#awsSecretAccessKey "
              "#/var/run/secrets/tally/later.json#awsSessionToken",
        describe(
            AUTH("ClusterTriggerAuthentication", "  filePath: later.json\n") OBJECT(CLUSTER, "")));
    CHECK_STR("assume-role @/var/run/secrets/tally/dir/role - - - -",
        describe(AUTH("ClusterTriggerAuthentication",
            "  filePath:\n  - {parameter: awsRoleArn, path: dir/role}\n") OBJECT(CLUSTER, "")));
    CHECK_STR("t.yaml:5:13: error: filePath: /var/run/secrets/tally/bad.json is not a JSON object "
              "of strings; correct it\n",
        problems_of(
            AUTH("ClusterTriggerAuthentication", "  filePath: bad.json\n") OBJECT(CLUSTER, "")));
    CHECK_STR("t.yaml:5:13: error: filePath: awsRoleArn of /var/run/secrets/tally/number.json must "
              "be a string\n",
        problems_of(
            AUTH("ClusterTriggerAuthentication", "  filePath: number.json\n") OBJECT(CLUSTER, "")));
    CHECK_STR("t.yaml:5:13: error: filePath: must be a path without \"..\"\n",
        problems_of(
            AUTH("ClusterTriggerAuthentication", "  filePath: ../x\n") OBJECT(CLUSTER, "")));
    CHECK_STR("t.yaml:5:13: warning: filePath: KEDA reads it only in a "
              "ClusterTriggerAuthentication\n",
        problems_of(
            AUTH("TriggerAuthentication", "  filePath: creds.json\n") OBJECT(REFERENCE, "")));
    world_files = NULL;
}

TEST(equal_identities_are_one)
{
    world_environment = variables;
    struct config *config = config_of(SECRETS SECRET(
        ", namespace: ns", "data: {id: QUtJRA==, secret: czNjcmV0}\n") OBJECT(REFERENCE,
        "") "  - type: aws-dynamodb\n    authenticationRef: {name: a}\n    metadata: {awsRegion: "
            "r, "
            "tableName: uuu, targetValue: '1', keyConditionExpression: k}\n"
            "  - type: aws-dynamodb\n    metadata: {awsRegion: r, tableName: v, targetValue: '1', "
            "keyConditionExpression: k}\n"
            "  - type: aws-dynamodb\n    metadata: {awsRegion: q, tableName: v, targetValue: '1', "
            "keyConditionExpression: k}\n");
    CHECK_INT(4, config->trigger_count);
    CHECK(config->triggers[0].identity == config->triggers[1].identity);
    CHECK(config->triggers[0].identity != config->triggers[2].identity);
    CHECK(config->triggers[2].identity != config->triggers[3].identity);
    config_destroy(config);
}

TEST(an_authentication_is_criticized_once)
{
    char yaml[4096];

    world_environment = variables;
    snprintf(yaml, sizeof(yaml), "%s%s%s%s",
        AUTH("TriggerAuthentication",
            "  podIdentity: {provider: aws-eks}\n  env:\n" ENV("awsAccessKeyID", "ID")),
        OBJECT(REFERENCE, ""), "  - type: aws-dynamodb\n" REFERENCE,
        "    metadata: {awsRegion: r, tableName: uuu, targetValue: '1', keyConditionExpression: "
        "k}\n");
    struct config *config = config_of(yaml);
    CHECK_INT(2, config->trigger_count);
    CHECK_STR("t.yaml:5:27: warning: podIdentity.provider: KEDA has deprecated aws-eks and will "
              "remove it; use aws\n",
        config_lines(config, FINDING_WARNING));
    const char *note = strstr(config_lines(config, FINDING_NOTE), "the access key is ignored");
    CHECK(note != NULL && strstr(note + 1, "the access key is ignored") == NULL);
    config_destroy(config);
}

TEST(what_keda_would_refuse_or_ignore_is_noted)
{
    world_environment = variables;
    CHECK(strstr(lines_of(OBJECT("", ""), FINDING_NOTE),
              "t.yaml:7:5: note: authenticationRef: no keys and no role are given, so the pod's "
              "own identity is used; KEDA refuses this trigger (awsAccessKeyID not found)\n") !=
          NULL);
    CHECK(strstr(lines_of(OBJECT("", ", awsAccessKeyID: X, identityOwner: operator"), FINDING_NOTE),
              "note: awsAccessKeyID: ignored: identityOwner is operator, so the pod's own identity "
              "is used\n") != NULL);
    CHECK(strstr(lines_of(AUTH("TriggerAuthentication",
                              "  podIdentity: {provider: aws}\n  env:\n" ENV(
                                  "awsAccessKeyID", "ID")) OBJECT(REFERENCE, ""),
                     FINDING_NOTE),
              "t.yaml:7:5: note: authenticationRef: the access key is ignored: podIdentity aws is "
              "used, as in KEDA\n") != NULL);
    world_environment = NULL;
    CHECK(strstr(lines_of(AUTH("TriggerAuthentication", "  podIdentity: {provider: aws-eks}\n")
                              OBJECT(REFERENCE, ""),
                     FINDING_NOTE),
              "t.yaml:5:27: note: podIdentity.provider: AWS_WEB_IDENTITY_TOKEN_FILE and "
              "AWS_ROLE_ARN are not set here; in the pod, Kubernetes sets them when the service "
              "account is annotated with a role\n") != NULL);
}

TEST_MAIN(RUN(each_row_of_the_table_is_chosen), RUN(half_a_key_in_the_metadata_is_an_error),
    RUN(sources_that_tally_does_not_speak_are_errors), RUN(secrets_are_found_in_documents),
    RUN(mounted_secrets_are_read_later), RUN(config_maps_are_read_too),
    RUN(the_region_may_be_an_auth_parameter), RUN(parameters_may_be_in_a_json_file),
    RUN(equal_identities_are_one), RUN(an_authentication_is_criticized_once),
    RUN(what_keda_would_refuse_or_ignore_is_noted))
