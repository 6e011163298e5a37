/* SPDX-License-Identifier: Apache-2.0 */
/* What the command prints. */
#include "client/cli/cli.h"
#include "client/cli/count.h"
#include "client/cli/json.h"
#include "client/cli/prometheus.h"
#include "client/cli/table.h"
#include "client/cli/terminal.h"
#include "tests/unit/test.h"

static struct json *read_json(const char *text)
{
    char error[200];
    struct json *json = json_parse(text, error, sizeof(error));

    if (json == NULL)
        TEST_FAIL("%s", error);
    return json;
}

/* A stream that is no terminal, and what was written to it. */
static char *written;
static size_t written_len;

static FILE *open_output(void)
{
    return open_memstream(&written, &written_len);
}

static void check_output(FILE *file, const char *expected)
{
    fclose(file);
    CHECK_STR(expected, written);
    free(written);
}

TEST(columns_are_aligned_by_characters)
{
    struct table table;

    table_init(&table);
    table_column(&table, "NAME", false);
    table_column(&table, "EMPTY", false);
    table_column(&table, "COUNT", true);
    table_column(&table, "LAST", false);
    table_add(&table, "grün");
    table_add(&table, NULL);
    table_addf(&table, "%d", 7);
    table_add(&table, "x");
    table_add(&table, "blueish");
    table_add(&table, "");
    table_add(&table, "1234567");
    table_add(&table, "yy");
    FILE *file = open_output();
    table_print(&table, file, 1);
    check_output(file, " NAME       COUNT  LAST\n"
                       " grün           7  x\n"
                       " blueish  1234567  yy\n");
    table_free(&table);
}

TEST(control_characters_reach_no_terminal)
{
    static const struct {
        const char *text, *shown;
    } cases[] = {{"plain", "plain"}, {"a\x1b[31mb", "a\\x1b[31mb"}, {"a\nb\t", "a\\x0ab\\x09"},
        {"\x7f", "\\x7f"}, {"\xc2\x9b", "\\x9b"}, {"\xc3\xa4", "\xc3\xa4"},
        {"\xff\xc3", "\\xff\\xc3"}, {"\xe2\x80\xae", "\\u202e"}, {"\xe2\x81\xa6", "\\u2066"},
        {"\xc2\x85", "\\x85"}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        FILE *file = open_output();

        terminal_print(file, "%s", cases[i].text);
        check_output(file, cases[i].shown);
    }
    CHECK_INT(4, terminal_width("\x7f"));
    CHECK_INT(1, terminal_width("\xc3\xa4"));
}

TEST(every_conversion_is_escaped_and_the_format_is_not)
{
    FILE *file = open_output();

    terminal_print(file, "\x1b[H%s|%-4s|%.*s|%d %5ld %zu %lld%%\n%.3g %c%s\n", "\n", "\x1b", 2,
        "\x9b\x07z", -1, 2L, (size_t)3, INT64_MAX < 0 ? 0LL : 4LL, 0.5, '\a', "end");
    check_output(file, "\x1b[H\\x0a|\\x1b   |\\x9b\\x07|-1     2 3 4%\n0.5 \\x07end\n");
}

TEST(json_and_labels_escape_in_their_own_way)
{
    FILE *file = open_output();
    struct json *json = read_json("[\"\\u0085\\u007f\\u202e\\u00e4\\u001b\"]");

    json_print(file, json, true);
    check_output(file, "[\"\\u0085\\u007f\\u202e\xc3\xa4\\u001B\"]\n");
    json_free(json);
    file = open_output();
    terminal_print_label(file, "a\n\"\\\x1b\xc2\x9b\xe2\x80\xae");
    check_output(file, "\"a\\n\\\"\\\\\\\\x1b\\\\x9b\\\\u202e\"");
}

