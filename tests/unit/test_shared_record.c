/* SPDX-License-Identifier: Apache-2.0 */
/* The record that agents share: its key, the requests that change it, and what is believed of one
 * that anybody may have written. */
#include "agent/aws/shared_record.h"

#include "tests/unit/test.h"

#include <errno.h>

#define NOW INT64_C(1772000000000)

static const struct shared_lease lease = {
    .table = "shares", .key = "v1#n#h", .owner = "agent-1", .token = "t0k3n"};

/* ---- the key ---- */

static const struct query plain = {.region = "eu-west-1",
    .table = "orders",
    .key_condition = "k = :k",
    .values = "{\":k\":{\"S\":\"a\"}}"};

static const char *key_of(const char *namespace_, const struct query *query, const char *values)
{
    static char keys[2][SHARED_RECORD_KEY_SIZE];
    static unsigned next;
    char *key = keys[next++ % 2];

    CHECK_INT(0, shared_record_key(key, namespace_, query, values));
    return key;
}

TEST(the_key_shows_the_namespace_and_no_value)
{
    const char *key = key_of("prod", &plain, NULL);

    CHECK(strncmp(key, "v1#prod#", 8) == 0);
    CHECK_INT(8 + 64, strlen(key));
    CHECK_INT(64, strspn(key + 8, "0123456789abcdef"));
    CHECK_STR(key, key_of("prod", &plain, plain.values)); /* as a client's values, the same */
    CHECK(strncmp(key_of(NULL, &plain, NULL), "v1##", 4) == 0);
}

TEST(the_longest_namespace_fits)
{
    char namespace_[300];

    memset(namespace_, 'n', sizeof(namespace_) - 1);
    namespace_[sizeof(namespace_) - 1] = '\0';
    CHECK_INT(SHARED_RECORD_KEY_SIZE - 1, strlen(key_of(namespace_, &plain, NULL)));
}

TEST(every_part_of_the_question_is_in_the_key)
{
    static const char *const one[] = {"{\":k\":{\"S\":\"0\"}}"};
    static const char *const two[] = {"{\":k\":{\"S\":\"0\"}}", "{\":k\":{\"S\":\"1\"}}"};
    struct query others[13];
    char key[SHARED_RECORD_KEY_SIZE], before[14][SHARED_RECORD_KEY_SIZE];
    size_t count = sizeof(others) / sizeof(others[0]);

    for (size_t i = 0; i < count; i++)
        others[i] = plain;
    others[0].region = "eu-west-2";
    others[1].endpoint = "http://localhost:8000";
    others[2].table = "order";
    others[3].index = "i";
    others[4].key_condition = "k = :kk";
    others[5].filter = "i"; /* not the index */
    others[6].names = "{}";
    others[7].values = "{\":k\":{\"S\":\"b\"}}";
    others[8].consistent_read = true;
    others[9].count_limit = 1;
    others[10].max_pages = 1; /* not the countLimit */
    others[11].shards = one;
    others[11].shard_count = 1;
    others[12].shards = two;
    others[12].shard_count = 2;
    CHECK_INT(0, shared_record_key(before[0], "n", &plain, NULL));
    for (size_t i = 0; i < count; i++) {
        CHECK_INT(0, shared_record_key(key, "n", &others[i], NULL));
        for (size_t k = 0; k <= i; k++)
            CHECK(strcmp(before[k], key) != 0);
        memcpy(before[i + 1], key, sizeof(key));
    }
    CHECK(strcmp(before[0], key_of("n", &plain, "{\":k\":{\"S\":\"c\"}}")) != 0);
}

/* A question of the largest size: the hash of a part of it would be that of other questions. */
TEST(the_end_of_a_long_question_is_in_the_key)
{
    enum { SHARDS = 256, LENGTH = 6 * 2048 + 30 };
    static char text[LENGTH + 1], last[LENGTH + 1];
    const char *shards[SHARDS];
    struct query query = plain;
    char key[SHARED_RECORD_KEY_SIZE];

    memset(text, 'x', LENGTH);
    memset(last, 'x', LENGTH);
    last[LENGTH - 1] = 'y';
    for (size_t i = 0; i < SHARDS; i++)
        shards[i] = text;
    query.shards = shards;
    query.shard_count = SHARDS;
    CHECK_INT(0, shared_record_key(key, "n", &query, NULL));
    shards[SHARDS - 1] = last;
    CHECK(strcmp(key, key_of("n", &query, NULL)) != 0);
}

