/* SPDX-License-Identifier: Apache-2.0 */
/* What the YAML reader takes and refuses, hostile input included. */
#include "tests/unit/config_world.h"

#include "agent/config/yaml.h"

static const char *repeat(const char *text, size_t times, const char *tail)
{
    static char *all;
    size_t len = strlen(text), size = len * times + strlen(tail) + 1;

    free(all);
    all = malloc(size);
    CHECK(all != NULL);
    for (size_t i = 0; i < times; i++)
        memcpy(all + i * len, text, len);
    memcpy(all + len * times, tail, strlen(tail) + 1);
    return all;
}

/* The document, printed as JSON-like text with a mark per kind: null ~, bool b, number n. */
static void print_node(const struct node *node, FILE *out)
{
    static const char marks[] = {'~', 'b', 'n', '\''};

    if (node_is_scalar(node)) {
        fprintf(out, "%c%s", marks[node->kind], node->text);
    } else if (node->kind == NODE_LIST) {
        fputc('[', out);
        for (uint32_t i = 0; i < node->count; i++) {
            print_node(node->items[i], out);
            fputc(i + 1 < node->count ? ' ' : ']', out);
        }
    } else {
        fputc('{', out);
        for (uint32_t i = 0; i < node->count; i++) {
            fprintf(out, "%s=", node->pairs[i].key->text);
            print_node(node->pairs[i].value, out);
            fputc(i + 1 < node->count ? ' ' : '}', out);
        }
    }
}

static int print_document(void *data, const struct tree *tree)
{
    FILE *out = data;

    print_node(tree->root, out);
    fputc(';', out);
    return 0;
}

/* The documents, then the findings. */
static const char *read_back(const char *yaml, size_t len)
{
    static char *text;
    size_t size = 0;
    struct findings findings;
    struct arena *arena = arena_create(4096, 64u << 20);
    struct yaml_input input = {
        .tree = {.file = "t", .findings = &findings}, .data = yaml, .len = len};

    free(text);
    CHECK(arena != NULL);
    findings_init(&findings, arena);
    FILE *out = open_memstream(&text, &size);
    int r = yaml_read(&input, arena, print_document, out);
    size_t count = 0;
    const struct finding *list = findings_finish(&findings, &count);
    CHECK_INT(findings.error_count > 0 ? -EINVAL : 0, r);
    for (size_t i = 0; i < count; i++)
        finding_print(&list[i], out);
    fclose(out);
    findings_free(&findings);
    arena_destroy(arena);
    return text;
}

