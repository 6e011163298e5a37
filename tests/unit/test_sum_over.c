/* SPDX-License-Identifier: Apache-2.0 */
/* sumOver: the values of a placeholder, and what is refused. */
#include "agent/config/sum_over.h"

#include "tests/unit/config_world.h"

/* A trigger whose placeholder :q has this value, with this sumOver. */
static const char *summed(const char *value, const char *over)
{
    static char text[8192];

    snprintf(text, sizeof(text),
        "triggers:\n"
        "- type: aws-dynamodb\n"
        "  metadata:\n"
        "    awsRegion: eu-west-1\n"
        "    tableName: jobs\n"
        "    targetValue: \"5\"\n"
        "    keyConditionExpression: \"s = :q\"\n"
        "    expressionAttributeValues: '{\":q\":%s}'\n"
        "    sumOver: %s\n",
        value, over);
    return text;
}

static const char *shards_of(const char *value, const char *over)
{
    static char text[16384];
    struct config *config = config_of(summed(value, over));
    size_t used = 0;

    text[0] = '\0';
    if (config->trigger_count == 0)
        TEST_FAIL("%s", config_lines(config, FINDING_ERROR));
    for (size_t i = 0; i < config->triggers[0].query.shard_count; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i > 0 ? " " : "",
            config->triggers[0].query.shards[i]);
    config_destroy(config);
    return text;
}

#define S(value) "{\":q\":{\"S\":\"" value "\"}}"
#define N(value) "{\":q\":{\"N\":\"" value "\"}}"