TEST(a_question_that_is_too_long_has_no_key)
{
    enum { LENGTH = 9 * 1024 * 1024 };
    char *values = malloc(LENGTH + 1);
    char key[SHARED_RECORD_KEY_SIZE] = "before";

    CHECK(values != NULL);
    memset(values, 'x', LENGTH);
    values[LENGTH] = '\0';
    CHECK_INT(-EMSGSIZE, shared_record_key(key, "n", &plain, values));
    CHECK_STR("", key);
    free(values);
}

/* ---- requests ---- */

static void check_body(const char *expected, struct buffer *body, int r)
{
    CHECK_INT(0, r);
    CHECK_STR(expected, buffer_string(body));
    buffer_clear(body);
}

TEST(bodies_are_what_dynamodb_takes)
{
    struct buffer body;
    const struct shared_number number = {.count = 25000,
        .scanned = 30000,
        .rcu = 3180.5,
        .pages = 25,
        .completed_ms = NOW,
        .took_ms = 1234};

    buffer_init(&body, 8192);
    check_body("{\"TableName\":\"shares\",\"Key\":{\"k\":{\"S\":\"v1#n#h\"}},"
               "\"ReturnConsumedCapacity\":\"TOTAL\"}",
        &body, shared_record_get_body(&body, &lease));
    CHECK_INT(0, shared_record_renew_body(&body, &lease, NOW));
    CHECK(strstr(buffer_string(&body), "\"SET #lease = :end, #ttl = :ttl\"") != NULL);
    CHECK(strstr(buffer_string(&body), "\"ConditionExpression\":\"#token = :token\"") != NULL);
    CHECK(strstr(buffer_string(&body), "\":end\":{\"N\":\"1772000015000\"}") != NULL);
    CHECK(strstr(buffer_string(&body), "\":ttl\":{\"N\":\"1772086400\"}") != NULL);
    CHECK(strstr(buffer_string(&body), "\":token\":{\"S\":\"t0k3n\"}") != NULL);
    CHECK(
        strstr(buffer_string(&body), "\"#count\"") == NULL); /* not used, so refused by DynamoDB */
    buffer_clear(&body);
    CHECK_INT(0, shared_record_publish_body(&body, &lease, &number));
    CHECK(strstr(buffer_string(&body), "\":count\":{\"N\":\"25000\"}") != NULL);
    CHECK(strstr(buffer_string(&body), "\":scanned\":{\"N\":\"30000\"}") != NULL);
    CHECK(strstr(buffer_string(&body), "\":rcu\":{\"N\":\"3180.5\"}") != NULL);
    CHECK(strstr(buffer_string(&body), "\":pages\":{\"N\":\"25\"}") != NULL);
    CHECK(strstr(buffer_string(&body), "\":quality\":{\"S\":\"exact\"}") != NULL);
    CHECK(strstr(buffer_string(&body), "\":completed\":{\"N\":\"1772000000000\"}") != NULL);
    CHECK(strstr(buffer_string(&body), "\":took\":{\"N\":\"1234\"}") != NULL);
    CHECK(strstr(buffer_string(&body), "REMOVE #owner, #token, #since, #lease, #reason") != NULL);
    buffer_clear(&body);
    CHECK_INT(0, shared_record_fail_body(&body, &lease, NOW, "throttled: \"x\""));
    CHECK(strstr(buffer_string(&body), "\":reason\":{\"S\":\"throttled: \\\"x\\\"\"}") != NULL);
    buffer_clear(&body);
    CHECK_INT(0, shared_record_give_back_body(&body, &lease, NOW));
    CHECK(strstr(buffer_string(&body), "\"ConditionExpression\":\"#token = :token\"") != NULL);
    buffer_free(&body);
}

