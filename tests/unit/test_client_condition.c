/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/condition.h"
#include "client/cli/json.h"
#include "tests/unit/test.h"

static enum verdict check(const char *condition, const char *answer)
{
    struct condition parsed;
    char error[400] = "";

    if (!condition_parse(&parsed, condition, error, sizeof(error)))
        TEST_FAIL("%s", error);
    struct json *json = json_parse(answer, error, sizeof(error));
    if (json == NULL)
        TEST_FAIL("%s", error);
    enum verdict verdict = condition_check(&parsed, json);
    json_free(json);
    return verdict;
}

#define ANSWER(quality)                                                                            \
    "{\"count\": 10, \"quality\": \"" quality "\", \"active\": true, \"fallback\": false,"         \
    " \"age_ms\": 500, \"pages\": 2, \"consumed_rcu\": 1.5}"

TEST(conditions_on_an_exact_count)
{
    static const struct {
        const char *condition;
        enum verdict verdict;
    } cases[] = {
        {"count < 11", VERDICT_YES},
        {"count < 10", VERDICT_NO},
        {"count <= 10", VERDICT_YES},
        {"count<=9", VERDICT_NO},
        {"count == 10", VERDICT_YES},
        {"count = 10", VERDICT_YES},
        {"count != 10", VERDICT_NO},
        {"count != 9", VERDICT_YES},
        {"count >= 10", VERDICT_YES},
        {"count > 10", VERDICT_NO},
        {"count > 9.5", VERDICT_YES},
        {"count > -1", VERDICT_YES},
        {"count", VERDICT_YES},
        {"active", VERDICT_YES},
        {"active == false", VERDICT_NO},
        {"fallback == false", VERDICT_YES},
        {"fallback", VERDICT_NO},
        {"consumed_rcu > 1.4", VERDICT_YES},
        {"count > 5 and age_ms < 400", VERDICT_NO},
        {"count > 5 && age_ms < 600", VERDICT_YES},
        {"count > 50 or age_ms < 600", VERDICT_YES},
        {"count > 50 || pages > 5", VERDICT_NO},
        /* and binds closer than or */
        {"active or fallback and fallback", VERDICT_YES},
        {"(active or fallback) and fallback", VERDICT_NO},
        {"((count > 1))", VERDICT_YES},
        {"desired_replicas > 0", VERDICT_UNKNOWN}, /* the answer has none */
        {"desired_replicas > 0 or active", VERDICT_YES},
        {"desired_replicas > 0 and active", VERDICT_UNKNOWN},
        {"desired_replicas > 0 and fallback", VERDICT_NO},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (check(cases[i].condition, ANSWER("exact")) != cases[i].verdict)
            TEST_FAIL("%s", cases[i].condition);
    }
}

TEST(a_lower_bound_proves_only_what_holds_for_larger_counts)
{
    static const struct {
        const char *condition;
        enum verdict verdict;
    } cases[] = {
        {"count >= 10", VERDICT_YES},
        {"count > 9", VERDICT_YES},
        {"count > 10", VERDICT_UNKNOWN},
        {"count < 10", VERDICT_NO},
        {"count <= 9", VERDICT_NO},
        {"count <= 10", VERDICT_UNKNOWN},
        {"count == 10", VERDICT_UNKNOWN},
        {"count == 9", VERDICT_NO},
        {"count != 9", VERDICT_YES},
        {"count != 10", VERDICT_UNKNOWN},
        {"active", VERDICT_YES},
        {"active == true", VERDICT_YES},
        {"active == false", VERDICT_NO},
        {"pages == 2", VERDICT_YES},
        {"age_ms < 600", VERDICT_YES},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (check(cases[i].condition, ANSWER("at_least")) != cases[i].verdict)
            TEST_FAIL("%s", cases[i].condition);
    }
}

TEST(a_stale_count_proves_nothing)
{
    CHECK_INT(VERDICT_UNKNOWN, check("count >= 0", ANSWER("stale")));
    CHECK_INT(VERDICT_UNKNOWN, check("count >= 0", ANSWER("sampled")));
    CHECK_INT(VERDICT_UNKNOWN, check("count >= 0", "{\"count\": 1}"));
}

