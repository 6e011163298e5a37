/* SPDX-License-Identifier: Apache-2.0 */
/* Values that clients supply, written as msgpack by hand. */
#include "agent/ipc/client_values.h"

#include "proto/writer.h"
#include "tests/unit/test.h"

#include <errno.h>

static const char *const listed[] = {":a", ":b"};
static const struct query both = {.values = "{\":a\":{\"S\":\"x\"},\":c\":{\"N\":\"$now-60\"}}",
    .uses_now = true,
    .client_values = listed,
    .client_value_count = 2};

static char why[300];

/* A little notation for msgpack, so that the cases can be read: JSON with ' for ", whose strings
 * are str; `bytes` in <> are bin. */
static const char *pack(struct buffer *buffer, const char *text);

static const char *pack_members(struct buffer *buffer, const char *text, bool map)
{
    struct map members = {.buffer = NULL};
    size_t head = 0;
    uint16_t count = 0;

    if (map)
        members = map_begin(buffer);
    else
        head = write_array_begin(buffer);

    while (*text != '}' && *text != ']') {
        text = pack(buffer, text);
        if (map)
            text = pack(buffer, text + 1); /* behind the colon */
        if (*text == ',')
            text++;
        count++;
    }
    if (map)
        members.pairs = count, map_end(&members);
    else
        write_array_end(buffer, head, count);
    return text + 1;
}

static const char *pack(struct buffer *buffer, const char *text)
{
    size_t len;

    switch (*text) {
    case '{':
    case '[':
        return pack_members(buffer, text + 1, *text == '{');
    case '\'':
        len = strcspn(text + 1, "'");
        write_text(buffer, text + 1, len);
        return text + len + 2;
    case '<':
        len = strcspn(text + 1, ">");
        write_binary(buffer, text + 1, len);
        return text + len + 2;
    case 't':
        write_bool(buffer, true);
        return text + 4;
    case 'f':
        write_bool(buffer, false);
        return text + 5;
    case 'n':
        write_nil(buffer);
        return text + 3;
    default:
        write_int(buffer, *text - '0');
        return text + 1;
    }
}

/* The merged values, "(own)" for the trigger's own, or what was wrong. Valid until the next. */
static const char *merge(const struct query *query, const char *text)
{
    static char *merged;
    struct buffer buffer;
    struct reader reader;
    int r;

    free(merged);
    buffer_init(&buffer, 65536);
    pack(&buffer, text);
    reader_init(&reader, buffer.data, buffer.len);
    r = client_values_merge(query, &reader, &merged, why, sizeof(why));
    buffer_free(&buffer);
    if (r < 0) {
        CHECK_INT(-EINVAL, r);
        CHECK(merged == NULL);
        return why;
    }
    return merged != NULL ? merged : "(own)";
}

/* As the one listed value of a trigger that has none of its own. */
static const char *value(const char *attribute)
{
    static const char *const names[] = {":v"};
    static const struct query query = {.client_values = names, .client_value_count = 1};
    char text[4096];

    snprintf(text, sizeof(text), "{':v':%s}", attribute);
    return merge(&query, text);
}