TEST(a_lease_is_taken_where_none_is_in_force_and_the_number_is_old)
{
    struct buffer body;

    buffer_init(&body, 8192);
    CHECK_INT(0, shared_record_take_body(&body, &lease, NOW, NOW - 30000));
    CHECK(strstr(buffer_string(&body), "\":now\":{\"N\":\"1772000000000\"}") != NULL);
    CHECK(strstr(buffer_string(&body), "\":end\":{\"N\":\"1772000015000\"}") != NULL);
    CHECK(strstr(buffer_string(&body), "\":far\":{\"N\":\"1772000020000\"}") != NULL);
    CHECK(strstr(buffer_string(&body), "\":stale\":{\"N\":\"1771999970000\"}") != NULL);
    CHECK(strstr(buffer_string(&body), "\":ahead\":{\"N\":\"1772000005000\"}") != NULL);
    CHECK(strstr(buffer_string(&body), "#lease <= :now") != NULL);
    CHECK(strstr(buffer_string(&body), "#completed <= :stale") != NULL);
    CHECK(strstr(buffer_string(&body), "\"ReturnValuesOnConditionCheckFailure\":\"ALL_OLD\"") !=
          NULL);
    buffer_free(&body);
}

TEST(no_time_makes_a_body_overflow)
{
    static const int64_t times[] = {INT64_MIN, -1, 0, INT64_MAX};
    struct buffer body;

    buffer_init(&body, 8192);
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        buffer_clear(&body);
        CHECK_INT(0, shared_record_take_body(&body, &lease, times[i], times[i]));
        buffer_clear(&body);
        CHECK_INT(0, shared_record_renew_body(&body, &lease, times[i]));
    }
    CHECK(strstr(buffer_string(&body), "\":end\":{\"N\":\"9223372036854775807\"}") != NULL);
    buffer_free(&body);
}

TEST(a_text_that_is_no_utf8_or_a_body_without_room_fails)
{
    struct buffer body;
    struct shared_lease odd = lease;

    buffer_init(&body, 8192);
    CHECK(shared_record_fail_body(&body, &lease, NOW, "\xff") < 0);
    buffer_free(&body);
    buffer_init(&body, 8192);
    odd.owner = "\xff";
    CHECK(shared_record_take_body(&body, &odd, NOW, NOW) < 0);
    buffer_free(&body);
    buffer_init(&body, 64);
    CHECK_INT(-EMSGSIZE, shared_record_take_body(&body, &lease, NOW, NOW));
    buffer_free(&body);
}

/* ---- replies ---- */

static struct shared_record parse(const char *reply)
{
    struct shared_record record;
    double units = -1;
    char why[100] = "";

    if (shared_record_parse(reply, strlen(reply), &record, &units, why, sizeof(why)) < 0)
        TEST_FAIL("%s: %s", reply, why);
    CHECK(units >= 0);
    return record;
}

#define VERSION_1 "\"v\":{\"N\":\"1\"}"
#define NUMBERS                                                                                    \
    "\"count\":{\"N\":\"25000\"},\"scanned\":{\"N\":\"30000\"},\"pages\":{\"N\":\"25\"},"          \
    "\"rcu\":{\"N\":\"3180.5\"},\"completed\":{\"N\":\"1772000000000\"},\"took\":{\"N\":\"1234\"}" \
    ","                                                                                            \
    "\"quality\":{\"S\":\"exact\"},\"counted_by\":{\"S\":\"agent-2\"}"
#define LEASE                                                                                      \
    "\"lease\":{\"N\":\"1772000010000\"},\"since\":{\"N\":\"1771999995000\"},"                     \
    "\"owner\":{\"S\":\"agent-3\"},\"token\":{\"S\":\"x\"}"
#define ITEM(fields)                                                                               \
    "{\"ConsumedCapacity\":{\"CapacityUnits\":0.5,\"TableName\":\"t\"},\"Item\":{" fields "}}"