TEST(an_answer_is_shown_as_a_tree)
{
    struct json *json = read_json(
        "{\"version\": \"1.2.3\", \"uptime_ms\": 65000, \"big\": 1234567, \"pid\": 12345, "
        "\"config\": {\"files\": [\"a\", \"b\"], \"loaded\": true, \"deep\": {\"rss_kb\": 2048}}, "
        "\"latency_ms\": {\"p50\": 0.12345, \"max\": 2950.0, \"samples\": 10}, "
        "\"peers\": [{\"uid\": 0, \"name\": \"x\"}, {\"uid\": 1000, \"more\": null}], "
        "\"left\": 1, \"last_error\": {\"code\": 9, \"name\": \"ACCESS_DENIED\", \"message\": "
        "\"no\", \"aws\": {\"code\": \"AccessDeniedException\", \"request_id\": \"R\"}}}");
    static const char *const without[] = {"left", NULL};
    FILE *file = open_output();

    tree_print(file, json, 0, without);
    check_output(file, "version     1.2.3\n"
                       "uptime      1 m 5 s\n"
                       "big         1,234,567\n"
                       "pid         12345\n"
                       "last error  ACCESS_DENIED: no [AccessDeniedException, R]\n"
                       "config\n"
                       "  files   a, b\n"
                       "  loaded  yes\n"
                       "  deep\n"
                       "    rss  2,048 kB\n"
                       "latency\n"
                       "  p50      0.123 ms\n"
                       "  max      2.9 s\n"
                       "  samples  10\n"
                       "peers\n"
                       "   uid  name  more\n"
                       "     0  x     \n"
                       "  1000        -\n");
    json_free(json);
}

TEST(numbers_are_grouped)
{
    static const struct {
        const char *json, *shown;
    } cases[] = {{"0", "0"}, {"999", "999"}, {"1000", "1,000"}, {"-1000", "-1,000"},
        {"-999", "-999"}, {"9223372036854775807", "9,223,372,036,854,775,807"},
        {"[1, [2, 3]]", "1, 2, 3"}, {"{\"a_b\": 1, \"c\": false}", "a b 1, c no"}, {"null", "-"},
        {"1.5", "1.5"}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct json *json = read_json(cases[i].json);
        char text[64];

        tree_value("x", json, text, sizeof(text));
        CHECK_STR(cases[i].shown, text);
        json_free(json);
    }
}

TEST(a_bar_shows_parts_and_never_nothing_for_something)
{
    static const struct {
        int64_t value, scale;
        bool utf8;
        const char *bar;
    } cases[] = {{0, 10, true, ""}, {1, 1000000, true, "▏"}, {5, 10, true, "█████"},
        {10, 10, true, "██████████"}, {20, 10, true, "██████████"}, {55, 1000, true, "▌"},
        {5, 10, false, "#####"}, {1, 1000, false, "#"}, {5, 0, true, ""}, {-1, 10, true, ""}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[64];

        bar_draw(cases[i].value, cases[i].scale, 10, cases[i].utf8, text, sizeof(text));
        CHECK_STR(cases[i].bar, text);
    }
    char small[5];
    bar_draw(10, 10, 10, true, small, sizeof(small));
    CHECK_STR("█", small);
}

TEST(metrics_follow_the_text_format)
{
    struct json *count = read_json("{\"trigger\": \"a/\\\"b\\\\c\\n\", \"count\": "
                                   "9007199254740993, \"quality\": \"exact\"}");
    FILE *file = open_output();

    prometheus_count(file, count);
    check_output(file, "# HELP tally_trigger_items The count.\n"
                       "# TYPE tally_trigger_items gauge\n"
                       "tally_trigger_items{trigger=\"a/\\\"b\\\\c\\n\",quality=\"exact\"} "
                       "9007199254740993\n");
    json_free(count);
}

TEST(what_was_never_counted_is_no_sample)
{
    struct json *list = read_json("{\"triggers\": [{\"name\": \"a\", \"table\": \"t\", \"state\": "
                                  "\"never\", \"target\": 5}]}");
    FILE *file = open_output();

    prometheus_list(file, list);
    fclose(file);
    CHECK(strstr(written, "tally_trigger_items{") == NULL);
    CHECK(strstr(written, "tally_trigger_target{trigger=\"a\",table=\"t\"} 5\n") != NULL);
    CHECK(strstr(written, "tally_trigger_failed{trigger=\"a\",table=\"t\"} 0\n") != NULL);
    free(written);
    json_free(list);
}

