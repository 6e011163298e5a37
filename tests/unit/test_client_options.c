/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/arguments.c"
#include "tests/unit/test.h"

/* Splits at spaces, as a shell would. */
static bool parse(struct arguments *arguments, const char *line, char *error, size_t size)
{
    static char copy[512];
    char *argv[128], *rest = copy;
    int argc = 0;

    snprintf(copy, sizeof(copy), "tally %s", line);
    for (char *word; (word = strsep(&rest, " ")) != NULL;) {
        if (word[0] != '\0')
            argv[argc++] = word;
    }
    return options_parse(arguments, argc, argv, error, size);
}

TEST(options_stand_anywhere)
{
    static const char *const lines[] = {
        "-s /s -o json count orders --max-age 5s",
        "count --max-age=5s orders -s /s -ojson",
        "count orders --output json --max-age 5000 --socket=/s",
        "--max-age 5s -s/s count -o json -- orders",
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct arguments arguments;
        char error[256] = "";

        CHECK(parse(&arguments, lines[i], error, sizeof(error)));
        CHECK_STR("/s", arguments.text[OPTION_SOCKET]);
        CHECK_STR("json", arguments.text[OPTION_OUTPUT]);
        CHECK_INT(5000, arguments.number[OPTION_MAX_AGE]);
        CHECK_INT(2, arguments.operand_count);
        CHECK_STR("count", arguments.operands[0]);
        CHECK_STR("orders", arguments.operands[1]);
        CHECK_INT(OPTION_BIT(SOCKET) | OPTION_BIT(OUTPUT) | OPTION_BIT(MAX_AGE), arguments.given);
        CHECK(options_misplaced(&arguments, OPTIONS_GLOBAL | OPTION_BIT(MAX_AGE)) == NULL);
        CHECK_STR("max-age", options_misplaced(&arguments, OPTIONS_GLOBAL));
    }
}

TEST(options_may_be_repeated)
{
    struct arguments arguments;
    char error[256] = "";

    CHECK(parse(
        &arguments, "query --value :a=1 --name #k=x --value :b=--help", error, sizeof(error)));
    CHECK_INT(2, arguments.list_count[OPTION_VALUE]);
    CHECK_STR(":b=--help", arguments.list[OPTION_VALUE][1]);
    CHECK_INT(1, arguments.list_count[OPTION_NAME]);
    CHECK(!(arguments.given & OPTION_BIT(HELP)));
}

TEST(a_word_behind_two_dashes_is_an_operand)
{
    struct arguments arguments;
    char error[256] = "";

    CHECK(parse(&arguments, "count -- --help -", error, sizeof(error)));
    CHECK_INT(3, arguments.operand_count);
    CHECK_STR("--help", arguments.operands[1]);
    CHECK_STR("-", arguments.operands[2]);
}

TEST(wrong_options_are_named)
{
    static const struct {
        const char *line, *error;
    } cases[] = {
        {"--max-agee 5", "unknown option --max-agee; did you mean --max-age?"},
        {"--tiemout=5", "did you mean --timeout?"},
        {"--zzzzzzzz", "unknown option --zzzzzzzz"},
        {"-x", "unknown option -x"},
        {"-hx", "unknown option -x"},
        {"--timeout", "option --timeout requires an argument: D"},
        {"-t", "option --timeout requires an argument: D"},
        {"--timeout soon", "\"soon\" is not a duration"},
        {"--timeout 60", "\"60\" has no unit: write 60s or 60ms"},
        {"-t 5", "has no unit"},
        {"--interval 1", "has no unit"},
        {"--timeout 5d", "\"5d\" is not a duration"},
        {"--timeout -5", "\"-5\" is not a duration"},
        {"--replicas 1.5", "\"1.5\" is not a number"},
        {"--replicas -1", "\"-1\" is not a number"},
        {"--replicas 99999999999999999999", "is not a number"},
        {"--help=yes", "option --help does not take an argument"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arguments arguments;
        char error[256] = "";

        CHECK(!parse(&arguments, cases[i].line, error, sizeof(error)));
        if (strstr(error, cases[i].error) == NULL)
            TEST_FAIL("%s: %s", cases[i].line, error);
    }
}

TEST(too_much_is_refused)
{
    struct arguments arguments;
    char error[256] = "", line[400] = "";

    for (int i = 0; i <= LIST_MAX; i++)
        snprintf(line + strlen(line), sizeof(line) - strlen(line), "--value x ");
    CHECK(!parse(&arguments, line, error, sizeof(error)));
    line[0] = '\0';
    for (int i = 0; i <= OPERANDS_MAX; i++)
        snprintf(line + strlen(line), sizeof(line) - strlen(line), "x ");
    CHECK(!parse(&arguments, line, error, sizeof(error)));
    CHECK(strstr(error, "too many operands") != NULL);
}

TEST(every_option_has_its_own_name_and_letter)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        for (size_t j = 0; j < i; j++) {
            CHECK(strcmp(options[i].name, options[j].name) != 0);
            CHECK(options[i].letter == 0 || options[i].letter != options[j].letter);
        }
    }
    CHECK(OPTION_COUNT <= 32); /* they are bits */
}

TEST(slips_are_near)
{
    static const char *const known[] = {"count", "list", "top", "explain", "max-age", NULL};
    static const struct {
        const char *word, *suggested;
    } cases[] = {{"count", "count"}, {"conut", "count"}, {"coun", "count"}, {"counts", "count"},
        {"coutn", "count"}, {"xount", "count"}, {"cnuot", "count"}, {"cxuxt", "count"},
        {"Max_Age", "max-age"}, {"explian", "explain"}, {"xount-s", NULL}, {"ls", NULL}, {"", NULL},
        {"a-word-of-more-than-forty-eight-letters-in-which-count-stands", NULL}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *close = suggest(cases[i].word, known);

        CHECK_STR(cases[i].suggested != NULL ? cases[i].suggested : "", close != NULL ? close : "");
    }
}

TEST_MAIN(RUN(options_stand_anywhere), RUN(options_may_be_repeated),
    RUN(a_word_behind_two_dashes_is_an_operand), RUN(wrong_options_are_named),
    RUN(too_much_is_refused), RUN(every_option_has_its_own_name_and_letter), RUN(slips_are_near))