TEST(values_of_every_type_become_json)
{
    static const struct {
        const char *value, *json;
    } cases[] = {
        {"{'S':'c-17'}", "{\":v\":{\"S\":\"c-17\"}}"},
        {"{'S':''}", "{\":v\":{\"S\":\"\"}}"},
        {"{'S':'a\"b\\\n\xc3\xa9'}", "{\":v\":{\"S\":\"a\\\"b\\\\\\n\xc3\xa9\"}}"},
        {"{'S':<as bin>}", "{\":v\":{\"S\":\"as bin\"}}"},
        {"{<S>:'x'}", "{\":v\":{\"S\":\"x\"}}"},
        {"{'N':'-1.5e3'}", "{\":v\":{\"N\":\"-1.5e3\"}}"},
        {"{'B':'aGk='}", "{\":v\":{\"B\":\"aGk=\"}}"},
        {"{'B':<>}", "{\":v\":{\"B\":\"\"}}"},
        {"{'B':<h>}", "{\":v\":{\"B\":\"aA==\"}}"},
        {"{'B':<hi>}", "{\":v\":{\"B\":\"aGk=\"}}"},
        {"{'B':<hi!>}", "{\":v\":{\"B\":\"aGkh\"}}"},
        {"{'B':<\xff\xfe\xfd>}", "{\":v\":{\"B\":\"//79\"}}"},
        {"{'BOOL':true}", "{\":v\":{\"BOOL\":true}}"},
        {"{'BOOL':false}", "{\":v\":{\"BOOL\":false}}"},
        {"{'NULL':true}", "{\":v\":{\"NULL\":true}}"},
        {"{'NULL':false}", "{\":v\":{\"NULL\":true}}"},
        {"{'SS':['a','b']}", "{\":v\":{\"SS\":[\"a\",\"b\"]}}"},
        {"{'NS':['1','2']}", "{\":v\":{\"NS\":[\"1\",\"2\"]}}"},
        {"{'BS':[<hi>,'aGk=']}", "{\":v\":{\"BS\":[\"aGk=\",\"aGk=\"]}}"},
        {"{'L':[]}", "{\":v\":{\"L\":[]}}"},
        {"{'L':[{'S':'a'},{'B':<hi>}]}", "{\":v\":{\"L\":[{\"S\":\"a\"},{\"B\":\"aGk=\"}]}}"},
        {"{'M':{'z':{'N':'1'},'B':{'S':<hi>},'L':{'BOOL':true}}}",
            "{\":v\":{\"M\":{\"B\":{\"S\":\"hi\"},\"L\":{\"BOOL\":true},\"z\":{\"N\":\"1\"}}}}"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        CHECK_STR(cases[i].json, value(cases[i].value));
}

#define SHAPE "values[\":v\"] must be an object with one type, such as {\"S\":\"text\"}"

TEST(a_wrong_shape_is_refused_with_its_path)
{
    static const struct {
        const char *value, *message;
    } cases[] = {
        {"'c-17'", SHAPE},
        {"5", SHAPE},
        {"nil", SHAPE},
        {"['S','x']", SHAPE},
        {"{}", "values[\":v\"] has no type; write one, such as {\"S\":\"text\"}"},
        {"{'S':'x','N':'1'}", "values[\":v\"] has more than one type; keep one"},
        {"{'s':'x'}", "values[\":v\"] has an unknown type; the types are S, N, B, BOOL, NULL, SS, "
                      "NS, BS, L and M"},
        {"{'S':5}", "values[\":v\"].S must be a string; write {\"S\":\"text\"}"},
        {"{'S':nil}", "values[\":v\"].S must be a string; write {\"S\":\"text\"}"},
        {"{'S':{'S':'x'}}", "values[\":v\"].S must be a string; write {\"S\":\"text\"}"},
        {"{'N':5}", "values[\":v\"].N must be a string; write the number in quotes: {\"N\":\"5\"}"},
        {"{'N':'five'}",
            "values[\":v\"].N is not a number, so DynamoDB will refuse it; for a text use S"},
        {"{'N':'$now'}",
            "values[\":v\"].N is not a number, so DynamoDB will refuse it; for a text use S"},
        {"{'NS':['$now']}",
            "values[\":v\"].NS holds something that is not a number, so DynamoDB will refuse it"},
        {"{'B':'no base64'}",
            "values[\":v\"].B must be a base64 string, such as {\"B\":\"aGVsbG8=\"}"},
        {"{'BOOL':'true'}", "values[\":v\"].BOOL must be true or false, without quotes"},
        {"{'NULL':nil}", "values[\":v\"].NULL must be true; write {\"NULL\":true}"},
        {"{'SS':[]}", "values[\":v\"].SS must be an array of at least one string"},
        {"{'SS':['a',1]}", "values[\":v\"].SS must hold strings only"},
        {"{'L':{'S':'x'}}", "values[\":v\"].L must be an array"},
        {"{'M':['x']}", "values[\":v\"].M must be an object"},
        {"{'M':{'a':{'L':[{'S':'x'},{'S':1}]}}}",
            "values[\":v\"].M[\"a\"].L[1].S must be a string; write {\"S\":\"text\"}"},
        {"{'M':{1:{'S':'x'}}}", "a map has a key that is not a string"},
        {"{'S':'\xff'}", "a text is not UTF-8; for bytes use B"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        CHECK_STR(cases[i].message, value(cases[i].value));
}

TEST(values_take_the_places_that_the_trigger_lists_and_no_others)
{
    CHECK_STR("{\":a\":{\"S\":\"y\"},\":b\":{\"N\":\"1\"},\":c\":{\"N\":\"$now-60\"}}",
        merge(&both, "{':b':{'N':'1'},':a':{'S':'y'}}"));
    CHECK_STR("{\":a\":{\"S\":\"x\"},\":b\":{\"BOOL\":true},\":c\":{\"N\":\"$now-60\"}}",
        merge(&both, "{':b':{'BOOL':true}}"));
    CHECK_STR("clients may not supply \":c\"; they may supply: :a, :b",
        merge(&both, "{':b':{'N':'1'},':c':{'N':'1'}}"));
    CHECK_STR("clients may not supply \"?\"; they may supply: :a, :b",
        merge(&both, "{'\xff':{'N':'1'}}"));
    CHECK_STR(
        "the keys of values must be strings, such as \":key\"", merge(&both, "{1:{'N':'1'}}"));
}

TEST(the_order_in_which_they_come_makes_no_difference)
{
    char first[200];

    snprintf(first, sizeof(first), "%s", merge(&both, "{':b':{'N':'1'},':a':{'S':'y'}}"));
    CHECK_STR(first, merge(&both, "{':a':{<S>:<y>},':b':{'N':'1'}}"));
}

TEST(a_value_has_the_type_of_the_triggers_own)
{
    CHECK_STR("values[\":a\"] must be of type S, as the trigger's own value is, not N",
        merge(&both, "{':a':{'N':'1'},':b':{'N':'1'}}"));
}

TEST(what_has_no_value_anywhere_is_missing)
{
    static const char message[] =
        "it has no value for :b, so the request must supply one: \"values\": {\":b\": {\"S\": "
        "\"text\"}}";
    char *merged = NULL;

    CHECK_STR(message, merge(&both, "{':a':{'S':'y'}}"));
    CHECK_STR(message, merge(&both, "{}"));
    CHECK_INT(-EINVAL, client_values_merge(&both, NULL, &merged, why, sizeof(why)));
    CHECK_STR(message, why);
}

TEST(the_triggers_own_values_are_recognised)
{
    static const struct query query = {
        .values = "{\":a\":{\"S\":\"x\"},\":b\":{\"M\":{\"k\":{\"N\":\"1\"},\"l\":{\"S\":\"\"}}}}",
        .client_values = listed,
        .client_value_count = 2};
    char *merged = NULL;

    CHECK_INT(0, client_values_merge(&query, NULL, &merged, why, sizeof(why)));
    CHECK(merged == NULL);
    CHECK_STR("(own)", merge(&query, "{}"));
    CHECK_STR("(own)", merge(&query, "{':a':{'S':'x'}}"));
    CHECK_STR("(own)", merge(&query, "{':b':{'M':{'l':{'S':''},'k':{'N':'1'}}}}"));
}

TEST(a_trigger_without_client_values_takes_none)
{
    static const struct query none = {.values = "{\":a\":{\"S\":\"x\"}}"};

    CHECK_STR("(own)", merge(&none, "{}"));
    CHECK_STR("it takes no values of clients; its clientValues would have to list \":a\"",
        merge(&none, "{':a':{'S':'x'}}"));
}

TEST(a_value_has_at_most_1024_bytes)
{
    char text[2048], expected[2048];
    char letters[1100];

    memset(letters, 'x', sizeof(letters));
    snprintf(text, sizeof(text), "{'S':'%.1016s'}", letters); /* and {"S":""} */
    snprintf(expected, sizeof(expected), "{\":v\":{\"S\":\"%.1016s\"}}", letters);
    CHECK_STR(expected, value(text));
    snprintf(text, sizeof(text), "{'S':'%.1017s'}", letters);
    CHECK_STR("values[\":v\"] has 1025 bytes as JSON; at most 1024 are taken", value(text));
}

typedef int read_fn(const struct reader *supplied, char **json, char *why, size_t why_size);

/* The JSON, "(none)", or what was wrong, of a map with any placeholders. */
static const char *read_with(read_fn *read, const char *text)
{
    static char *json;
    struct buffer buffer;
    struct reader reader;
    int r;

    free(json);
    buffer_init(&buffer, 65536);
    pack(&buffer, text);
    reader_init(&reader, buffer.data, buffer.len);
    r = read(&reader, &json, why, sizeof(why));
    buffer_free(&buffer);
    CHECK(r == 0 || r == -EINVAL);
    return r < 0 ? why : json != NULL ? json : "(none)";
}

static const char *read_any(const char *text)
{
    return read_with(client_values_read, text);
}

static const char *read_names(const char *text)
{
    return read_with(client_names_read, text);
}

TEST(an_ad_hoc_query_has_names_of_its_own)
{
    CHECK_STR("{\"#a\":\"state\",\"#b\":\"a\\\"b\"}", read_names("{'#b':'a\"b','#a':<state>}"));
    CHECK_STR("(none)", read_names("{}"));
    CHECK_STR("names must be a map", read_names("['x']"));
    CHECK_STR("the keys of names must be placeholders, such as \"#key\"", read_names("{':a':'x'}"));
    CHECK_STR("the keys of names must be placeholders, such as \"#key\"", read_names("{'#':'x'}"));
    CHECK_STR(
        "names[\"#a\"] must be a string, the attribute's name", read_names("{'#a':{'S':'x'}}"));
    CHECK_STR("a text is not UTF-8; for bytes use B", read_names("{'#a':'\xff'}"));
}

TEST(an_ad_hoc_query_has_values_of_any_name_and_size)
{
    char text[6000], expected[6000], letters[5000];

    memset(letters, 'x', sizeof(letters));
    snprintf(text, sizeof(text), "{':b':{'S':'%.4999s'},':a':{'N':'1'}}", letters);
    snprintf(
        expected, sizeof(expected), "{\":a\":{\"N\":\"1\"},\":b\":{\"S\":\"%.4999s\"}}", letters);
    CHECK_STR(expected, read_any(text));
    CHECK_STR("(none)", read_any("{}"));
    CHECK_STR("values must be a map", read_any("['x']"));
    CHECK_STR(
        "the keys of values must be placeholders, such as \":key\"", read_any("{'a':{'S':'x'}}"));
    CHECK_STR(
        "the keys of values must be placeholders, such as \":key\"", read_any("{1:{'S':'x'}}"));
    CHECK_STR("the keys of values must be placeholders, such as \":key\"",
        read_any("{':a b':{'S':'x'}}"));
    CHECK_STR(
        "values[\":a\"].S must be a string; write {\"S\":\"text\"}", read_any("{':a':{'S':1}}"));
}

TEST_MAIN(RUN(values_of_every_type_become_json), RUN(a_wrong_shape_is_refused_with_its_path),
    RUN(values_take_the_places_that_the_trigger_lists_and_no_others),
    RUN(the_order_in_which_they_come_makes_no_difference),
    RUN(a_value_has_the_type_of_the_triggers_own), RUN(what_has_no_value_anywhere_is_missing),
    RUN(the_triggers_own_values_are_recognised), RUN(a_trigger_without_client_values_takes_none),
    RUN(a_value_has_at_most_1024_bytes), RUN(an_ad_hoc_query_has_names_of_its_own),
    RUN(an_ad_hoc_query_has_values_of_any_name_and_size))