TEST(msgpack_becomes_json_and_comes_back)
{
    static const struct {
        const char *packed;
        size_t len;
        const char *json;
    } cases[] = {
        {"\x82\xa1"
         "a\x01\xa1"
         "b\x92\xc3\xc0",
            9, "{\"a\":1,\"b\":[true,null]}"},
        {"\xff", 1, "-1"},
        {"\xcf\x7f\xff\xff\xff\xff\xff\xff\xff", 9, "9223372036854775807"},
        {"\xa2\xc3\xa4", 3, "\"\xc3\xa4\""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t len = 0;
        struct json *json = json_from_msgpack(cases[i].packed, cases[i].len);
        FILE *file = open_output();

        json_print(file, json, true);
        fclose(file);
        written[strlen(written) - 1] = '\0';
        CHECK_STR(cases[i].json, written);
        free(written);
        void *packed = json_to_msgpack(json, &len);
        CHECK_MEM(cases[i].packed, cases[i].len, packed, len);
        free(packed);
        json_free(json);
    }
}

TEST(what_json_cannot_hold_is_shown_otherwise)
{
    static const struct {
        const char *packed;
        size_t len;
        const char *json;
    } cases[] = {
        {"\xc4\x02\xff\xfe", 4, "\"//4=\""},
        {"\xa1\xff", 2, "\"/w==\""},
        {"\x81\x05\x01", 3, "{\"5\":1}"},
        {"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", 9, "null"},
        {"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9, "1.84467440737096e19"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct json *json = json_from_msgpack(cases[i].packed, cases[i].len);
        FILE *file = open_output();

        json_print(file, json, true);
        fclose(file);
        written[strlen(written) - 1] = '\0';
        CHECK_STR(cases[i].json, written);
        free(written);
        json_free(json);
    }
}

TEST(values_are_attribute_values_or_plain)
{
    static const struct {
        const char *text, *json; /* or the error */
    } cases[] = {
        {":a={\"N\": \"5\"}", "{\":a\":{\"N\":\"5\"}}"},
        {":a=plain text", "{\":a\":{\"S\":\"plain text\"}}"},
        {":a=\"5\"", "{\":a\":{\"S\":\"5\"}}"},
        {":a=5", "{\":a\":{\"N\":\"5\"}}"},
        {":a=0.10", "{\":a\":{\"N\":\"0.10\"}}"},
        {":a=true", "{\":a\":{\"BOOL\":true}}"},
        {":a=b=c", "{\":a\":{\"S\":\"b=c\"}}"},
        {":a=", "{\":a\":{\"S\":\"\"}}"},
        {"a=5", "--value: \"a=5\" is not :placeholder=VALUE"},
        {":a", "--value: \":a\" is not :placeholder=VALUE"},
        {":=5", "--value: \":=5\" is not :placeholder=VALUE"},
        {":a={\"N\": 5", "--value :a: invalid JSON"},
        {":a=[1]", "--value :a: write an AttributeValue"},
        {":a=null", "--value :a: write an AttributeValue"},
        {":a=\xff", "--value :a: the text is not UTF-8"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct json *values = json_new_map();
        char error[512];

        if (value_add(values, cases[i].text, error, sizeof(error))) {
            FILE *file = open_output();

            json_print(file, values, true);
            fclose(file);
            written[strlen(written) - 1] = '\0';
            CHECK_STR(cases[i].json, written);
            free(written);
        } else if (strstr(error, cases[i].json) == NULL) {
            TEST_FAIL("%s: %s", cases[i].text, error);
        }
        json_free(values);
    }
}

TEST_MAIN(RUN(columns_are_aligned_by_characters), RUN(control_characters_reach_no_terminal),
    RUN(every_conversion_is_escaped_and_the_format_is_not),
    RUN(json_and_labels_escape_in_their_own_way), RUN(an_answer_is_shown_as_a_tree),
    RUN(numbers_are_grouped), RUN(a_bar_shows_parts_and_never_nothing_for_something),
    RUN(metrics_follow_the_text_format), RUN(what_was_never_counted_is_no_sample),
    RUN(msgpack_becomes_json_and_comes_back), RUN(what_json_cannot_hold_is_shown_otherwise),
    RUN(values_are_attribute_values_or_plain))
