/* SPDX-License-Identifier: Apache-2.0 */
/* Which documents are read, which are skipped, and how that is reported. */
#include "tests/unit/config_world.h"

#define TRIGGER                                                                                    \
    "  triggers:\n  - type: aws-dynamodb\n    metadata: {awsRegion: r, tableName: tab, "           \
    "targetValue: "                                                                                \
    "'1', keyConditionExpression: k}\n"

TEST(documents_are_reported_by_kind_and_version)
{
    static const struct {
        const char *yaml, *problems;
        size_t triggers;
    } cases[] = {
        {"apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: o}\nspec:\n" TRIGGER,
            "", 1},
        {"kind: ScaledObject\nmetadata: {name: o}\nspec:\n" TRIGGER,
            "t.yaml:1:1: warning: apiVersion: missing; Kubernetes refuses the document without "
            "keda.sh/v1alpha1\n",
            1},
        {"apiVersion: keda.k8s.io/v1alpha1\nkind: ScaledObject\nmetadata: {name: "
         "o}\nspec:\n" TRIGGER,
            "t.yaml: warning: no ScaledObject, ScaledJob or list of triggers, and nothing that one "
            "refers to\n"
            "t.yaml:1:13: warning: apiVersion: skipped: this is not the ScaledObject that tally "
            "reads; use keda.sh/v1alpha1\n",
            0},
        {"apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nspec:\n" TRIGGER,
            "t.yaml:1:1: error: metadata.name: a ScaledObject needs a name without blanks and "
            "slashes\n",
            0},
        {"apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: a/b}\nspec:\n" TRIGGER,
            "t.yaml:3:18: error: metadata.name: a ScaledObject needs a name without blanks and "
            "slashes\n",
            0},
        {"apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: o, namespace: 'a b'}\n"
         "spec:\n" TRIGGER,
            "t.yaml:3:32: error: metadata.namespace: a namespace has no blanks and slashes\n", 0},
        {"apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: o}\n",
            "t.yaml:1:1: error: triggers: missing; add a list with an aws-dynamodb trigger below "
            "spec\n",
            0},
        {"- kind: ScaledObject\n",
            "t.yaml: warning: no ScaledObject, ScaledJob or list of triggers, and nothing that one "
            "refers to\n"
            "t.yaml:1:1: warning: skipped: a document must be a map, this is a list\n",
            0},
        {"kind: List\napiVersion: v1\nitems:\n- apiVersion: keda.sh/v1alpha1\n  kind: "
         "ScaledObject\n"
         "  metadata: {name: o}\n  spec: {triggers: [{type: aws-dynamodb, metadata: {awsRegion: r, "
         "tableName: tab, targetValue: '1', keyConditionExpression: k}}]}\n",
            "", 1},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config *config = config_of(cases[i].yaml);

        CHECK_STR(cases[i].problems, config_lines(config, FINDING_WARNING));
        CHECK_INT(cases[i].triggers, config->trigger_count);
        config_destroy(config);
    }
}

TEST(a_kind_that_is_nearly_one_is_a_warning)
{
    CHECK(strstr(problems_of("kind: scaledobject\n"),
              "t.yaml:1:1: warning: kind: unknown kind scaledobject, so the document is "
              "skipped; did you mean ScaledObject?\n") != NULL);
}

TEST(triggers_beside_the_spec_are_found)
{
    CHECK_STR("t.yaml:6:1: error: triggers: belongs below spec; indent it\n",
        problems_of("apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: o}\n"
                    "spec: {}\ntriggers:\n- type: aws-dynamodb\n"));
}

TEST(other_kinds_are_noted_once)
{
    CHECK_STR("t.yaml:2:1: note: kind: documents of kind Deployment are skipped: tally has no use "
              "for them\n"
              "t.yaml:6:1: note: kind: documents of kind Service are skipped: tally has no use for "
              "them\n"
              "t.yaml:8:1: note: kind: documents of kind (none) are skipped: tally has no use for "
              "them\n",
        strstr(lines_of("---\nkind: Deployment\n---\nkind: Deployment\n---\nkind: Service\n---\n"
                        "a: 1\n",
                   FINDING_NOTE),
            "t.yaml:2:1"));
}

