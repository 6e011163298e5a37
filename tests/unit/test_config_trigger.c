/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters of a trigger, and the fields of the object that it is in. */
#include "tests/unit/config_world.h"

TEST(each_parameter_is_checked)
{
    static const struct {
        const char *name, *value, *expected;
    } cases[] = {
        {"awsRegion", NULL,
            "t.yaml:2:3: error: awsRegion: missing; write the region of the table, such as "
            "eu-west-1\n"},
        {"awsRegion", "'  '",
            "t.yaml:9:16: error: awsRegion: missing; write the region of the table, such as "
            "eu-west-1\n"},
        {"awsRegion", "evil.example/",
            "t.yaml:9:16: error: awsRegion: \"evil.example/\" is not a region; one looks like "
            "eu-west-1\n"},
        {"tableName", NULL,
            "t.yaml:2:3: error: tableName: missing; each aws-dynamodb trigger needs it\n"},
        {"tableName", "''",
            "t.yaml:9:16: error: tableName: missing; each aws-dynamodb trigger needs it\n"},
        {"keyConditionExpression", "#k = :key",
            "t.yaml:9:28: error: keyConditionExpression: is empty; write its value, in quotes "
            "where "
            "it begins with # (else that is a comment)\n"},
        {"keyConditionExpression", NULL,
            "t.yaml:2:3: error: keyConditionExpression: missing; each aws-dynamodb trigger needs "
            "it\n"},
        {"targetValue", NULL,
            "t.yaml:2:3: error: targetValue: missing; each aws-dynamodb trigger needs it\n"},
        {"targetValue", "'0'", "t.yaml:9:18: error: targetValue: must be at least 1, not 0\n"},
        {"targetValue", "'-1'", "t.yaml:9:18: error: targetValue: must be at least 1, not -1\n"},
        {"targetValue", "'five'",
            "t.yaml:9:18: error: targetValue: must be a whole number, not \"five\"\n"},
        {"targetValue", "'5.0'",
            "t.yaml:9:18: error: targetValue: must be a whole number, not \"5.0\"\n"},
        {"targetValue", "'9223372036854775808'",
            "t.yaml:9:18: error: targetValue: must be a whole number, not "
            "\"9223372036854775808\"\n"},
        {"targetValue", "'9223372036854775807'", ""},
        {"targetValue", "5",
            "t.yaml:9:18: warning: targetValue: is not quoted, and Kubernetes refuses a number "
            "here; write \"5\"\n"},
        {"targetValue", "[5]",
            "t.yaml:9:18: error: targetValue: must be a text, not a list; write it in quotes\n"},
        {"expressionAttributeNames", "{\"#k\": a}",
            "t.yaml:9:31: error: expressionAttributeNames: must be a text, not a map; write it in "
            "quotes, as JSON\n"},
        {"activationTargetValue", "'x'",
            "t.yaml:10:28: error: activationTargetValue: must be a whole number, not \"x\"\n"},
        {"activationTargetValue", "'-5'", ""},
        {"identityOwner", "Pod",
            "t.yaml:10:20: error: identityOwner: must be pod or operator, not \"Pod\"; KEDA "
            "silently takes its operator's identity\n"},
        {"awsEndpoint", "http://10.0.0.1:8000/", NULL},
        {"awsEndpoint", "https://vpce.example/", ""},
        {"awsEndpoint", "http://localhost:8000", ""},
        {"consistentRead", "'maybe'",
            "t.yaml:10:21: error: consistentRead: must be \"true\" or \"false\", not \"maybe\"\n"},
        {"consistentRead", "true",
            "t.yaml:10:21: warning: consistentRead: is not quoted, and Kubernetes refuses true and "
            "false here; write \"true\"\n"},
        {"warm", "'1'", "t.yaml:10:11: error: warm: must be \"true\" or \"false\", not \"1\"\n"},
        {"warm", "yes",
            "t.yaml:10:11: warning: warm: is not quoted, and Kubernetes refuses true and false "
            "here; write \"true\"\n"
            "t.yaml:10:11: error: warm: must be \"true\" or \"false\", not \"yes\"\n"},
        {"countLimit", "'0'", "t.yaml:10:17: error: countLimit: must be at least 1, not 0\n"},
        {"countLimit", "'many'",
            "t.yaml:10:17: error: countLimit: must be a whole number or \"auto\", not \"many\"\n"},
        {"countLimit", "auto", ""},
        {"maxPages", "'-1'", "t.yaml:10:15: error: maxPages: must be at least 1, not -1\n"},
        {"maxPages", "'4294967296'", "t.yaml:10:15: error: maxPages: must be at most 4294967295\n"},
        {"maxPages", "'4294967295'", ""},
        {"clientValues", "'customer'",
            "t.yaml:10:19: error: clientValues: must be placeholders with commas between them, "
            "such as \":customer,:state\"; \"customer\" is not a valid placeholder\n"},
        {"clientValues", "':key, ,:key'",
            "t.yaml:10:19: error: clientValues: must be placeholders with commas between them, "
            "such as \":customer,:state\"; \"\" is not a valid placeholder\n"},
        {"clientValues", "':other'",
            "t.yaml:10:19: warning: clientValues: :other is not used in the expressions, so "
            "DynamoDB will refuse the query\n"},
        {"targetvalue", "'6'",
            "t.yaml:10:5: warning: targetvalue: unknown parameter, so it is ignored; did you mean "
            "targetValue?\n"},
        {"filterExpresion", "x",
            "t.yaml:10:5: warning: filterExpresion: unknown parameter, so it is ignored; did you "
            "mean filterExpression?\n"},
        {"scalerAddress", "x", ""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *problems = problems_of(trigger_with(cases[i].name, cases[i].value));
        const char *expected = cases[i].expected;

        if (expected == NULL)
            CHECK(strncmp(problems, "t.yaml:10:18: error: awsEndpoint: ", 34) == 0);
        else
            CHECK_STR(expected, problems);
    }
}

TEST(an_endpoint_must_go_with_the_environment)
{
    static const char *const fips[] = {"AWS_USE_FIPS_ENDPOINT", "true", NULL};

    world_environment = fips;
    CHECK_STR("", problems_of(trigger_with("tableName", "tab")));
    CHECK_STR("t.yaml:10:18: error: awsEndpoint: awsEndpoint gives the endpoint, so "
              "AWS_USE_FIPS_ENDPOINT (or a fips region) cannot choose one; remove one of the two\n",
        problems_of(trigger_with("awsEndpoint", "https://vpce.example/")));
    world_environment = NULL;
}

TEST(every_parameter_arrives)
{
    struct config *config = config_of(
        "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\n"
        "metadata: {name: worker, namespace: shop}\n"
        "spec:\n"
        "  pollingInterval: 10\n"
        "  minReplicaCount: 2\n"
        "  maxReplicaCount: 20\n"
        "  idleReplicaCount: 0\n"
        "  fallback: {failureThreshold: 3, replicas: 6}\n"
        "  scaleTargetRef: {name: worker}\n"
        "  triggers:\n"
        "  - type: aws-dynamodb\n"
        "    name: open\n"
        "    metricType: Value\n"
        "    useCachedMetrics: true\n"
        "    metadata:\n"
        "      awsRegion: ' eu-west-1 '\n"
        "      awsEndpoint: https://vpce.example/\n"
        "      tableName: arn:aws:dynamodb:eu-west-1:123456789012:table/a.b-c\n"
        "      indexName: by-state\n"
        "      targetValue: '7'\n"
        "      activationTargetValue: '3'\n"
        "      keyConditionExpression: '#k = :k'\n"
        "      filterExpression: 'expires > :now AND customer = :customer'\n"
        "      expressionAttributeNames: ' { \"#k\" : \"state\" } '\n"
        "      expressionAttributeValues: '{\":k\" : {\"S\": \"new\"}, \":now\": "
        "{\"N\":\"$now\"}, \":customer\":{\"S\":\"c\"}}'\n"
        "      consistentRead: 'true'\n"
        "      countLimit: auto\n"
        "      maxPages: '9'\n"
        "      warm: 'true'\n"
        "      clientValues: ' :customer , :k '\n");

    CHECK_STR("t.yaml:27:23: warning: consistentRead: a global secondary index refuses consistent "
              "reads (a local one does not); remove it if by-state is global\n",
        config_lines(config, FINDING_WARNING));
    CHECK_INT(1, config->trigger_count);
    const struct trigger *t = &config->triggers[0];
    CHECK_STR("shop/worker", t->name);
    CHECK_STR("open", t->trigger_name);
    CHECK_INT(12, t->line);
    CHECK_INT(10000, t->polling_ms);
    CHECK(t->warm && t->only);
    CHECK_STR(
        "s0-aws-dynamodb-arn-aws-dynamodb-eu-west-1-123456789012-table-a-b-c", t->metric_name);
    CHECK_STR("eu-west-1", t->query.region);
    CHECK_STR("https://vpce.example/", t->query.endpoint);
    CHECK_STR("arn:aws:dynamodb:eu-west-1:123456789012:table/a.b-c", t->query.table);
    CHECK_STR("by-state", t->query.index);
    CHECK_STR("#k = :k", t->query.key_condition);
    CHECK_STR("expires > :now AND customer = :customer", t->query.filter);
    CHECK_STR("{\"#k\":\"state\"}", t->query.names);
    CHECK_STR("{\":k\":{\"S\":\"new\"},\":now\":{\"N\":\"$now\"},\":customer\":{\"S\":\"c\"}}",
        t->query.values);
    CHECK(t->query.uses_now && t->query.consistent_read);
    CHECK_INT(140, t->query.count_limit);
    CHECK_INT(9, t->query.max_pages);
    CHECK_INT(2, t->query.client_value_count);
    CHECK_STR(":customer", t->query.client_values[0]);
    CHECK_STR(":k", t->query.client_values[1]);
    CHECK_INT(METRIC_VALUE, t->scaling.metric_type);
    CHECK_INT(7, t->scaling.target);
    CHECK_INT(3, t->scaling.activation);
    CHECK_INT(2, t->scaling.min_replicas);
    CHECK_INT(20, t->scaling.max_replicas);
    CHECK_INT(0, t->scaling.idle_replicas);
    CHECK(t->scaling.has_fallback);
    CHECK_INT(3, t->scaling.fallback_threshold);
    CHECK_INT(6, t->scaling.fallback_replicas);
    config_destroy(config);
}

TEST(what_only_clients_supply_cannot_be_kept_warm)
{
    struct config *config = config_of(
        "triggers:\n- type: aws-dynamodb\n  metadata:\n"
        "    {awsRegion: r, tableName: tab, targetValue: '1', keyConditionExpression: 'k = "
        ":k', filterExpression: 'c = :c AND d = :d',\n"
        "    clientValues: ':c,:d', expressionAttributeValues: '{\":k\":{\"S\":\"a\"}, "
        "\":d\":{\"S\":\"b\"}}',\n"
        "    warm: 'true'}\n");

    CHECK_STR("t.yaml:6:11: error: warm: there is nothing to count with for :c, which only clients "
              "supply; give it a value in expressionAttributeValues, or leave warm out\n",
        config_lines(config, FINDING_ERROR));
    config_destroy(config);
}

TEST(a_limit_that_would_overflow_is_none)
{
    struct config *config = config_of(
        "maxReplicaCount: 2147483647\ntriggers:\n- type: aws-dynamodb\n"
        "  metadata: {awsRegion: r, tableName: tab, targetValue: "
        "'9223372036854775807', countLimit: auto, "
        "keyConditionExpression: k}\n");

    CHECK_INT(0, config->error_count);
    CHECK(config->triggers[0].query.count_limit == UINT64_MAX);
    config_destroy(config);
}

/* A ScaledObject or ScaledJob with `spec` (its lines from 5 on) and one good trigger. */
static const char *object_with(const char *kind, const char *spec)
{
    static char text[2048];

    snprintf(text, sizeof(text),
        "apiVersion: keda.sh/v1alpha1\nkind: %s\nmetadata: {name: o}\nspec:\n%s"
        "  triggers:\n  - type: aws-dynamodb\n    metadata: {awsRegion: r, tableName: tab, "
        "targetValue: '1', keyConditionExpression: k}\n",
        kind, spec);
    return text;
}

TEST(bounds_of_an_object_are_checked)
{
    static const struct {
        const char *kind, *spec, *expected;
    } cases[] = {
        {"ScaledObject", "  minReplicaCount: 3\n  maxReplicaCount: 2\n",
            "t.yaml:5:20: error: minReplicaCount: must not be above maxReplicaCount (2)\n"},
        {"ScaledJob", "  minReplicaCount: 3\n  maxReplicaCount: 2\n",
            "t.yaml:5:20: warning: minReplicaCount: must not be above maxReplicaCount (2)\n"},
        {"ScaledObject", "  minReplicaCount: 101\n",
            "t.yaml:5:20: error: minReplicaCount: must not be above maxReplicaCount (100)\n"},
        {"ScaledObject", "  minReplicaCount: 2\n  maxReplicaCount: 2\n", ""},
        {"ScaledObject", "  maxReplicaCount: 0\n",
            "t.yaml:5:20: error: maxReplicaCount: must be a whole number from 1 to 2147483647\n"},
        {"ScaledObject", "  minReplicaCount: -1\n",
            "t.yaml:5:20: error: minReplicaCount: must be a whole number from 0 to 2147483647\n"},
        {"ScaledObject", "  maxReplicaCount: 2147483648\n",
            "t.yaml:5:20: error: maxReplicaCount: must be a whole number from 1 to 2147483647\n"},
        {"ScaledObject", "  maxReplicaCount: '4'\n",
            "t.yaml:5:20: warning: maxReplicaCount: is quoted, and Kubernetes refuses a text here; "
            "write 4\n"},
        {"ScaledObject", "  idleReplicaCount: 0\n",
            "t.yaml:5:21: error: idleReplicaCount: must be below minReplicaCount (0)\n"},
        {"ScaledObject", "  minReplicaCount: 1\n  idleReplicaCount: 0\n", ""},
        {"ScaledJob", "  idleReplicaCount: 0\n",
            "t.yaml:5:21: warning: idleReplicaCount: ignored: a ScaledJob has none\n"},
        {"ScaledObject", "  pollingInterval: 1.5\n",
            "t.yaml:5:20: error: pollingInterval: must be a whole number of seconds from 0 to "
            "2147483647\n"},
        {"ScaledObject", "  pollingInterval: 0\n",
            "t.yaml:5:20: warning: pollingInterval: is 0, so each request without max_age_ms "
            "queries DynamoDB; KEDA 2.20 and later refuse less than 1\n"},
        {"ScaledObject", "  minReplicaCount: 2\n  idleReplicaCount: 1\n",
            "t.yaml:6:21: warning: idleReplicaCount: KEDA's documentation says that only 0 works, "
            "because of the HPA; write 0 or remove it\n"},
        {"ScaledObject", "  pollingInterval:\n", ""},
        {"ScaledObject", "  fallback: {failureThreshold: 0, replicas: 0}\n", ""},
        {"ScaledObject", "  fallback: {failureThreshold: -1, replicas: 0}\n",
            "t.yaml:5:32: error: fallback.failureThreshold: must be a whole number from 0 to "
            "2147483647\n"},
        {"ScaledObject", "  fallback: {replicas: 2}\n",
            "t.yaml:5:13: error: fallback: needs both failureThreshold and replicas\n"},
        {"ScaledObject", "  fallback: 2\n",
            "t.yaml:5:13: error: fallback: must be a map with failureThreshold and replicas\n"},
        {"ScaledObject",
            "  fallback: {failureThreshold: 1, replicas: 1, behavior: currentReplicas}\n", ""},
        {"ScaledObject",
            "  fallback: {failureThreshold: 1, replicas: 1, behavior: scalingModifiers}\n",
            "t.yaml:5:58: warning: fallback.behavior: tally does not compute scalingModifiers, so "
            "answers in fallback will have no desired_replicas\n"},
        {"ScaledObject", "  fallback: {failureThreshold: 1, replicas: 1, behavior: Static}\n",
            "t.yaml:5:58: warning: fallback.behavior: not a behavior of KEDA's, so answers in "
            "fallback will have no desired_replicas; did you mean static?\n"},
        {"ScaledObject", "  fallback: {failureThreshold: 1, replicas: 1, behavior: static}\n", ""},
        {"ScaledJob", "  fallback: {failureThreshold: 1, replicas: 1}\n",
            "t.yaml:5:13: warning: fallback: ignored: a ScaledJob has none\n"},
        {"ScaledObject", "  minReplicas: 2\n",
            "t.yaml:5:3: warning: minReplicas: unknown field, so it is ignored\n"},
        {"ScaledObject", "  maxReplicaCounts: 2\n",
            "t.yaml:5:3: warning: maxReplicaCounts: unknown field, so it is ignored; did you mean "
            "maxReplicaCount?\n"},
        {"ScaledObject", "  advanced: {scalingModifiers: {formula: a + b}}\n",
            "t.yaml:5:42: warning: advanced.scalingModifiers.formula: tally does not compute it: "
            "active and desired_replicas are those of each trigger alone\n"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        CHECK_STR(cases[i].expected, problems_of(object_with(cases[i].kind, cases[i].spec)));
}

static int32_t maximum_of(const char *text)
{
    char spec[200];

    snprintf(spec, sizeof(spec), "  maxReplicaCount: %s\n", text);
    struct config *config = config_of(object_with("ScaledObject", spec));
    int32_t value = config->error_count > 0 ? -1 : config->triggers[0].scaling.max_replicas;
    config_destroy(config);
    return value;
}

TEST(numbers_are_read_as_kubernetes_reads_yaml)
{
    static const struct {
        const char *text;
        int32_t value; /* -1: an error */
    } cases[] = {{"030", 24}, {"0o30", 24}, {"0x10", 16}, {"0X1f", 31}, {"0b101", 5},
        {"1_000", 1000}, {"0_30", 24}, {"1__0_", 10}, {"30.0", 30}, {"30.", 30}, {"1e1", 10},
        {"1.5e1", 15}, {"+7", 7}, {"+0x7", 7}, {"089", 89}, {"2147483647", INT32_MAX},
        {"0x7fffffff", INT32_MAX}, {"2147483648", -1}, {"0x80000000", -1}, {"1e10", -1},
        {"1.5", -1}, {"1e-1", -1}, {"0x", -1}, {"0b12", -1}, {"_5", -1}, {"1e400", -1},
        {"99999999999999999999", -1}, {"five", -1}, {"yes", -1}, {"'030'", 30}, {"'0x10'", -1},
        {"'1_000'", -1}, {"!!int 030", 24}, {"!!str 030", 30}, {".5", -1}, {"-0", -1}, {"~", 100}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (maximum_of(cases[i].text) != cases[i].value)
            TEST_FAIL("%s is %d, not %d", cases[i].text, cases[i].value, maximum_of(cases[i].text));
    }
}

static const char *with_target(const char *text, int64_t *target)
{
    struct config *config = config_of(trigger_with("targetValue", text));
    const char *lines = config_lines(config, FINDING_WARNING);

    *target = config->triggers[0].scaling.target;
    config_destroy(config);
    return lines;
}

TEST(an_unquoted_number_of_a_trigger_is_what_the_hint_says)
{
    int64_t target = 0;

    CHECK_STR("t.yaml:9:18: warning: targetValue: is not quoted, and Kubernetes refuses a number "
              "here; write \"24\"\n",
        with_target("030", &target));
    CHECK_INT(24, target);
    CHECK_STR("", with_target("'030'", &target)); /* a text, to Go's ParseInt as well */
    CHECK_INT(30, target);
    with_target("1e3", &target);
    CHECK_INT(1000, target);
    CHECK(strstr(with_target("'1e3'", &target), "must be a whole number, not \"1e3\"") != NULL);
    /* What is a text to tally is used, and hinted at, as it is written. */
    CHECK_STR("t.yaml:9:16: warning: tableName: is not quoted, and Kubernetes refuses true and "
              "false here; write \"yes\"\n",
        problems_of(trigger_with("tableName", "yes")));
    CHECK_STR("t.yaml:9:16: warning: tableName: is not quoted, and Kubernetes refuses a number "
              "here; write \"0300\"\n",
        problems_of(trigger_with("tableName", "0300")));
}

TEST(a_target_is_optional_with_scaling_modifiers_only)
{
    static const char modifiers[] =
        "  advanced: {scalingModifiers: {formula: a + b, target: '2'}}\n";
    static const struct {
        const char *advanced, *target;
        size_t errors;
        int64_t value;
    } cases[] = {{modifiers, "", 0, 0}, {modifiers, "      targetValue: '0'\n", 0, 0},
        {modifiers, "      targetValue: '-1'\n", 1, 0},
        {modifiers, "      targetValue: '5'\n", 0, 5}, {"", "", 1, 1},
        {"", "      targetValue: '0'\n", 1, 1}, {"  advanced: {scalingModifiers: {}}\n", "", 1, 1}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char yaml[600];

        snprintf(yaml, sizeof(yaml),
            "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: o}\nspec:\n"
            "  scaleTargetRef: {name: x}\n%s  triggers:\n  - type: aws-dynamodb\n    metadata:\n"
            "      awsRegion: eu-west-1\n      tableName: jobs\n      countLimit: auto\n"
            "      keyConditionExpression: k\n%s",
            cases[i].advanced, cases[i].target);
        struct config *config = config_of(yaml);
        CHECK_INT(cases[i].errors, config->error_count);
        if (config->error_count == 0) {
            CHECK_INT(cases[i].value, config->triggers[0].scaling.target);
            CHECK_INT(cases[i].value * 100, config->triggers[0].query.count_limit);
        }
        config_destroy(config);
    }
}

TEST(a_scaled_job_is_reported_from_an_object)
{
    struct config *config = config_of(
        object_with("ScaledJob", "  minReplicaCount: 3\n  maxReplicaCount: 2\n"));

    CHECK_INT(OWNER_SCALED_JOB, config->triggers[0].owner);
    CHECK(config->triggers[0].scaling.is_job);
    CHECK_INT(2, config->triggers[0].scaling.min_replicas);
    config_destroy(config);
}

static enum fallback_behavior behavior_of(const char *behavior)
{
    char spec[200];

    snprintf(spec, sizeof(spec), "  fallback: {failureThreshold: 1, replicas: 1, behavior: %s}\n",
        behavior);
    struct config *config = config_of(object_with("ScaledObject", spec));
    enum fallback_behavior found = config->triggers[0].scaling.fallback_behavior;
    CHECK(config->triggers[0].scaling.has_fallback);
    CHECK_INT(1, config->triggers[0].scaling.fallback_replicas);
    CHECK_INT(0, config->error_count);
    config_destroy(config);
    return found;
}

TEST(the_behaviors_of_a_fallback_are_those_of_keda)
{
    CHECK_INT(FALLBACK_STATIC, behavior_of("static"));
    CHECK_INT(FALLBACK_STATIC, behavior_of(""));
    CHECK_INT(FALLBACK_CURRENT, behavior_of("currentReplicas"));
    CHECK_INT(FALLBACK_CURRENT_IF_HIGHER, behavior_of("currentReplicasIfHigher"));
    CHECK_INT(FALLBACK_CURRENT_IF_LOWER, behavior_of("currentReplicasIfLower"));
    CHECK_INT(FALLBACK_UNKNOWN, behavior_of("scalingModifiers"));
    CHECK_INT(FALLBACK_UNKNOWN, behavior_of("currentReplica"));
    CHECK_INT(FALLBACK_UNKNOWN, behavior_of("{}"));
}

TEST(fields_that_only_keda_acts_on_are_noted)
{
    const char *lines = lines_of(
        object_with("ScaledObject", "  cooldownPeriod: 30\n  advanced: {}\n"), FINDING_NOTE);
    const char *expected = "t.yaml:5:3: note: cooldownPeriod: accepted; tally does not act on it\n"
                           "t.yaml:6:3: note: advanced: accepted; tally does not act on it\n";

    CHECK(strncmp(lines, expected, strlen(expected)) == 0);
}

TEST(triggers_that_are_not_dynamodb_are_skipped_but_counted)
{
    struct config *config = config_of(
        "triggers:\n- type: aws-dynamo-db\n  metadata: {}\n"
        "- type: aws-dynamodb\n  metadata: {awsRegion: r, tableName: tab, targetValue: '1', "
        "keyConditionExpression: k}\n"
        "- type: aws-dynamodb\n  name: n\n  metadata: {awsRegion: r, tableName: tab, targetValue: "
        "'1', keyConditionExpression: k}\n"
        "- metadata: {}\n- x\n");

    CHECK_STR("t.yaml:2:9: warning: type: skipped: tally counts aws-dynamodb triggers only, not "
              "aws-dynamo-db; did you mean aws-dynamodb?\n"
              "t.yaml:9:3: error: type: missing; write type: aws-dynamodb\n"
              "t.yaml:10:3: error: triggers: each trigger must be a map\n",
        config_lines(config, FINDING_WARNING));
    CHECK_INT(2, config->trigger_count);
    CHECK_STR("default/t/1", config->triggers[0].name);
    CHECK_STR("s1-aws-dynamodb-tab", config->triggers[0].metric_name);
    CHECK_STR("default/t/n", config->triggers[1].name);
    CHECK_STR("s2-aws-dynamodb-tab", config->triggers[1].metric_name);
    config_destroy(config);
}

TEST(no_trigger_at_all_is_a_warning)
{
    CHECK_STR("t.yaml: warning: no aws-dynamodb trigger in the files, so there is nothing to "
              "count; add one\n"
              "t.yaml:2:9: warning: type: skipped: tally counts aws-dynamodb triggers only, not "
              "cron\n",
        problems_of("triggers:\n- type: cron\n  metadata: {}\n"));
}

TEST(fields_of_a_trigger_are_checked)
{
    static const struct {
        const char *field, *expected;
    } cases[] = {
        {"metricType: Utilization",
            "t.yaml:3:15: error: metricType: must be AverageValue or Value; KEDA knows "
            "Utilization for cpu and memory only\n"},
        {"metricType: AverageValue", ""},
        {"metrictype: Value", "t.yaml:3:3: warning: metrictype: unknown field, so it is ignored; "
                              "did you mean metricType?\n"},
        {"useCachedMetrics: true", ""},
        {"name: \"a\\x01b\"", "t.yaml:3:9: error: name: must not hold control characters\n"},
        {"authenticationRef: {name: gone}",
            "t.yaml:3:29: error: authenticationRef.name: no TriggerAuthentication named gone is in "
            "the files; add it (namespace default) or correct the name\n"},
        {"authenticationRef: {}",
            "t.yaml:3:22: error: authenticationRef: has no name; name a TriggerAuthentication\n"},
        {"authenticationRef: {name: a, kind: Secret}",
            "t.yaml:3:38: error: authenticationRef.kind: must be TriggerAuthentication or "
            "ClusterTriggerAuthentication\n"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[512];

        snprintf(text, sizeof(text),
            "triggers:\n- type: aws-dynamodb\n  %s\n  metadata: {awsRegion: r, tableName: tab, "
            "targetValue: '1', keyConditionExpression: k}\n",
            cases[i].field);
        CHECK_STR(cases[i].expected, problems_of(text));
    }
    CHECK_STR("t.yaml:2:3: error: metadata: must be a map with awsRegion, tableName, "
              "keyConditionExpression and targetValue\n",
        problems_of("triggers:\n- type: aws-dynamodb\n"));
    CHECK_STR("t.yaml:1:11: error: triggers: must be a list; begin each trigger with \"- \"\n",
        problems_of("triggers: 5\n"));
}

TEST_MAIN(RUN(each_parameter_is_checked), RUN(an_endpoint_must_go_with_the_environment),
    RUN(every_parameter_arrives), RUN(what_only_clients_supply_cannot_be_kept_warm),
    RUN(a_limit_that_would_overflow_is_none), RUN(bounds_of_an_object_are_checked),
    RUN(numbers_are_read_as_kubernetes_reads_yaml),
    RUN(an_unquoted_number_of_a_trigger_is_what_the_hint_says),
    RUN(a_target_is_optional_with_scaling_modifiers_only),
    RUN(a_scaled_job_is_reported_from_an_object),
    RUN(the_behaviors_of_a_fallback_are_those_of_keda),
    RUN(fields_that_only_keda_acts_on_are_noted),
    RUN(triggers_that_are_not_dynamodb_are_skipped_but_counted),
    RUN(no_trigger_at_all_is_a_warning), RUN(fields_of_a_trigger_are_checked))