TEST(scalars_have_the_kind_that_kubernetes_sees)
{
    static const struct {
        const char *yaml, *expected;
    } cases[] = {
        {"a: text", "{a='text};"},
        {"a: 'it''s'", "{a='it's};"},
        {"a: 5", "{a=n5};"},
        {"a: \"5\"", "{a='5};"},
        {"a: -1.5e3", "{a=n-1.5e3};"},
        {"a: 0x1F", "{a=n0x1F};"},
        {"a: 1_000", "{a=n1_000};"},
        {"a: _1", "{a='_1};"},
        {"a: 1.2.3", "{a='1.2.3};"},
        {"a: .inf", "{a=n.inf};"},
        {"a: true", "{a=btrue};"},
        {"a: yes", "{a=byes};"},
        {"a: 'true'", "{a='true};"},
        {"a: !!str true", "{a='true};"},
        {"a: !!int \"5\"", "{a=n5};"},
        {"a: !own x", "{a='x};"},
        {"a:", "{a=~};"},
        {"a: ~", "{a=~~};"},
        {"a: ''", "{a='};"},
        {"a: |\n  one\n  two\n", "{a='one\ntwo\n};"},
        {"a: >-\n  one\n  two\n", "{a='one two};"},
        {"- a\n- [b, {c: 1}]\n", "['a ['b {c=n1}]];"},
        {"{\"a\": \"b\\u00e9\\n\", \"c\": [1, null, true]}",
            "{a='b\xc3\xa9\n c=[n1 ~null btrue]};"},
        {"{\"a\":\"b\\/c\\b\\f\\r\\t\"}", "{a='b/c\b\f\r\t};"},
        {"{\t\"a\":\t1,\n\t\"b\":\t2\n}\n", "{a=n1 b=n2};"},
        {"\xef\xbb\xbf"
         "a: 1",
            "{a=n1};"},
        {"a: 1\n---\n---\n# nothing\n---\nb: 2\n...\n", "{a=n1};{b=n2};"},
        {"%YAML 1.1\n---\na: 1", "{a=n1};"},
        {"", ""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        CHECK_STR(cases[i].expected, read_back(cases[i].yaml, strlen(cases[i].yaml)));
}

TEST(anchors_and_merges_are_followed)
{
    static const struct {
        const char *yaml, *expected;
    } cases[] = {
        {"a: &x [1]\nb: *x\n", "{a=[n1] b=[n1]};"},
        {"a: &x 1\nb: &x 2\nc: *x\n", "{a=n1 b=n2 c=n2};"},
        {"a: &x {k: 1, l: 2}\nb: {<<: *x, l: 3}\n", "{a={k=n1 l=n2} b={l=n3 k=n1}};"},
        {"a: &x {k: 1}\nb: {k: 3, <<: *x}\n", "{a={k=n1} b={k=n3}};"},
        {"a: &x {k: 1}\nb: &y {k: 2, m: 2}\nc: {<<: [*x, *y]}\n",
            "{a={k=n1} b={k=n2 m=n2} c={k=n1 m=n2}};"},
        {"a: {\"<<\": 1}\n", "{a={<<=n1}};"},
        {"a: {<<: 1}\n", "t:1:9: error: <<: merges only a map or a list of maps; use an alias of "
                         "one\n"},
        {"a: {<<: [{}, 1]}\n", "t:1:9: error: <<: merges only a map or a list of maps; use an "
                               "alias of one\n"},
        {"a: *x\n", "t:1:4: error: the alias names an anchor that does not exist\n"},
        {"a: &x\n  b: *x\n", "t:2:6: error: the anchor contains itself through this alias\n"},
        {"a: &x [[*x]]\n", "t:1:9: error: the anchor contains itself through this alias\n"},
        {"a: &x 1\n---\nb: *x\n",
            "{a=n1};t:3:4: error: the alias names an anchor that does not exist\n"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        CHECK_STR(cases[i].expected, read_back(cases[i].yaml, strlen(cases[i].yaml)));
}

TEST(a_repeated_key_is_a_warning_and_the_last_counts)
{
    CHECK_STR("{a=n2};t:2:1: warning: a: given more than once in the same map; the last value "
              "counts, remove the others\n",
        read_back("a: 1\na: 2\n", 10));
    /* The same in a map that is too large to compare each key with each. */
    const char *large = "{a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1, h: 1, i: 1, j: 1, k: 1, l: 1, "
                        "m: 1, n: 1, o: 1, p: 1, b: 2}";
    const char *text = read_back(large, strlen(large));
    CHECK(strstr(text, "{a=n1 c=n1 ") == text);
    CHECK(strstr(text, " p=n1 b=n2};") != NULL);
    CHECK(strstr(text, "t:1:98: warning: b: given more than once") != NULL);
}

TEST(broken_yaml_is_reported_with_its_place)
{
    static const struct {
        const char *yaml;
        size_t len;
        const char *expected;
    } cases[] = {
        {"a: [1, 2\nb: 3\n", 0,
            "t:2:2: error: not valid YAML: while parsing a flow sequence at 1:4, did not find "
            "expected ',' or ']'; is the indentation right, and are there no tabs?\n"},
        {"a:\n\tb: 1\n", 0,
            "t:2:1: error: not valid YAML: while scanning for the next token at 2:1, found "
            "character "
            "that cannot start any token; is the indentation right, and are there no tabs?\n"},
        {"a: b\nc: \xff\n", 0, "t:2:4: error: not valid YAML: invalid leading UTF-8 octet\n"},
        {"a: \xc3(\n", 0, "t:1:5: error: not valid YAML: invalid trailing UTF-8 octet\n"},
        {"a: 1\nb: \0 2\n", 11,
            "t:2:4: error: not valid YAML: control characters are not allowed\n"},
        {"a: \"x\\0y\"\n", 0, "t:1:4: error: the text holds a NUL character; remove the \\0\n"},
        {"? [a, b]\n: 1\n", 0, "t:1:3: error: a key must be a plain text, not a list\n"},
        {"a: !!binary aGk=\n", 0, "t:1:4: error: !!binary is not read; write the text itself\n"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        CHECK_STR(cases[i].expected,
            read_back(cases[i].yaml, cases[i].len > 0 ? cases[i].len : strlen(cases[i].yaml)));
}

TEST(nesting_ends_at_64_levels)
{
    const char *deep = repeat("[", 64, "");
    char *closed = malloc(256);

    CHECK(closed != NULL);
    snprintf(closed, 256, "%s%.*s", deep, 64,
        "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
    CHECK(strstr(read_back(closed, strlen(closed)), "error") == NULL);
    free(closed);
    deep = repeat("[", 65, "");
    CHECK_STR("t:1:65: error: nested more than 64 levels deep\n", read_back(deep, 65));
    /* An alias adds its levels to where it stands. */
    char *alias = malloc(512);
    CHECK(alias != NULL);
    snprintf(alias, 512, "- &x %.*s%.*s\n- %s*x\n", 40, "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
        40, "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", "[[[[[[[[[[[[[[[[[[[[[[[[");
    CHECK_STR("t:2:27: error: nested more than 64 levels deep through this alias\n",
        read_back(alias, strlen(alias)));
    free(alias);
}

TEST(alias_bombs_are_refused)
{
    const char *laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
                         "a1: &a1 [*a0,*a0,*a0,*a0,*a0,*a0,*a0,*a0,*a0]\n"
                         "a2: &a2 [*a1,*a1,*a1,*a1,*a1,*a1,*a1,*a1,*a1]\n"
                         "a3: &a3 [*a2,*a2,*a2,*a2,*a2,*a2,*a2,*a2,*a2]\n"
                         "a4: &a4 [*a3,*a3,*a3,*a3,*a3,*a3,*a3,*a3,*a3]\n"
                         "a5: &a5 [*a4,*a4,*a4,*a4,*a4,*a4,*a4,*a4,*a4]\n"
                         "a6: &a6 [*a5,*a5,*a5,*a5,*a5,*a5,*a5,*a5,*a5]\n";

    CHECK_STR("t:7:45: error: too large once its aliases are followed (1000000 values); split it\n",
        read_back(laughs, strlen(laughs)));
    const char *many = repeat("- *x\n", 10001, "");
    struct buffer text;
    buffer_init(&text, 1 << 20);
    buffer_printf(&text, "- &x 1\n%s", many);
    CHECK_STR("t:10002:3: error: more than 10000 aliases in one document; split it\n",
        read_back(buffer_string(&text), text.len));
    buffer_free(&text);
    const char *anchors = repeat("- &x 1\n", 1001, "");
    CHECK_STR("t:1001:3: error: more than 1000 anchors in one document; split it\n",
        read_back(anchors, strlen(anchors)));
}

TEST(large_text_behind_aliases_counts_too)
{
    struct buffer text;

    buffer_init(&text, 1 << 20);
    buffer_printf(&text, "- &x y%0500000d\n- [*x", 1);
    for (int i = 0; i < 40; i++)
        buffer_append_string(&text, ",*x");
    buffer_append_string(&text, "]\n");
    CHECK(!text.failed);
    CHECK(strstr(read_back(buffer_string(&text), text.len),
              "too large once its aliases are followed") != NULL);
    buffer_free(&text);
}

TEST(documents_end_at_10000)
{
    struct config *config = config_of(repeat("---\nkind: X\n", 10000, ""));

    CHECK_INT(0, config->error_count);
    config_destroy(config);
    config = config_of(repeat("---\nkind: X\n", 10001, ""));
    CHECK_STR("t.yaml:20002:1: error: more than 10000 documents in all; the rest is not read\n",
        config_lines(config, FINDING_ERROR));
    config_destroy(config);
    /* Also when they come from several files, or in a List. */
    const char *const files[] = {"a.yaml", repeat("---\nkind: X\n", 9999, ""), "b.yaml",
        "kind: List\nitems:\n- kind: X\n- kind: X\n", "c.yaml", "kind: X\n", NULL};
    config = config_of_files(files);
    CHECK_STR("b.yaml:4:3: error: more than 10000 documents in all; the rest is not read\n",
        config_lines(config, FINDING_ERROR));
    config_destroy(config);
}

TEST(triggers_behind_aliases_end_at_20000)
{
    char *text = malloc(1 << 20);

    CHECK(text != NULL);
    int len = 0;
    for (int document = 0; document < 3; document++) {
        len += snprintf(text + len, (size_t)((1 << 20) - len),
            "---\nkind: ScaledObject\napiVersion: keda.sh/v1alpha1\nmetadata: {name: o%d}\n"
            "spec:\n  triggers:\n  - &t\n    type: aws-dynamodb\n    metadata: {awsRegion: r, "
            "tableName: tab, targetValue: '1', keyConditionExpression: k}\n",
            document);
        for (int i = 0; i < 9999; i++)
            len += snprintf(text + len, (size_t)((1 << 20) - len), "  - *t\n");
    }
    struct config *config = config_of(text);
    CHECK_INT(20000, config->trigger_count);
    CHECK(strstr(config_lines(config, FINDING_ERROR), "more than 20000 triggers in all") != NULL);
    config_destroy(config);
    free(text);
}

TEST(findings_are_listed_up_to_a_limit_and_counted_beyond)
{
    struct config *config = config_of(repeat("---\n- 1\n", 9999, "---\nkind: Secret\n"));

    CHECK_INT(FINDINGS_MAX / 2 + 2, config->finding_count);
    CHECK_INT(1, config->error_count);
    /* The error is listed behind 5000 warnings. */
    CHECK_STR("t.yaml:20000:1: error: metadata.name: a Secret needs a name without blanks and "
              "slashes\n",
        config_lines(config, FINDING_ERROR));
    CHECK_STR("5000 more findings are not listed; repair these first",
        config->findings[FINDINGS_MAX / 2 + 1].message);
    config_destroy(config);
}

TEST(folded_and_anchored_metadata_is_read)
{
    struct config *config = config_of(
        "triggers:\n- type: aws-dynamodb\n  metadata: &base\n"
        "    awsRegion: &region eu-west-1\n"
        "    tableName: >-\n      jobs\n"
        "    targetValue: '5'\n"
        "    expressionAttributeNames: |\n      {\"#k\": \"st''ate\"}\n"
        "    keyConditionExpression: >\n      #k\n      = :a\n"
        "    expressionAttributeValues: '{\":a\":{\"S\":\"it''s\"}}'\n"
        "- type: aws-dynamodb\n  name: other\n  metadata:\n"
        "    <<: *base\n    tableName: other\n");

    CHECK_STR("", config_lines(config, FINDING_WARNING));
    CHECK_INT(2, config->trigger_count);
    CHECK_STR("default/t/0", config->triggers[0].name);
    CHECK_STR("default/t/other", config->triggers[1].name);
    CHECK_STR("jobs", config->triggers[0].query.table);
    CHECK_STR("other", config->triggers[1].query.table);
    CHECK_STR("s1-aws-dynamodb-other", config->triggers[1].metric_name);
    CHECK_STR("#k = :a", config->triggers[1].query.key_condition);
    CHECK_STR("{\":a\":{\"S\":\"it's\"}}", config->triggers[1].query.values);
    CHECK_STR("{\"#k\":\"st''ate\"}", config->triggers[1].query.names);
    config_destroy(config);
}

TEST_MAIN(RUN(scalars_have_the_kind_that_kubernetes_sees), RUN(anchors_and_merges_are_followed),
    RUN(a_repeated_key_is_a_warning_and_the_last_counts),
    RUN(broken_yaml_is_reported_with_its_place), RUN(nesting_ends_at_64_levels),
    RUN(alias_bombs_are_refused), RUN(large_text_behind_aliases_counts_too),
    RUN(documents_end_at_10000), RUN(triggers_behind_aliases_end_at_20000),
    RUN(findings_are_listed_up_to_a_limit_and_counted_beyond),
    RUN(folded_and_anchored_metadata_is_read))