TEST(a_file_of_secrets_alone_is_no_mistake)
{
    const char *const files[] = {"a.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n",
        "b.yaml",
        ("apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: o}\nspec:\n" TRIGGER),
        NULL};
    struct config *config = config_of_files(files);

    CHECK_STR("", config_lines(config, FINDING_WARNING));
    config_destroy(config);
}

TEST(json_files_are_read_and_named)
{
    const char *const files[] = {"d/jobs.json",
        "{\"triggers\": [{\"type\": \"aws-dynamodb\",\n\t\"metadata\": {\"awsRegion\": \"r\", "
        "\"tableName\": \"tab\",\n\t\"targetValue\": \"1\", \"keyConditionExpression\": \"#k = "
        ":k\",\n\t\"expressionAttributeNames\": \"{\\\"#k\\\": \\\"k\\\"}\",\n\t"
        "\"expressionAttributeValues\": \"{\\\":k\\\": {\\\"S\\\": \\\"v\\\"}}\"}}]}\n",
        NULL};
    struct config *config = config_of_files(files);

    CHECK_STR("", config_lines(config, FINDING_WARNING));
    CHECK_STR("default/jobs", config->triggers[0].name);
    CHECK_STR("{\":k\":{\"S\":\"v\"}}", config->triggers[0].query.values);
    config_destroy(config);
}

#define MAP(header)                                                                                \
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, namespace: shop}\ndata:\n" header
#define SNIPPET(indent, table)                                                                     \
    indent "triggers:\n" indent "- type: aws-dynamodb\n" indent                                    \
           "  metadata: {awsRegion: r, targetValue: '1', keyConditionExpression: k,\n" indent      \
           "    tableName: " table "}\n"

TEST(the_data_of_a_config_map_are_documents)
{
    /* The place is that in the file where the lines are the file's, else where the text begins. */
    static const struct {
        const char *yaml, *expected;
    } cases[] = {
        {MAP("  a.yaml: |\n") SNIPPET("    ", "ab"), "t.yaml:9:20"},
        {MAP("  a.yml: |2-\n") SNIPPET("    ", "ab"), "t.yaml:9:20"},
        {MAP("  a.yaml: |  # in words\n\n\n") SNIPPET("       ", "ab"), "t.yaml:11:23"},
        {MAP("  other: |\n    \n  a.yaml: |\n") SNIPPET("    ", "ab"), "t.yaml:11:20"},
        {MAP("  a.json: '{\"triggers\": [{\"type\": \"aws-dynamodb\", \"metadata\": "
             "{\"awsRegion\": "
             "\"r\", \"targetValue\": \"1\", \"keyConditionExpression\": \"k\", \"tableName\": "
             "\"ab\"}}]}'\n"),
            "t.yaml:5:11"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config *config = config_of(cases[i].yaml);
        const char *lines = config_lines(config, FINDING_WARNING);
        size_t len = strlen(cases[i].expected);

        CHECK_INT(1, config->trigger_count);
        CHECK_STR("default/a", config->triggers[0].name);
        if (strncmp(lines, cases[i].expected, len) != 0 ||
            strncmp(lines + len, ": warning: tableName: ", 22) != 0)
            TEST_FAIL("case %zu: %s", i, lines);
        config_destroy(config);
    }
}

TEST(what_is_wrong_in_a_config_map_has_its_place)
{
    CHECK_STR("t.yaml:7:5: error: not valid YAML: while parsing a flow node at 7:5, did not find "
              "expected node content; is the indentation right, and are there no tabs?\n",
        lines_of(MAP("  a.yaml: |\n    triggers: [\n"), FINDING_ERROR));
    CHECK_STR("t.yaml:5:11: error: the alias names an anchor that does not exist\n",
        lines_of(MAP("  a.yaml: \"triggers:\\n- *x\"\n"), FINDING_ERROR));
}

TEST(data_that_are_values_or_other_programs_are_none)
{
    static const char referring[] =
        "---\napiVersion: keda.sh/v1alpha1\nkind: TriggerAuthentication\nmetadata: {name: a, "
        "namespace: shop}\nspec:\n  configMapTargetRef:\n  - {parameter: awsRegion, name: m, key: "
        "region}\n";
    static const char *const none[] = {
        MAP("  application.yaml: |\n    spring: {{ not rendered }}\n"),
        MAP("  triggers: |\n") SNIPPET("    ", "tab"), /* no name of a file */
        MAP("  .a.yaml: |\n") SNIPPET("    ", "tab"), MAP("  a.yaml: {triggers: []}\n"),
        MAP("  a.yaml: |\n    apiVersion: v1\n    kind: ConfigMap\n    metadata: {name: n}\n    "
            "data:\n"
            "      b.yaml: |\n") SNIPPET("        ", "tab")};
    char yaml[2000];

    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        struct config *config = config_of(none[i]);

        CHECK_INT(0, config->trigger_count);
        CHECK_INT(0, config->error_count);
        config_destroy(config);
    }
    snprintf(yaml, sizeof(yaml), "%s%s", MAP("  a.yaml: |\n") SNIPPET("    ", "tab"), referring);
    struct config *config = config_of(yaml);
    CHECK_INT(0, config->trigger_count);
    config_destroy(config);
}

