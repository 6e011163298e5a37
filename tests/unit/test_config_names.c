/* SPDX-License-Identifier: Apache-2.0 */
/* How a client may call a trigger. */
#include "tests/unit/config_world.h"

#define T(name)                                                                                    \
    "  - type: aws-dynamodb\n" name                                                                \
    "    metadata: {awsRegion: r, tableName: tab, targetValue: '1', keyConditionExpression: k}\n"
#define O(space, name, triggers)                                                                   \
    "---\napiVersion: keda.sh/v1alpha1\nkind: ScaledObject\n"                                      \
    "metadata: {name: " name ", namespace: " space "}\nspec:\n  triggers:\n" triggers
#define N(name) "    name: " name "\n"

static struct config *config;

/* The name that was found, or the candidates with commas, or "". */
static const char *find(const char *name)
{
    static char text[512];
    const char *candidates[3] = {"?", "?", "?"};
    size_t matches = 99;
    const struct trigger *trigger = config_find(
        config, name, strlen(name), &matches, candidates, 3);
    size_t len = 0;

    CHECK((trigger != NULL) == (matches == 1));
    text[0] = '\0';
    for (size_t i = 0; i < matches && i < 3; i++)
        len += (size_t)snprintf(
            text + len, sizeof(text) - len, "%s%s", i > 0 ? "," : "", candidates[i]);
    if (matches > 3)
        snprintf(text + len, sizeof(text) - len, ",(%zu)", matches);
    if (trigger != NULL)
        CHECK_STR(trigger->name, text);
    return text;
}

TEST(full_and_short_names_are_found)
{
    config = config_of(
        O("shop", "one", T("")) O("shop", "two", T("") T(N("b"))) O("bank", "two", T(N("x"))));
    CHECK_INT(0, config->error_count);
    CHECK_INT(4, config->trigger_count);
    CHECK_STR("bank/two", find("bank/two"));
    CHECK_STR("bank/two", find("bank/two/x"));
    CHECK_STR("bank/two", find("two/x"));
    CHECK_STR("shop/one", find("shop/one"));
    CHECK_STR("shop/one", find("one"));
    CHECK_STR("shop/one", find("one/0"));
    CHECK_STR("shop/two/0", find("shop/two/0"));
    CHECK_STR("shop/two/0", find("two/0"));
    CHECK_STR("shop/two/b", find("two/b"));
    CHECK_STR("shop/two/0,shop/two/b", find("shop/two"));
    CHECK_STR("bank/two,shop/two/0,shop/two/b", find("two"));
    CHECK_STR("", find("tw"));
    CHECK_STR("", find("shop/two/1"));
    CHECK_STR("shop/two/b", find("b"));
    CHECK_STR("shop/two/b", find("shop/b"));
    CHECK_STR("", find("bank/b"));
    CHECK_STR("bank/two", find("x"));
    CHECK_STR("", find("0"));
    CHECK_STR("", find(""));
    CHECK_STR("", find("/"));
    CHECK_STR("", find("shop/"));
    config_destroy(config);
}

TEST(a_full_name_wins_over_a_short_one)
{
    /* a/b is an object of namespace a, and trigger b of object a. */
    config = config_of(O("a", "b", T("")) O("c", "a", T(N("b")) T(N("d"))));
    CHECK_INT(0, config->error_count);
    CHECK_STR("a/b", find("a/b"));
    CHECK_STR("c/a/b", find("c/a/b"));
    CHECK_STR("c/a/d", find("a/d"));
    config_destroy(config);
}

TEST(an_object_goes_before_a_trigger_of_the_same_name)
{
    config = config_of(O("shop", "orders", T(N("pending")) T(N("refunds")))
            O("shop", "pending", T("")) O("bank", "orders", T(N("refunds"))));
    CHECK_INT(0, config->error_count);
    CHECK_STR("shop/pending", find("pending"));
    CHECK_STR("shop/pending", find("shop/pending"));
    CHECK_STR("shop/orders/pending", find("orders/pending"));
    CHECK_STR("bank/orders,shop/orders/refunds", find("refunds"));
    CHECK_STR("shop/orders/refunds", find("shop/refunds"));
    CHECK_STR("bank/orders", find("bank/refunds"));
    config_destroy(config);
}

TEST(one_trigger_counts_once_whatever_its_names_are)
{
    config = config_of(O("a", "a", T(N("a"))));
    CHECK_STR("a/a", find("a"));
    CHECK_STR("a/a", find("a/a"));
    CHECK_STR("a/a", find("a/a/a"));
    config_destroy(config);
    config = config_of(O("a", "a", T(N("a")) T(N("b"))));
    CHECK_STR("a/a/a,a/a/b", find("a/a"));
    config_destroy(config);
}

TEST(more_candidates_than_room_are_counted)
{
    config = config_of(O("a", "o", T("") T("") T("") T("") T("")));
    CHECK_STR("a/o/0,a/o/1,a/o/2,(5)", find("o"));
    size_t matches = 0;
    CHECK(config_find(config, "o", 1, &matches, NULL, 0) == NULL);
    CHECK_INT(5, matches);
    CHECK(config_find(config, "o/1xyz", 3, &matches, NULL, 0) != NULL);
    config_destroy(config);
}

TEST(the_same_name_twice_is_an_error)
{
    const char *const files[] = {"a.yaml", O("a", "o", T("")), "b.yaml",
        "# moved\n" O("a", "o", T("")), "c.yaml", O("b", "o", T(N("x")) T(N("x"))), NULL};

    config = config_of_files(files);
    CHECK_STR("b.yaml:8:5: error: name: the trigger a/o is defined twice, first at a.yaml:7; "
              "rename or remove one\n"
              "c.yaml:10:5: error: name: the trigger b/o/x is defined twice, first at c.yaml:7; "
              "rename or remove one\n",
        config_lines(config, FINDING_WARNING));
    config_destroy(config);
    /* A number may be a name, too. */
    config = config_of(O("a", "o", T(N("'1'")) T("")));
    CHECK_INT(1, config->error_count);
    config_destroy(config);
}

TEST(ten_thousand_triggers_are_found_each)
{
    size_t size = 4u << 20;
    char *yaml = malloc(size);
    size_t len = 0;

    CHECK(yaml != NULL);
    for (int i = 0; i < 9999; i++)
        len += (size_t)snprintf(yaml + len, size - len,
            "---\nkind: ScaledObject\napiVersion: keda.sh/v1alpha1\nmetadata: {name: o%d}\n"
            "spec:\n  triggers:\n  - type: aws-dynamodb\n    metadata: {awsRegion: r, tableName: "
            "t, targetValue: '1', keyConditionExpression: k}\n",
            i);
    config = config_of(yaml);
    CHECK_INT(9999, config->trigger_count);
    for (int i = 0; i < 9999; i++) {
        char name[64], full[64];

        snprintf(name, sizeof(name), "o%d", i);
        snprintf(full, sizeof(full), "default/o%d", i);
        CHECK_STR(full, find(name));
        CHECK_STR(full, find(full));
    }
    config_destroy(config);
    free(yaml);
}

TEST_MAIN(RUN(full_and_short_names_are_found), RUN(a_full_name_wins_over_a_short_one),
    RUN(an_object_goes_before_a_trigger_of_the_same_name),
    RUN(one_trigger_counts_once_whatever_its_names_are), RUN(more_candidates_than_room_are_counted),
    RUN(the_same_name_twice_is_an_error), RUN(ten_thousand_triggers_are_found_each))
