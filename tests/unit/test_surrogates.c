/* SPDX-License-Identifier: Apache-2.0 */
/* Escapes of characters beyond U+FFFF, as JSON has them. */
#include "agent/config/yaml.h"

#include "tests/unit/config_world.h"

static const struct row {
    const char *text, *expected;
} rows[] = {
    {"", ""},
    {"plain \\n \\\" \\/ \\u00e9", "plain \\n \\\" \\/ \\u00e9"},
    {"\\ud83d\\ude00", "\xf0\x9f\x98\x80"},
    {"a\\uD83D\\uDE00b\\ud83d\\ude01", "a\xf0\x9f\x98\x80"
                                       "b\xf0\x9f\x98\x81"},
    {"\\ud800\\udc00", "\xf0\x90\x80\x80"},
    {"\\udbff\\udfff", "\xf4\x8f\xbf\xbf"},
    /* Halves, and what only looks like a pair. */
    {"\\ud83d", "\\ud83d"},
    {"\\ud83d\\u0041", "\\ud83d\\u0041"},
    {"\\ude00\\ud83d", "\\ude00\\ud83d"},
    {"\\ud83d\\ud83d\\ude00", "\\ud83d\xf0\x9f\x98\x80"},
    {"\\ud83d\\ude0", "\\ud83d\\ude0"},
    {"\\ud83g\\ude00", "\\ud83g\\ude00"},
    {"\\ud83d ude00", "\\ud83d ude00"},
    /* A backslash that is a character itself begins none; after two of them a pair begins. */
    {"\\\\ud83d\\ude00", "\\\\ud83d\\ude00"},
    {"\\\\\\ud83d\\ude00", "\\\\\xf0\x9f\x98\x80"},
    {"end\\", "end\\"},
    {"\\u", "\\u"},
};

TEST(pairs_are_joined_and_nothing_else)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t len = strlen(rows[i].text);
        /* On the heap and without a terminator, so that a sanitizer sees one byte too far. */
        char *text = malloc(len > 0 ? len : 1);

        CHECK(text != NULL);
        memcpy(text, rows[i].text, len);
        size_t joined = surrogates_join(text, len);
        CHECK_INT(strlen(rows[i].expected), joined);
        CHECK(memcmp(rows[i].expected, text, joined) == 0);
        free(text);
    }
}

#define JSON(value)                                                                                \
    "{\"triggers\": [{\"type\": \"aws-dynamodb\", \"metadata\": {\"awsRegion\": \"eu-west-1\", "   \
    "\"tableName\": \"tab\", \"targetValue\": \"1\", \"keyConditionExpression\": \"k = :k\", "     \
    "\"expressionAttributeValues\": " value "}}]}"

TEST(a_json_file_may_have_them)
{
    const char *const files[] = {
        "t.json", JSON("\"{\\\":k\\\":{\\\"S\\\":\\\"\\ud83d\\ude00\\\"}}\""), NULL};
    struct config *config = config_of_files(files);

    CHECK_STR("", config_lines(config, FINDING_WARNING));
    CHECK_STR("{\":k\":{\"S\":\"\xf0\x9f\x98\x80\"}}", config->triggers[0].query.values);
    config_destroy(config);
}

/* The escape belongs to the JSON in the string, whose reader knows pairs. */
TEST(json_in_json_is_left_alone)
{
    const char *const files[] = {
        "t.json", JSON("\"{\\\":k\\\":{\\\"S\\\":\\\"\\\\ud83d\\\\ude00\\\"}}\""), NULL};
    struct config *config = config_of_files(files);

    CHECK_STR("", config_lines(config, FINDING_WARNING));
    CHECK_STR("{\":k\":{\"S\":\"\xf0\x9f\x98\x80\"}}", config->triggers[0].query.values);
    config_destroy(config);
}

TEST(half_a_pair_is_refused)
{
    const char *const files[] = {"t.json", JSON("\"\\ud83d\""), NULL};
    struct config *config = config_of_files(files);

    CHECK(strstr(config_lines(config, FINDING_ERROR),
              "found invalid Unicode character escape code") != NULL);
    config_destroy(config);
}

TEST_MAIN(RUN(pairs_are_joined_and_nothing_else), RUN(a_json_file_may_have_them),
    RUN(json_in_json_is_left_alone), RUN(half_a_pair_is_refused))