TEST(a_snippet_needs_a_file_name_without_blanks)
{
    const char *const files[] = {"my jobs.yaml", "triggers: []\n", NULL};
    struct config *config = config_of_files(files);

    CHECK_STR("my jobs.yaml:1:1: error: triggers: a bare list of triggers is named after its file, "
              "and \"my jobs\" has blanks; rename the file\n",
        config_lines(config, FINDING_WARNING));
    config_destroy(config);
}

TEST(authentications_are_found_across_namespaces)
{
    const char *object = "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\n"
                         "metadata: {name: o, namespace: ns}\nspec:\n  triggers:\n"
                         "  - type: aws-dynamodb\n    authenticationRef: {name: a}\n    metadata: "
                         "{awsRegion: r, tableName: tab, targetValue: '1', keyConditionExpression: "
                         "k}\n";
    static const struct {
        const char *first, *second, *expected;
    } cases[] = {
        {"ns", "other", ""},
        {"b", NULL,
            "t.yaml:11:31: warning: authenticationRef.name: a is in namespace b; KEDA looks in ns "
            "only, so move it there\n"},
        {"b", "c",
            "t.yaml:15:31: error: authenticationRef.name: several documents of kind "
            "TriggerAuthentication are named a, and none alone is in namespace ns; keep one\n"},
        {"ns", "ns",
            "t.yaml:15:31: error: authenticationRef.name: several documents of kind "
            "TriggerAuthentication are named a, and none alone is in namespace ns; keep one\n"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *spaces[] = {cases[i].first, cases[i].second};
        char yaml[2048];
        size_t len = 0;

        for (int k = 0; k < 2 && spaces[k] != NULL; k++)
            len += (size_t)snprintf(yaml + len, sizeof(yaml) - len,
                "apiVersion: keda.sh/v1alpha1\nkind: TriggerAuthentication\n"
                "metadata: {name: a, namespace: %s}\n---\n",
                spaces[k]);
        snprintf(yaml + len, sizeof(yaml) - len, "%s", object);
        CHECK_STR(cases[i].expected, problems_of(yaml));
    }
}

TEST_MAIN(RUN(documents_are_reported_by_kind_and_version),
    RUN(a_kind_that_is_nearly_one_is_a_warning), RUN(triggers_beside_the_spec_are_found),
    RUN(other_kinds_are_noted_once), RUN(a_file_of_secrets_alone_is_no_mistake),
    RUN(json_files_are_read_and_named), RUN(the_data_of_a_config_map_are_documents),
    RUN(what_is_wrong_in_a_config_map_has_its_place),
    RUN(data_that_are_values_or_other_programs_are_none),
    RUN(a_snippet_needs_a_file_name_without_blanks),
    RUN(authentications_are_found_across_namespaces))