TEST(what_is_no_condition_is_refused_with_its_place)
{
    static const struct {
        const char *condition, *error;
    } cases[] = {
        {"", "at character 1: write one of count"},
        {"  ", "at character 3: write one of count"},
        {"cuont > 1", "at character 1: write one of count"},
        {"count >", "at character 8: write a number"},
        {"count > x", "at character 9: write a number"},
        {"count > nan", "at character 9: write a number"},
        {"count > 0x10", "at character 9: write a number"},
        {"count > 1 2", "at character 11: write <"},
        {"count > 1 and", "at character 14: write one of count"},
        {"(count > 1", "at character 11: a ) is missing"},
        {"count > 1)", "at character 10: write <"},
        {"counts > 1", "at character 1: write one of count"},
        {"active android", "at character 8: write <"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct condition condition;
        char error[400] = "";

        if (condition_parse(&condition, cases[i].condition, error, sizeof(error)))
            TEST_FAIL("accepted: %s", cases[i].condition);
        if (strstr(error, cases[i].error) == NULL)
            TEST_FAIL("%s: %s", cases[i].condition, error);
    }
}

TEST(long_and_deep_conditions_are_refused)
{
    struct condition condition;
    char text[2000], error[4000];

    memset(text, '(', 1000);
    text[1000] = '\0';
    CHECK(!condition_parse(&condition, text, error, sizeof(error)));
    CHECK(strstr(error, "too many parentheses") != NULL);
    for (size_t i = 0; i < 100; i++)
        memcpy(text + i * 10, "count and ", 10);
    memcpy(text + 1000, "count", 6);
    CHECK(!condition_parse(&condition, text, error, sizeof(error)));
    CHECK(strstr(error, "too long") != NULL);
}

TEST(a_condition_needs_no_more_than_its_numbers)
{
    static const struct {
        const char *condition;
        int64_t activation, enough;
    } cases[] = {
        {"count <= 0", 0, 1},
        {"count < 1", 0, 1},
        {"count == 0", 0, 1},
        {"count > 0", 0, 1},
        {"count", 0, 1},
        {"count >= 0", 0, 1},
        {"count >= 1", 0, 1},
        {"count >= 100", 0, 100},
        {"count < 100", 0, 100},
        {"count > 100", 0, 101},
        {"count <= 100", 0, 101},
        {"count == 100", 0, 101},
        {"count != 100", 0, 101},
        {"count >= 99.5", 0, 100},
        {"count < 99.5", 0, 100},
        {"count > 99.5", 0, 100},
        {"count <= 99.5", 0, 100},
        {"count > -5", 0, 1},
        {"count > -1e300", 0, 1},
        {"count > 1e300", 0, 0},
        {"count > 1e999", 0, 0},
        {"count >= 9007199254740991", 0, INT64_C(9007199254740991)},
        {"count > 9007199254740991", 0, INT64_C(9007199254740992)},
        {"count >= 9007199254740992", 0, 0}, /* not every number of this size is a double */
        {"active", 0, 1},
        {"active", 10, 11},
        {"active == false", 10, 11},
        {"active", INT64_MAX, 0},
        {"active", INT64_MAX - 1, INT64_MAX},
        {"age_ms < 1000", 0, 1},
        {"fallback", 0, 1},
        {"count >= 5 and age_ms < 1000", 0, 5},
        {"count >= 5 or count <= 0", 0, 5},
        {"count >= 5 and (active or count > 20)", 30, 31},
        {"scanned > 5", 0, 0},
        {"pages < 2", 0, 0},
        {"consumed_rcu < 1", 0, 0},
        {"desired_replicas >= 2", 0, 0},
        {"count <= 0 or desired_replicas < 2", 0, 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct condition parsed;
        char error[400] = "";

        if (!condition_parse(&parsed, cases[i].condition, error, sizeof(error)))
            TEST_FAIL("%s", error);
        if (condition_enough(&parsed, cases[i].activation) != cases[i].enough)
            TEST_FAIL("%s: %lld, expected %lld", cases[i].condition,
                (long long)condition_enough(&parsed, cases[i].activation),
                (long long)cases[i].enough);
    }
}

/* What condition_enough promises: the bound decides the condition, for each number it may have. */
TEST(a_count_that_is_enough_decides_the_condition)
{
    static const char *const signs[] = {"<", "<=", "==", "!=", ">=", ">"};

    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
        for (int value = -2; value <= 8; value++) { /* in halves */
            struct condition parsed;
            char text[40], answer[100], error[400] = "";
            int64_t enough;

            snprintf(text, sizeof(text), "count %s %.1f", signs[i], value / 2.0);
            CHECK(condition_parse(&parsed, text, error, sizeof(error)));
            enough = condition_enough(&parsed, 0);
            CHECK(enough > 0);
            for (int64_t count = enough; count < enough + 3; count++) {
                snprintf(answer, sizeof(answer), "{\"count\": %lld, \"quality\": \"at_least\"}",
                    (long long)count);
                if (check(text, answer) == VERDICT_UNKNOWN)
                    TEST_FAIL("%s is not decided by %s", text, answer);
            }
        }
    }
}

TEST_MAIN(RUN(conditions_on_an_exact_count),
    RUN(a_lower_bound_proves_only_what_holds_for_larger_counts), RUN(a_stale_count_proves_nothing),
    RUN(what_is_no_condition_is_refused_with_its_place), RUN(long_and_deep_conditions_are_refused),
    RUN(a_condition_needs_no_more_than_its_numbers),
    RUN(a_count_that_is_enough_decides_the_condition))
