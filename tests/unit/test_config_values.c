/* SPDX-License-Identifier: Apache-2.0 */
/* expressionAttributeNames, expressionAttributeValues, and what the expressions use of them. */
#include "tests/unit/config_world.h"

#define P "t.yaml:9:32: "
#define UNUSED(key)                                                                                \
    P "warning: expressionAttributeValues: " key                                                   \
      " is not used in the expressions, so DynamoDB will refuse the query; remove it\n"

/* One value :key, as JSON. */
static const char *problems_of_value(const char *json)
{
    char yaml[4096];

    snprintf(yaml, sizeof(yaml), "'{\":key\":%s}'", json);
    return problems_of(trigger_with("expressionAttributeValues", yaml));
}

TEST(every_type_is_taken)
{
    static const struct {
        const char *json, *sent;
    } cases[] = {
        {"{\"S\": \"\"}", "{\"S\":\"\"}"},
        {"{\"S\": \"\xc3\xa9 \\u00e9 \\\\\"}", "{\"S\":\"\xc3\xa9 \xc3\xa9 \\\\\"}"},
        {"{\"N\": \"-1.5e10\"}", "{\"N\":\"-1.5e10\"}"},
        {"{\"BOOL\": false}", "{\"BOOL\":false}"},
        {"{\"NULL\": true}", "{\"NULL\":true}"},
        {"{\"L\": []}", "{\"L\":[]}"},
        {"{\"M\": {}}", "{\"M\":{}}"},
        {"{\"L\": [{\"S\": \"a\"}, {\"M\": {\"k\": {\"N\": \"1\"}}}]}",
            "{\"L\":[{\"S\":\"a\"},{\"M\":{\"k\":{\"N\":\"1\"}}}]}"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char yaml[512], expected[512];

        snprintf(yaml, sizeof(yaml), "'{\":key\":%s}'", cases[i].json);
        snprintf(expected, sizeof(expected), "{\":key\":%s}", cases[i].sent);
        struct config *config = config_of(trigger_with("expressionAttributeValues", yaml));
        CHECK_STR("", config_lines(config, FINDING_WARNING));
        CHECK_STR(expected, config->triggers[0].query.values);
        config_destroy(config);
    }
}

TEST(what_keda_does_otherwise_is_a_warning)
{
    static const struct {
        const char *json, *expected, *sent;
    } cases[] = {
        {"{\"B\":\"aGVsbG8=\"}",
            "warning: expressionAttributeValues[\":key\"].B is base64, as in AWS and KEDA 2.7; "
            "newer KEDA does not decode it and compares with the text itself\n",
            "{\":key\":{\"B\":\"aGVsbG8=\"}}"},
        {"{\"NULL\":false}",
            "warning: expressionAttributeValues[\":key\"].NULL is false, and sent as true, as KEDA "
            "does; write {\"NULL\":true}\n",
            "{\":key\":{\"NULL\":true}}"},
        {"{\"SS\":[\"a\"]}",
            "warning: expressionAttributeValues[\":key\"].SS is a set, which KEDA refuses\n",
            "{\":key\":{\"SS\":[\"a\"]}}"},
        {"{\"NS\":[\"1\",\"2.5\"]}",
            "warning: expressionAttributeValues[\":key\"].NS is a set, which KEDA refuses\n",
            "{\":key\":{\"NS\":[\"1\",\"2.5\"]}}"},
        {"{\"BS\":[\"YQ==\"]}",
            "warning: expressionAttributeValues[\":key\"].BS is a set, which KEDA refuses\n",
            "{\":key\":{\"BS\":[\"YQ==\"]}}"},
        {"{\"N\":\"five\"}",
            "warning: expressionAttributeValues[\":key\"].N is not a number, so DynamoDB will "
            "refuse "
            "it; for a text use S\n",
            "{\":key\":{\"N\":\"five\"}}"},
        {"{\"N\":\"\"}",
            "warning: expressionAttributeValues[\":key\"].N is not a number, so DynamoDB will "
            "refuse "
            "it; for a text use S\n",
            "{\":key\":{\"N\":\"\"}}"},
        {"{\"N\":\"$now-1h\"}",
            "warning: expressionAttributeValues[\":key\"].N is not \"$now\", \"$now-SECONDS\" or "
            "\"$now+SECONDS\" without blanks, so DynamoDB will refuse it\n",
            "{\":key\":{\"N\":\"$now-1h\"}}"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char yaml[512], expected[512];

        snprintf(yaml, sizeof(yaml), "'{\":key\":%s}'", cases[i].json);
        snprintf(expected, sizeof(expected), P "%s", cases[i].expected);
        struct config *config = config_of(trigger_with("expressionAttributeValues", yaml));
        CHECK_STR(expected, config_lines(config, FINDING_WARNING));
        CHECK_STR(cases[i].sent, config->triggers[0].query.values);
        CHECK(!config->triggers[0].query.uses_now);
        config_destroy(config);
    }
}

TEST(a_wrong_shape_is_an_error_with_its_path)
{
    static const struct {
        const char *json, *expected;
    } cases[] = {
        {"{\"S\":1}", ".S must be a string; write {\"S\":\"text\"} (KEDA crashes on this)"},
        {"{\"N\":5}", ".N must be a string; write the number in quotes: {\"N\":\"5\"}"},
        {"{\"B\":1}",
            ".B must be a base64 string, such as {\"B\":\"aGVsbG8=\"} (KEDA crashes on this)"},
        {"{\"B\":\"no base64!\"}", ".B must be a base64 string, such as {\"B\":\"aGVsbG8=\"}"},
        {"{\"B\":\"aGVs bG8=\"}", ".B must be a base64 string, such as {\"B\":\"aGVsbG8=\"}"},
        {"{\"B\":\"aGVsbG8\"}", ".B must be a base64 string, such as {\"B\":\"aGVsbG8=\"}"},
        {"{\"BOOL\":\"true\"}",
            ".BOOL must be true or false, without quotes (KEDA crashes on this)"},
        {"{\"NULL\":1}", ".NULL must be true; write {\"NULL\":true}"},
        {"{\"SS\":[]}", ".SS must be an array of at least one string"},
        {"{\"NS\":\"1\"}", ".NS must be an array of at least one string"},
        {"{\"SS\":[\"a\",1]}", ".SS must hold strings only"},
        {"{\"BS\":[\"?\"]}", ".BS must hold base64 strings only"},
        {"{\"L\":{}}", ".L must be an array (KEDA crashes on this)"},
        {"{\"M\":[]}", ".M must be an object (KEDA crashes on this)"},
        {"{\"L\":[{\"S\":\"a\"},{\"M\":{\"k\":{\"N\":1}}}]}",
            ".L[1].M[\"k\"].N must be a string; write the number in quotes: {\"N\":\"5\"}"},
        {"{\"L\":[1]}", ".L[0] must be an object with one type, such as {\"S\":\"text\"}"},
        {"\"text\"", " must be an object with one type, such as {\"S\":\"text\"}"},
        {"{}", " has no type; write one, such as {\"S\":\"text\"}"},
        {"{\"S\":\"a\",\"N\":\"1\"}",
            " has more than one type; keep one (KEDA picks one at random)"},
        {"{\"s\":\"a\"}",
            " has an unknown type; the types are S, N, B, BOOL, NULL, SS, NS, BS, L and M"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char expected[512];

        snprintf(expected, sizeof(expected), P "error: expressionAttributeValues[\":key\"]%s\n",
            cases[i].expected);
        CHECK_STR(expected, problems_of_value(cases[i].json));
    }
}

TEST(every_wrong_value_is_reported_in_one_run)
{
    const char *errors = lines_of(trigger_with("expressionAttributeValues",
                                      "'{\":a\":{\"N\":1},\":b\":{\"L\":[{\"S\":1},{}]}}'"),
        FINDING_ERROR);

    CHECK_STR(P "error: expressionAttributeValues[\":a\"].N must be a string; write the number in "
                "quotes: {\"N\":\"5\"}\n" P
                "error: expressionAttributeValues[\":b\"].L[0].S must be a string; write "
                "{\"S\":\"text\"} (KEDA crashes on this)\n" P
                "error: expressionAttributeValues[\":b\"].L[1] has no type; write one, such as "
                "{\"S\":\"text\"}\n",
        errors);
}

TEST(values_nest_up_to_32_levels)
{
    char json[1024];

    for (int levels = 32; levels <= 33; levels++) {
        size_t len = 0;

        for (int i = 1; i < levels; i++)
            len += (size_t)snprintf(json + len, sizeof(json) - len, "{\"L\":[");
        len += (size_t)snprintf(json + len, sizeof(json) - len, "{\"S\":\"x\"}");
        for (int i = 1; i < levels; i++)
            len += (size_t)snprintf(json + len, sizeof(json) - len, "]}");
        const char *problems = problems_of_value(json);
        if (levels == 32)
            CHECK_STR("", problems);
        else
            CHECK(strstr(problems, "is nested more than 32 levels deep\n") != NULL);
    }
}

TEST(now_is_recognized_in_every_n)
{
    static const char *const uses[] = {"{\"N\":\"$now\"}", "{\"N\":\"$now-3600\"}",
        "{\"N\":\"$now+60\"}", "{\"L\":[{\"M\":{\"a\":{\"N\":\"$now\"}}}]}"};
    static const char *const not_uses[] = {"{\"S\":\"$now\"}", "{\"N\":\"$now-\"}",
        "{\"N\":\"$now 5\"}", "{\"N\":\"now\"}", "{\"N\":\"$now-1.5\"}"};

    for (size_t i = 0; i < 4 + 5; i++) {
        char yaml[512];

        snprintf(yaml, sizeof(yaml), "'{\":key\":%s}'", i < 4 ? uses[i] : not_uses[i - 4]);
        struct config *config = config_of(trigger_with("expressionAttributeValues", yaml));
        CHECK_INT(0, config->error_count);
        CHECK_INT(i < 4, config->triggers[0].query.uses_now);
        config_destroy(config);
    }
}

TEST(json_that_is_none_is_reported)
{
    static const struct {
        const char *name, *yaml, *expected;
    } cases[] = {
        {"expressionAttributeValues", "'{'",
            P "error: expressionAttributeValues: is not valid JSON at character 1: string or '}' "
              "expected near end of file\n"},
        {"expressionAttributeValues", "'[]'",
            P "error: expressionAttributeValues: must be a JSON object, such as "
              "{\":key\":{\"S\":\"value\"}}\n"},
        {"expressionAttributeNames", "'\"#k\"'",
            "t.yaml:9:31: error: expressionAttributeNames: must be a JSON object, such as "
            "{\"#k\":\"name\"}\n"},
        {"expressionAttributeNames", "'{}'",
            "t.yaml:9:31: error: expressionAttributeNames: is empty, which KEDA and DynamoDB "
            "refuse; remove it or add a name\n"},
        {"expressionAttributeNames", "'{\"#k\":1}'",
            "t.yaml:9:31: error: expressionAttributeNames[\"#k\"] must be a string, the "
            "attribute's name\n"},
        {"expressionAttributeNames", "'{\"#k\":\"a\",\"#k\":\"b\"}'",
            "t.yaml:9:31: warning: expressionAttributeNames: a key is given twice (duplicate "
            "object key near '\"#k\"'); the last value counts, remove the others\n"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        CHECK_STR(cases[i].expected, problems_of(trigger_with(cases[i].name, cases[i].yaml)));
}

TEST(blank_and_empty_values_are_not_sent)
{
    static const char *const none[] = {NULL, "''", "'  '", "'{}'"};

    for (size_t i = 0; i < 4; i++) {
        struct config *config = config_of(trigger_with("expressionAttributeValues", none[i]));

        CHECK_INT(0, config->error_count);
        CHECK(config->triggers[0].query.values == NULL);
        config_destroy(config);
    }
    CHECK(strstr(problems_of(trigger_with("expressionAttributeValues", "'{}'")),
              "warning: expressionAttributeValues: is empty, so it is not sent; remove it or add a "
              "value\n") != NULL);
}

TEST(placeholders_are_held_against_the_expressions)
{
    static const struct {
        const char *name, *yaml, *expected;
    } cases[] = {
        {"expressionAttributeValues", "'{\":key\":{\"S\":\"a\"},\":old\":{\"S\":\"b\"}}'",
            UNUSED(":old")},
        /* A longer word does not count as a use. */
        {"expressionAttributeValues", "'{\":key\":{\"S\":\"a\"},\":ke\":{\"S\":\"b\"}}'",
            UNUSED(":ke")},
        {"expressionAttributeValues", "'{\":key\":{\"S\":\"a\"},\"key\":{\"S\":\"b\"}}'",
            P "warning: expressionAttributeValues: \"key\" is not a placeholder, so DynamoDB will "
              "refuse it; begin it with :\n"},
        {"filterExpression", "'#f = :key'",
            "t.yaml:10:23: warning: filterExpression: uses #f, which expressionAttributeNames does "
            "not define, so DynamoDB will refuse the query; add it\n"},
        {"filterExpression", "'a IN (:key, :more)'",
            "t.yaml:10:23: warning: filterExpression: uses :more, which expressionAttributeValues "
            "does not define, so DynamoDB will refuse the query; add it\n"},
        {"keyConditionExpression", "'#k=:key AND begins_with(b,:p)'",
            "t.yaml:9:29: warning: keyConditionExpression: uses :p, which "
            "expressionAttributeValues does not define, so DynamoDB will refuse the query; add "
            "it\n"},
        {"clientValues", "':key'", ""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        CHECK_STR(cases[i].expected, problems_of(trigger_with(cases[i].name, cases[i].yaml)));
}

TEST(a_client_value_needs_no_default)
{
    CHECK_STR("", problems_of("triggers:\n- type: aws-dynamodb\n  metadata:\n    awsRegion: r\n"
                              "    tableName: tab\n    targetValue: '1'\n"
                              "    keyConditionExpression: 'c = :customer'\n"
                              "    clientValues: ':customer'\n"));
}

TEST(long_expressions_are_left_to_dynamodb)
{
    char yaml[8192];

    snprintf(yaml, sizeof(yaml), "'#k = :key%4000s AND %0100d = :key'", "", 1);
    CHECK_STR("t.yaml:9:29: warning: keyConditionExpression: is longer than 4 KB, so DynamoDB will "
              "refuse it\n",
        problems_of(trigger_with("keyConditionExpression", yaml)));
}

TEST_MAIN(RUN(every_type_is_taken), RUN(what_keda_does_otherwise_is_a_warning),
    RUN(a_wrong_shape_is_an_error_with_its_path), RUN(every_wrong_value_is_reported_in_one_run),
    RUN(values_nest_up_to_32_levels), RUN(now_is_recognized_in_every_n),
    RUN(json_that_is_none_is_reported), RUN(blank_and_empty_values_are_not_sent),
    RUN(placeholders_are_held_against_the_expressions), RUN(a_client_value_needs_no_default),
    RUN(long_expressions_are_left_to_dynamodb))