TEST(a_range_or_a_list_is_its_values_in_their_order)
{
    static const struct {
        const char *value, *over, *shards;
    } cases[] = {
        {"{\"S\":\"x\"}", "\":q = p#{0..2}\"", S("p#0") " " S("p#1") " " S("p#2")},
        {"{\"S\":\"x\"}", "\":q=p{9..10}z\"", S("p9z") " " S("p10z")},
        {"{\"S\":\"x\"}", "\":q  =  {7..7}\"", S("7")},
        {"{\"S\":\"x\"}", "\":q = {08..10}\"", S("08") " " S("09") " " S("10")},
        {"{\"S\":\"x\"}", "\":q = {000000000..000000001}\"", S("000000000") " " S("000000001")},
        {"{\"S\":\"x\"}", "\":q = {999999999..999999999}\"", S("999999999")},
        {"{\"S\":\"x\"}", "\":q = {0..1}}\"", S("0}") " " S("1}")},
        {"{\"N\":\"1\"}", "\":q = {0..1}\"", N("0") " " N("1")},
        {"{\"S\":\"x\"}", "\":q in b, a ,c\"", S("b") " " S("a") " " S("c")},
        {"{\"S\":\"x\"}", "\":q in one\"", S("one")},
        {"{\"S\":\"x\"}", "\":q in a b,\\tc\"", S("a b") " " S("c")},
        {"{\"S\":\"x\"}", "\":q in p#{0..1}\"", S("p#{0..1}")}, /* a list has no ranges */
        {"{\"S\":\"x\"}", "\":q in \\u00e9, \\\"\"", S("é") " " S("\\\"")},
        {"{\"N\":\"1\"}", "\":q in 1, -2.5, 3e2\"", N("1") " " N("-2.5") " " N("3e2")},
        {"{\"N\":\"1\"}", "\":q in 1, -1, 10, 0.1\"", N("1") " " N("-1") " " N("10") " " N("0.1")},
        {"{\"N\":\"1\"}", "\":q in 9007199254740993, 9007199254740992\"",
            N("9007199254740993") " " N("9007199254740992")},
        {"{\"S\":\"x\"}", "\":q in 1, 01, 1.0\"", S("1") " " S("01") " " S("1.0")},
        {"{\"B\":\"AA==\"}", "\":q in AAA=, AQ==\"",
            "{\":q\":{\"B\":\"AAA=\"}} {\":q\":{\"B\":\"AQ==\"}}"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        CHECK_STR(cases[i].shards, shards_of(cases[i].value, cases[i].over));
}

#define FORM "must be \":q = queue#{0..15}\" or \":q in a, b, c\""
#define ONE  "must have one range, such as {0..15}"

TEST(what_is_no_sum_is_refused)
{
    static const struct {
        const char *value, *over, *why;
    } cases[] = {
        {"{\"S\":\"x\"}", "\":q\"", FORM},
        {"{\"S\":\"x\"}", "\"q = {0..1}\"", FORM},
        {"{\"S\":\"x\"}", "\"= {0..1}\"", FORM},
        {"{\"S\":\"x\"}", "\":q inside a\"", FORM},
        {"{\"S\":\"x\"}", "\":q =\"", FORM},
        {"{\"S\":\"x\"}", "\":q = p\"", FORM},
        {"{\"S\":\"x\"}", "\":q = p{\"", FORM},
        {"{\"S\":\"x\"}", "\":q = p{a..b}\"", FORM},
        {"{\"S\":\"x\"}", "\":q = p{-1..3}\"", FORM},
        {"{\"S\":\"x\"}", "\":q = p{0\"", ONE},
        {"{\"S\":\"x\"}", "\":q = p{0.\"", ONE},
        {"{\"S\":\"x\"}", "\":q = p{0..\"", ONE},
        {"{\"S\":\"x\"}", "\":q = p{0..}\"", ONE},
        {"{\"S\":\"x\"}", "\":q = p{0..1\"", ONE},
        {"{\"S\":\"x\"}", "\":q = p{0}\"", ONE},
        {"{\"S\":\"x\"}", "\":q = p{0-1}\"", ONE},
        {"{\"S\":\"x\"}", "\":q = p{0...1}\"", ONE},
        {"{\"S\":\"x\"}", "\":q = p{0..1}{0..1}\"", ONE},
        {"{\"S\":\"x\"}", "\":q = p{0..1234567890}\"", ONE},
        {"{\"S\":\"x\"}", "\":q = p{1234567890..1234567891}\"", FORM},
        {"{\"S\":\"x\"}", "\":q = p{1..0}\"", "from a smaller to a larger number, of at most 256"},
        {"{\"S\":\"x\"}", "\":q = p{0..256}\"", "of at most 256"},
        {"{\"S\":\"x\"}", "\":q = p{0..999999999}\"", "of at most 256"},
        {"{\"S\":\"x\"}", "\":q in \"", FORM},
        {"{\"S\":\"x\"}", "\":q in ,\"", "a value that is empty"},
        {"{\"S\":\"x\"}", "\":q in a,\"", "a value that is empty"},
        {"{\"S\":\"x\"}", "\":q in a, , b\"", "a value that is empty"},
        {"{\"S\":\"x\"}", "\":q in a, b, a\"", "a value twice"},
        {"{\"N\":\"1\"}", "\":q in 1, 2, 1\"", "a value twice"},
        {"{\"N\":\"1\"}", "\":q in 1, 01\"", "a value twice"},
        {"{\"N\":\"1\"}", "\":q in 1, +1.0\"", "a value twice"},
        {"{\"N\":\"1\"}", "\":q in 10e-1, 0.1E1\"", "a value twice"},
        {"{\"N\":\"1\"}", "\":q in 100, 1e2\"", "a value twice"},
        {"{\"N\":\"1\"}", "\":q in -0, 0\"", "a value twice"},
        {"{\"N\":\"1\"}", "\":q in 0e5, .0\"", "a value twice"},
        {"{\"N\":\"1\"}", "\":q in a\"", "sumOver"},
        {"{\"N\":\"1\"}", "\":q = p{0..1}\"", "sumOver"},
        {"{\"B\":\"AA==\"}", "\":q in !\"", "sumOver"},
        {"{\"S\":\"x\"}", "\":other in a\"", "a placeholder without a value of type S, N or B"},
        {"{\"BOOL\":true}", "\":q in a\"", "a placeholder without a value of type S, N or B"},
        {"{\"SS\":[\"a\"]}", "\":q in a\"", "a placeholder without a value of type S, N or B"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *lines = lines_of(summed(cases[i].value, cases[i].over), FINDING_ERROR);

        if (strstr(lines, cases[i].why) == NULL || strstr(lines, "error: sumOver") == NULL)
            TEST_FAIL("%s:\n%s", cases[i].over, lines);
    }
}

TEST(there_may_be_256_values_of_2048_bytes)
{
    char value[2100], over[2200], list[4096] = "\":q in 0";

    CHECK(strstr(shards_of("{\"S\":\"x\"}", "\":q = {0..255}\""), S("255")) != NULL);
    for (int i = 1; i <= 256; i++) {
        if (i == 256) {
            char whole[sizeof(list) + 2];

            snprintf(whole, sizeof(whole), "%s\"", list);
            CHECK(strstr(shards_of("{\"S\":\"x\"}", whole), S("255")) != NULL);
        }
        snprintf(list + strlen(list), sizeof(list) - strlen(list), ",%d", i);
    }
    snprintf(list + strlen(list), sizeof(list) - strlen(list), "\"");
    CHECK(strstr(lines_of(summed("{\"S\":\"x\"}", list), FINDING_ERROR), "more than 256 values") !=
          NULL);
    for (int len = 2047; len <= 2049; len++) {
        memset(value, 'v', (size_t)len);
        value[len] = '\0';
        snprintf(over, sizeof(over), "\":q in %s\"", value);
        CHECK_INT(len <= 2048, lines_of(summed("{\"S\":\"x\"}", over), FINDING_ERROR)[0] == '\0');
        value[len - 1] = '\0';
        snprintf(over, sizeof(over), "\":q = %s{0..0}\"", value);
        CHECK_INT(len <= 2048, lines_of(summed("{\"S\":\"x\"}", over), FINDING_ERROR)[0] == '\0');
    }
}

TEST(a_value_of_clients_is_not_summed)
{
    char text[9000];

    snprintf(text, sizeof(text), "%s    clientValues: ':q'\n",
        summed("{\"S\":\"x\"}", "\":q in a, b\""));
    CHECK(strstr(lines_of(text, FINDING_ERROR), "placeholder of clientValues") != NULL);
}

TEST(a_note_says_that_keda_counts_one)
{
    CHECK(strstr(lines_of(summed("{\"S\":\"x\"}", "\":q = {0..15}\""), FINDING_NOTE),
              "counts these 16") != NULL);
}

TEST_MAIN(RUN(a_range_or_a_list_is_its_values_in_their_order), RUN(what_is_no_sum_is_refused),
    RUN(there_may_be_256_values_of_2048_bytes), RUN(a_value_of_clients_is_not_summed),
    RUN(a_note_says_that_keda_counts_one))