TEST(a_whole_record_is_read)
{
    struct shared_record record = parse(
        ITEM(VERSION_1 "," NUMBERS "," LEASE ",\"reason\":{\"S\":\"throttled\"}"));

    CHECK(record.exists && record.has_number && record.fault[0] == '\0');
    CHECK_INT(25000, record.number.count);
    CHECK_INT(30000, record.number.scanned);
    CHECK_INT(25, record.number.pages);
    CHECK_INT(31805, record.number.rcu * 10);
    CHECK_INT(NOW, record.number.completed_ms);
    CHECK_INT(1234, record.number.took_ms);
    CHECK(!record.number.at_least);
    CHECK_STR("agent-2", record.counted_by);
    CHECK_STR("agent-3", record.owner);
    CHECK_STR("throttled", record.reason);
    CHECK_INT(NOW + 10000, record.lease_ms);
    CHECK_INT(NOW - 5000, record.since_ms);
}

TEST(a_record_may_have_a_lease_or_a_number_alone)
{
    struct shared_record record = parse(ITEM(VERSION_1 "," LEASE));

    CHECK(record.exists && !record.has_number && record.fault[0] == '\0');
    CHECK_STR("", record.reason);
    CHECK_INT(NOW + 10000, record.lease_ms);
    record = parse(ITEM(VERSION_1 "," NUMBERS));
    CHECK(record.has_number && record.lease_ms == 0 && record.fault[0] == '\0');
    record = parse(ITEM(VERSION_1)); /* given back before the first count ended */
    CHECK(record.exists && !record.has_number && record.fault[0] == '\0');
    record = parse("{}");
    CHECK(!record.exists && record.fault[0] == '\0');
}

TEST(the_cost_of_a_reply_is_read_and_never_absurd)
{
    static const struct {
        const char *reply;
        double units;
    } cases[] = {
        {"{\"ConsumedCapacity\":{\"CapacityUnits\":0.5}}", 0.5},
        {"{\"ConsumedCapacity\":{\"CapacityUnits\":3}}", 3},
        {"{\"ConsumedCapacity\":{\"CapacityUnits\":-1}}", 0},
        {"{\"ConsumedCapacity\":{\"CapacityUnits\":1e300}}", 0},
        {"{\"ConsumedCapacity\":{\"CapacityUnits\":\"1\"}}", 0},
        {"{\"ConsumedCapacity\":[]}", 0},
        {"{}", 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct shared_record record;
        double units = -1;
        char why[100];

        CHECK_INT(0, shared_record_parse(cases[i].reply, strlen(cases[i].reply), &record, &units,
                         why, sizeof(why)));
        CHECK(units >= cases[i].units && units <= cases[i].units);
    }
}

TEST(what_is_no_object_is_no_reply)
{
    static const char *const replies[] = {"", "null", "[]", "1", "\"Item\"", "{\"Item\":", "<html>",
        "{\"Item\":{},\"Item\":{}}", "\xff"};

    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        struct shared_record record;
        double units = -1;
        char why[100] = "";

        memset(&record, 0xff, sizeof(record));
        CHECK_INT(-EPROTO,
            shared_record_parse(replies[i], strlen(replies[i]), &record, &units, why, sizeof(why)));
        CHECK(why[0] != '\0');
        CHECK(!record.exists && !record.has_number && record.lease_ms == 0);
        CHECK(units >= 0 && units <= 0);
    }
}

/* Each of these is written over the good field of the same name. */
TEST(one_bad_field_makes_the_record_worthless)
{
    static const char *const fields[] = {"\"v\":{\"N\":\"2\"}", "\"v\":{\"S\":\"1\"}", "\"v\":1",
        "\"count\":{\"N\":\"-1\"}", "\"count\":{\"N\":\"1.5\"}", "\"count\":{\"N\":\"1e3\"}",
        "\"count\":{\"N\":\"9223372036854775808\"}", "\"count\":{\"N\":\"\"}",
        "\"count\":{\"N\":\"nan\"}", "\"count\":{\"N\":5}", "\"count\":{\"S\":\"5\"}",
        "\"count\":{\"NULL\":true}", "\"count\":null", "\"count\":[]",
        "\"count\":{\"N\":\"99999999999999999999999999999999999999\"}",
        "\"scanned\":{\"N\":\"-1\"}", "\"scanned\":{\"S\":\"x\"}", "\"pages\":{\"N\":\"0\"}",
        "\"pages\":{\"N\":\"4294967296\"}", "\"pages\":{\"N\":\"x\"}", "\"rcu\":{\"N\":\"-0.5\"}",
        "\"rcu\":{\"N\":\"nan\"}", "\"rcu\":{\"N\":\"inf\"}", "\"rcu\":{\"N\":\"1e300\"}",
        "\"rcu\":{\"N\":\"1x\"}", "\"rcu\":{\"S\":\"1\"}", "\"completed\":{\"N\":\"0\"}",
        "\"completed\":{\"N\":\"-9223372036854775809\"}", "\"completed\":{\"S\":\"1\"}",
        "\"took\":{\"N\":\"-1\"}", "\"took\":{\"B\":\"MQ==\"}", "\"quality\":{\"S\":\"stale\"}",
        "\"quality\":{\"S\":\"\"}", "\"quality\":{\"N\":\"1\"}",
        "\"quality\":{\"S\":\"exact and much longer than any quality is\"}",
        "\"counted_by\":{\"N\":\"1\"}", "\"counted_by\":{\"SS\":[\"a\"]}",
        "\"lease\":{\"N\":\"-1\"}", "\"lease\":{\"S\":\"1\"}", "\"lease\":{\"N\":\"1e99\"}",
        "\"since\":{\"N\":\"-1\"}", "\"since\":{\"S\":\"\"}", "\"owner\":{\"N\":\"1\"}",
        "\"reason\":{\"N\":\"1\"}", "\"reason\":null"};
    static const char good[] = ITEM(
        VERSION_1 "," NUMBERS "," LEASE ",\"reason\":{\"S\":\"throttled\"}");

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        size_t name = strcspn(fields[i], ":") + 1;
        char wanted[40], reply[1024], said[60];
        const char *at, *rest;
        struct shared_record record;

        snprintf(wanted, sizeof(wanted), "%.*s", (int)name, fields[i]);
        at = strstr(good, wanted);
        CHECK(at != NULL);
        rest = strchr(at, '}') + 1;
        snprintf(reply, sizeof(reply), "%.*s%s%s", (int)(at - good), good, fields[i], rest);
        record = parse(reply);
        snprintf(said, sizeof(said), "the record's %.*s is not valid", (int)name - 3, wanted + 1);
        CHECK_STR(said, record.fault);
        CHECK(record.exists && !record.has_number && record.lease_ms == 0);
        CHECK_INT(0, record.number.count);
        CHECK(record.owner[0] == '\0' && record.counted_by[0] == '\0');
        shared_record_settle(&record, NOW);
        CHECK(!record.is_leased && !record.has_number);
    }
}

TEST(a_field_that_is_missing_makes_the_record_worthless)
{
    static const char *const needed[] = {"\"v\"", "\"count\"", "\"scanned\"", "\"pages\"",
        "\"rcu\"", "\"took\"", "\"quality\"", "\"counted_by\"", "\"since\"", "\"owner\""};
    static const char good[] = ITEM(VERSION_1 "," NUMBERS "," LEASE);

    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        char reply[1024];
        char *at;

        snprintf(reply, sizeof(reply), "%s", good);
        at = strstr(reply, needed[i]);
        CHECK(at != NULL);
        at[1] = '_'; /* a name that no agent knows */
        CHECK(parse(reply).fault[0] != '\0');
    }
}

TEST(an_item_that_is_no_object_is_no_record)
{
    static const char *const replies[] = {
        "{\"Item\":null}", "{\"Item\":[]}", "{\"Item\":\"x\"}", "{\"Item\":{}}"};

    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        struct shared_record record = parse(replies[i]);

        CHECK(record.fault[0] != '\0');
        CHECK(!record.has_number && record.lease_ms == 0);
    }
}

TEST(texts_are_cut_and_cleaned)
{
    char reply[2048], name[301];
    struct shared_record record;

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    snprintf(reply, sizeof(reply),
        ITEM(VERSION_1 ",\"lease\":{\"N\":\"1772000010000\"},\"since\":{\"N\":\"1\"},"
                       "\"owner\":{\"S\":\"%s\"},\"reason\":{\"S\":\"%s\"}"),
        name, name);
    record = parse(reply);
    CHECK_STR("", record.fault);
    CHECK_INT(SHARED_RECORD_NAME_SIZE - 1, strlen(record.owner));
    CHECK_INT(SHARED_RECORD_REASON_SIZE - 1, strlen(record.reason));
    record = parse(ITEM(VERSION_1 ",\"lease\":{\"N\":\"1772000010000\"},\"since\":{\"N\":\"1\"},"
                                  "\"owner\":{\"S\":\"a\\u0000b\\u001b[2J\"}"));
    CHECK_STR("", record.fault);
    CHECK_INT(strlen(record.owner), strnlen(record.owner, sizeof(record.owner)));
}

/* ---- times ---- */

static struct shared_record settled(int64_t completed_ms, int64_t lease_ms, int64_t now_ms)
{
    struct shared_record record = {.exists = true,
        .has_number = completed_ms != 0,
        .number = {.count = 7, .completed_ms = completed_ms},
        .lease_ms = lease_ms};

    shared_record_settle(&record, now_ms);
    return record;
}

TEST(a_lease_is_in_force_until_it_ends_and_no_further_than_one_can_reach)
{
    CHECK(!settled(0, 0, NOW).is_leased);
    CHECK(!settled(0, NOW, NOW).is_leased);
    CHECK(settled(0, NOW + 1, NOW).is_leased);
    CHECK(settled(0, NOW + 20000, NOW).is_leased); /* of an agent whose clock is ahead */
    CHECK(!settled(0, NOW + 20001, NOW).is_leased);
    CHECK(!settled(0, INT64_MAX, NOW).is_leased);
    CHECK(!settled(0, INT64_MAX, INT64_MAX).is_leased);
    CHECK(settled(0, 1, INT64_MIN).is_leased == false);
}

TEST(a_number_of_the_future_is_not_believed)
{
    struct shared_record record = settled(NOW + 5000, 0, NOW);

    CHECK(record.has_number && record.fault[0] == '\0');
    record = settled(NOW + 5001, 0, NOW);
    CHECK(!record.has_number);
    CHECK_STR("the record's number is from the future", record.fault);
    CHECK(!settled(INT64_MAX, 0, NOW).has_number);
    CHECK(settled(INT64_MAX, 0, INT64_MAX).has_number);
    CHECK(settled(1, 0, NOW).has_number);
}

TEST_MAIN(RUN(the_key_shows_the_namespace_and_no_value), RUN(the_longest_namespace_fits),
    RUN(every_part_of_the_question_is_in_the_key), RUN(the_end_of_a_long_question_is_in_the_key),
    RUN(a_question_that_is_too_long_has_no_key), RUN(bodies_are_what_dynamodb_takes),
    RUN(a_lease_is_taken_where_none_is_in_force_and_the_number_is_old),
    RUN(no_time_makes_a_body_overflow), RUN(a_text_that_is_no_utf8_or_a_body_without_room_fails),
    RUN(a_whole_record_is_read), RUN(a_record_may_have_a_lease_or_a_number_alone),
    RUN(the_cost_of_a_reply_is_read_and_never_absurd), RUN(what_is_no_object_is_no_reply),
    RUN(one_bad_field_makes_the_record_worthless),
    RUN(a_field_that_is_missing_makes_the_record_worthless),
    RUN(an_item_that_is_no_object_is_no_record), RUN(texts_are_cut_and_cleaned),
    RUN(a_lease_is_in_force_until_it_ends_and_no_further_than_one_can_reach),
    RUN(a_number_of_the_future_is_not_believed))
