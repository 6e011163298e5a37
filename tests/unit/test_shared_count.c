/* SPDX-License-Identifier: Apache-2.0 */
/* One agent of a fleet and the record it shares: when it looks, takes the lease, waits, counts
 * alone and gives back, with a clock moved by hand and a table that answers on command. */
#include "agent/count/shared_count.h"

#include "agent/aws/shared_record.h"
#include "tests/unit/count_world.h"

#include <inttypes.h>

#define NOW INT64_C(1750000000000) /* the fake loop's wall clock at the start */

static uint32_t chance; /* what `random` returns */

static uint32_t by_chance(void)
{
    return chance;
}

struct fleet {
    struct bench bench;
    struct trigger trigger;
    struct count_goal goal;
    struct share_stats stats;
    struct share_memory memory;
    struct ring all;
    bool look_only;
    const char *table;
    struct shared_count *shared;
    int answers, failures, counts;
    struct count_value value;
    int64_t age_ms;
    char owner[SHARED_RECORD_NAME_SIZE];
    struct failure failure;
};

static void on_shared_answer(
    void *data, const struct count_value *value, int64_t age_ms, const char *owner)
{
    struct fleet *fleet = data;

    fleet->answers++;
    fleet->value = *value;
    fleet->age_ms = age_ms;
    snprintf(fleet->owner, sizeof(fleet->owner), "%s", owner);
    fleet->shared = NULL;
}

static void on_shared_failed(void *data, const struct failure *failure)
{
    struct fleet *fleet = data;

    fleet->failures++;
    fleet->failure = *failure;
    fleet->shared = NULL;
}

static void on_shared_count(void *data)
{
    struct fleet *fleet = data;

    fleet->counts++;
}

static void fleet_open(struct fleet *fleet, int64_t max_age_ms)
{
    *fleet = (struct fleet){.goal = {.max_age_ms = max_age_ms}, .table = "shares"};
    chance = 0;
    ring_init(&fleet->all);
    bench_open(&fleet->bench, "false");
    fleet->trigger = counter_config(fleet->bench.counter)->triggers[0];
}

static void fleet_close(struct fleet *fleet)
{
    CHECK(ring_is_empty(&fleet->all));
    bench_close(&fleet->bench);
}

static struct shared_count *fleet_start(struct fleet *fleet)
{
    static const struct shared_count_events events = {
        .answer = on_shared_answer, .failed = on_shared_failed, .count = on_shared_count};
    static const struct endpoint_environment environment;
    const struct shared_count_options options = {.loop = fleet->bench.loop,
        .client = fleet->bench.client,
        .environment = &environment,
        .random = by_chance,
        .stats = &fleet->stats,
        .all = &fleet->all,
        .owner = "agent-1",
        .table = fleet->table,
        .trigger = &fleet->trigger,
        .identity = counter_identity(
            fleet->bench.counter, &counter_config(fleet->bench.counter)->triggers[0]),
        .goal = &fleet->goal,
        .memory = &fleet->memory,
        .look_only = fleet->look_only};

    fleet->shared = shared_count_start(&options, &events, fleet);
    fake_loop_advance(fleet->bench.loop, 0);
    return fleet->shared;
}

static void after(struct fleet *fleet, int64_t ms)
{
    fake_loop_advance(fleet->bench.loop, ms);
}

/* ---- requests ---- */

static bool is_look(int request)
{
    return strstr(fake_http_at(request)->headers, "DynamoDB_20120810.GetItem") != NULL;
}

static bool is_update(int request, const char *part)
{
    return strstr(fake_http_at(request)->headers, "DynamoDB_20120810.UpdateItem") != NULL &&
           strstr(fake_http_at(request)->body, part) != NULL;
}

#define TAKES     "#lease > :far"
#define RENEWS    "SET #lease = :end, #ttl"
#define PUBLISHES "#completed = :completed"
#define GIVES     "\"SET #ttl = :ttl REMOVE #owner"
#define EXCUSES   "SET #reason = :reason"

/* ---- replies ---- */

#define COST "\"ConsumedCapacity\":{\"CapacityUnits\":0.5}"

static char fields[1024];

static const char *number_of(uint64_t count, int64_t completed_ms, int64_t took_ms)
{
    size_t used = strlen(fields);

    snprintf(fields + used, sizeof(fields) - used,
        ",\"count\":{\"N\":\"%" PRIu64 "\"},\"scanned\":{\"N\":\"9\"},\"pages\":{\"N\":\"3\"},"
        "\"rcu\":{\"N\":\"12.5\"},\"completed\":{\"N\":\"%" PRId64 "\"},\"took\":{\"N\":\"%" PRId64
        "\"},\"quality\":{\"S\":\"exact\"},"
        "\"counted_by\":{\"S\":\"agent-2\"}",
        count, completed_ms, took_ms);
    return fields;
}

static const char *lease_of(int64_t lease_ms, int64_t since_ms, const char *reason)
{
    size_t used = strlen(fields);

    snprintf(fields + used, sizeof(fields) - used,
        ",\"lease\":{\"N\":\"%" PRId64 "\"},\"since\":{\"N\":\"%" PRId64
        "\"},\"owner\":{\"S\":\"agent-3\"}%s%s%s",
        lease_ms, since_ms, reason != NULL ? ",\"reason\":{\"S\":\"" : "",
        reason != NULL ? reason : "", reason != NULL ? "\"}" : "");
    return fields;
}

static void reply_with(struct fleet *fleet, int status, const char *head, int64_t date_ms)
{
    char body[2048];

    snprintf(body, sizeof(body), "{%s%s%s%s}", head, fields[0] != '\0' ? ",\"Item\":{\"v\":" : "",
        fields, fields[0] != '\0' ? "}" : "");
    fields[0] = '\0';
    fake_http_answer_with(&(struct http_response){.outcome = HTTP_ANSWERED,
        .error = "",
        .status = status,
        .body = (const uint8_t *)body,
        .body_len = strlen(body),
        .elapsed_us = 1000,
        .date_ms = date_ms});
    after(fleet, 0);
}

/* The record as built by the two functions above; without: there is none. */
static void reply(struct fleet *fleet)
{
    reply_with(fleet, 200, COST, 0);
}

static void reply_unmet(struct fleet *fleet)
{
    reply_with(fleet, 400,
        "\"__type\":\"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException\"", 0);
}

static void record_begin(void)
{
    snprintf(fields, sizeof(fields), "{\"N\":\"1\"}");
}

static void reply_number(struct fleet *fleet, uint64_t count, int64_t completed_ms)
{
    record_begin();
    number_of(count, completed_ms, 1000);
    reply(fleet);
}

static void reply_lease(struct fleet *fleet, int64_t lease_ms, int64_t since_ms, const char *reason)
{
    record_begin();
    lease_of(lease_ms, since_ms, reason);
    reply(fleet);
}

/* Looks twice at an absent record, and has the lease. */
static void fleet_win(struct fleet *fleet)
{
    CHECK(fleet_start(fleet) != NULL);
    reply(fleet);
    reply(fleet);
    CHECK(is_update(fake_http_count() - 1, TAKES));
    reply(fleet);
    CHECK_INT(1, fleet->counts);
}

/* ---- the fleet's number ---- */

TEST(a_fresh_number_is_the_answer)
{
    struct fleet fleet;

    fleet_open(&fleet, 30000);
    fleet_start(&fleet);
    CHECK(is_look(0));
    CHECK(strstr(fake_http_at(0)->body, "\"TableName\":\"shares\"") != NULL);
    reply_number(&fleet, 25000, NOW - 29999);
    CHECK_INT(1, fleet.answers);
    CHECK_INT(25000, fleet.value.count);
    CHECK_INT(9, fleet.value.scanned);
    CHECK_INT(3, fleet.value.pages);
    CHECK(fleet.value.is_shared && !fleet.value.at_least && !fleet.value.is_bound);
    CHECK_INT(29999, fleet.age_ms);
    CHECK_STR("agent-2", fleet.owner);
    CHECK_INT(1, fleet.stats.hits);
    CHECK_INT(5, fleet.stats.consumed_rcu * 10);
    CHECK_INT(0, fleet.counts + fleet.failures);
    CHECK_INT(1, fake_http_count());
    fleet_close(&fleet);
}

/* The Date of the reply says that this machine's clock is wrong: it has whole seconds, which are
 * added to the age. */
TEST(the_age_is_by_awss_time_and_rounded_up)
{
    struct fleet fleet;

    fleet_open(&fleet, 30000);
    fleet_start(&fleet);
    record_begin();
    number_of(7, NOW - 610000, 0);
    reply_with(&fleet, 200, COST, NOW - 600000); /* this machine is ten minutes ahead */
    CHECK_INT(1, fleet.answers);
    CHECK_INT(10000 + 1001 + 1000, fleet.age_ms);
    fleet_start(&fleet);
    record_begin();
    number_of(7, NOW + 600000 - 10, 0);
    reply_with(&fleet, 200, COST, NOW + 600000); /* behind */
    CHECK_INT(2, fleet.answers);
    CHECK_INT(10 + 1000, fleet.age_ms);
    fleet_close(&fleet);
}

TEST(for_age_0_a_count_that_began_before_will_not_do_and_one_that_ends_after_will)
{
    struct fleet fleet;

    fleet_open(&fleet, 0);
    fleet_start(&fleet);
    record_begin();
    number_of(7, NOW - 2, 1000);
    lease_of(NOW + 15000, NOW, NULL);
    reply(&fleet);
    CHECK_INT(0, fleet.answers);
    after(&fleet, 1000); /* as long as the last count took */
    record_begin();
    number_of(7, NOW - 2, 1000);
    lease_of(NOW + 15000, NOW, NULL);
    reply(&fleet);
    CHECK_INT(0, fleet.answers); /* still the old number */
    after(&fleet, 1000);
    reply_number(&fleet, 8, NOW + 1);
    CHECK_INT(1, fleet.answers);
    CHECK_INT(8, fleet.value.count);
    CHECK(fleet.age_ms > 0);
    fleet_close(&fleet);
}

/* ---- the lease ---- */

TEST(who_finds_no_number_takes_the_lease_counts_and_publishes)
{
    struct fleet fleet;
    const struct count_value value = {
        .count = 25000, .scanned = 25000, .pages = 25, .consumed_rcu = 3180.5};

    fleet_open(&fleet, 30000);
    fleet_start(&fleet);
    reply(&fleet);
    CHECK_INT(2, fake_http_count()); /* looks again first, as all of the fleet do */
    CHECK(is_look(1));
    reply(&fleet);
    CHECK(is_update(2, TAKES));
    CHECK(strstr(fake_http_at(2)->body, "\"agent-1\"") != NULL);
    CHECK_INT(0, fleet.counts);
    reply(&fleet);
    CHECK_INT(1, fleet.counts);
    CHECK_INT(1, fleet.stats.won);
    after(&fleet, 1234);
    shared_count_publish(fleet.shared, &value, NOW + 1200);
    CHECK(is_update(3, PUBLISHES));
    CHECK(strstr(fake_http_at(3)->body, "\":count\":{\"N\":\"25000\"}") != NULL);
    CHECK(strstr(fake_http_at(3)->body, "\":completed\":{\"N\":\"1750000001200\"}") != NULL);
    CHECK(strstr(fake_http_at(3)->body, "\":took\":{\"N\":\"1234\"}") != NULL);
    CHECK(!ring_is_empty(&fleet.all));
    reply(&fleet);
    CHECK_INT(10, fleet.stats.consumed_rcu * 10);
    CHECK_INT(10, fleet.stats.consumed_wcu * 10);
    CHECK_INT(0, fleet.answers + fleet.failures);
    fleet_close(&fleet);
}

TEST(the_agent_that_counted_last_does_not_hold_back)
{
    struct fleet fleet;

    fleet_open(&fleet, 1000);
    chance = UINT32_MAX;
    fleet_start(&fleet);
    reply_number(&fleet, 7, NOW - 60000); /* agent-2's */
    after(&fleet, 249);
    CHECK_INT(1, fake_http_count()); /* the longest time */
    after(&fleet, 1);
    CHECK_INT(2, fake_http_count());
    record_begin();
    number_of(7, NOW - 60000, 0);
    memcpy(strstr(fields, "agent-2"), "agent-1", 7);
    reply(&fleet);
    CHECK(is_update(2, TAKES));
    shared_count_leave(fleet.shared);
    reply(&fleet);
    fleet_start(&fleet);
    record_begin();
    number_of(7, NOW - 60000, 0);
    memcpy(strstr(fields, "agent-2"), "agent-1", 7);
    reply(&fleet);
    CHECK(is_update(5, TAKES)); /* at once */
    shared_count_leave(fleet.shared);
    reply(&fleet);
    fleet_close(&fleet);
}

TEST(who_is_refused_gets_the_number_that_came_with_the_refusal)
{
    struct fleet fleet;

    fleet_open(&fleet, 30000);
    fleet_start(&fleet);
    reply(&fleet);
    reply(&fleet);
    record_begin();
    number_of(8, NOW - 5, 1000);
    reply_unmet(&fleet);
    CHECK_INT(1, fleet.answers);
    CHECK_INT(8, fleet.value.count);
    CHECK_INT(0, fleet.stats.won + fleet.stats.failed);
    fleet_close(&fleet);
}

TEST(who_is_refused_waits_for_the_other_agent_and_says_so)
{
    struct fleet fleet;
    char text[120];

    fleet_open(&fleet, 30000);
    fleet_start(&fleet);
    CHECK(!shared_count_waits(fleet.shared, text, sizeof(text)));
    reply(&fleet);
    reply(&fleet);
    record_begin();
    number_of(7, NOW - 60000, 3000);
    lease_of(NOW + 14000, NOW - 1000, NULL);
    reply_unmet(&fleet);
    CHECK_INT(1, fleet.stats.lost);
    CHECK(shared_count_waits(fleet.shared, text, sizeof(text)));
    CHECK_STR("agent agent-3 has been counting for the fleet for 1 s", text);
    after(&fleet, 1999); /* the last count took 3 s, and this one began 1 s ago */
    CHECK_INT(3, fake_http_count());
    after(&fleet, 1);
    CHECK(is_look(3));
    reply_number(&fleet, 9, NOW + 1500);
    CHECK_INT(9, fleet.value.count);
    CHECK_INT(1, fleet.stats.lost);
    fleet_close(&fleet);
}

/* DynamoDB of before 2023 does not send the record with the refusal. */
TEST(a_refusal_without_a_record_is_followed_by_looks)
{
    struct fleet fleet;

    fleet_open(&fleet, 30000);
    fleet_start(&fleet);
    reply(&fleet);
    reply(&fleet);
    reply_unmet(&fleet);
    after(&fleet, 0);
    CHECK(is_look(3));
    reply_lease(&fleet, NOW + 15000, NOW, NULL);
    after(&fleet, 250); /* half of the first pause, by this chance */
    CHECK(is_look(4));
    reply_number(&fleet, 8, NOW + 1);
    CHECK_INT(8, fleet.value.count);
    fleet_close(&fleet);
}

TEST(the_looks_come_ever_less_often_and_a_lease_that_ended_is_taken)
{
    static const int64_t pauses[] = {250, 500, 1000, 2000, 2000};
    struct fleet fleet;
    int64_t passed = 0;

    fleet_open(&fleet, 30000);
    fleet_start(&fleet);
    reply_lease(&fleet, NOW + 6000, NOW, NULL); /* its owner is killed now */
    after(&fleet, 0);
    for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
        CHECK_INT(i + 2, fake_http_count());
        reply_lease(&fleet, NOW + 6000, NOW, NULL);
        after(&fleet, pauses[i] - 1);
        CHECK_INT(i + 2, fake_http_count());
        after(&fleet, 1);
        passed += pauses[i];
    }
    CHECK_INT(5750, passed);
    reply_lease(&fleet, NOW + 6000, NOW, NULL);
    after(&fleet, 2000);
    reply_lease(&fleet, NOW + 6000, NOW, NULL); /* it has ended */
    after(&fleet, 0);
    reply_lease(&fleet, NOW + 6000, NOW, NULL); /* held back */
    CHECK(is_update(fake_http_count() - 1, TAKES));
    reply(&fleet);
    CHECK_INT(1, fleet.counts);
    shared_count_leave(fleet.shared);
    reply(&fleet);
    fleet_close(&fleet);
}

TEST(no_time_of_a_record_makes_the_wait_long)
{
    static const int64_t times[] = {0, 1, NOW + 14000, INT64_MAX};
    struct fleet fleet;
    char text[120];

    chance = UINT32_MAX;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        for (size_t k = 0; k < sizeof(times) / sizeof(times[0]); k++) {
            fleet_open(&fleet, 0);
            fleet_start(&fleet);
            record_begin();
            number_of(7, NOW - 60000, times[k]);
            lease_of(NOW + 15000, times[i], NULL);
            reply(&fleet);
            CHECK(shared_count_waits(fleet.shared, text, sizeof(text)));
            CHECK(fake_loop_next(fleet.bench.loop) <= 4250);
            shared_count_leave(fleet.shared);
            fleet_close(&fleet);
        }
    }
}

TEST(the_lease_is_renewed_while_the_count_lasts)
{
    struct fleet fleet;
    const struct count_value value = {.count = 1, .pages = 1};

    fleet_open(&fleet, 30000);
    fleet_win(&fleet);
    after(&fleet, 4999);
    CHECK_INT(3, fake_http_count());
    after(&fleet, 1);
    CHECK(is_update(3, RENEWS));
    CHECK(strstr(fake_http_at(3)->body, "\":end\":{\"N\":\"1750000020000\"}") != NULL);
    reply(&fleet);
    after(&fleet, 5000);
    CHECK(is_update(4, RENEWS)); /* this one is not answered, */
    after(&fleet, 5000);
    CHECK(is_update(5, RENEWS)); /* which the next one replaces */
    CHECK_INT(1, fake_http_open());
    shared_count_publish(fleet.shared, &value, NOW);
    CHECK_INT(1, fake_http_open());
    CHECK(is_update(6, PUBLISHES));
    reply(&fleet);
    CHECK_INT(1, fleet.counts);
    fleet_close(&fleet);
}

/* It was stopped for a minute, and another agent counts now. */
TEST(who_lost_the_lease_publishes_nothing)
{
    struct fleet fleet;
    const struct count_value value = {.count = 1, .pages = 1};

    fleet_open(&fleet, 30000);
    fleet_win(&fleet);
    after(&fleet, 5000);
    reply_unmet(&fleet);
    after(&fleet, 60000);
    CHECK_INT(4, fake_http_count());
    shared_count_publish(fleet.shared, &value, NOW);
    CHECK_INT(4, fake_http_count());
    fleet_close(&fleet);
}

TEST(a_refused_publication_is_the_end_too)
{
    struct fleet fleet;
    const struct count_value value = {.count = 1, .pages = 1};

    fleet_open(&fleet, 30000);
    fleet_win(&fleet);
    shared_count_publish(fleet.shared, &value, NOW);
    reply_unmet(&fleet);
    fleet_close(&fleet);
}

TEST(the_last_request_is_not_waited_for_for_ever)
{
    struct fleet fleet;
    const struct count_value value = {.count = 1, .pages = 1};

    fleet_open(&fleet, 30000);
    fleet_win(&fleet);
    shared_count_publish(fleet.shared, &value, NOW);
    after(&fleet, 2499);
    CHECK_INT(1, fake_http_open());
    after(&fleet, 1);
    CHECK_INT(0, fake_http_open());
    fleet_close(&fleet);
}

/* ---- failures of the count ---- */

TEST(a_cause_that_all_meet_is_written_into_the_record)
{
    struct fleet fleet;
    struct failure failure;

    fleet_open(&fleet, 30000);
    fleet_win(&fleet);
    failure_set(&failure, ERROR_THROTTLED, "too many requests");
    shared_count_fail(fleet.shared, &failure);
    CHECK(is_update(3, EXCUSES));
    CHECK(strstr(fake_http_at(3)->body, "\":reason\":{\"S\":\"too many requests\"}") != NULL);
    reply(&fleet);
    fleet_close(&fleet);
}

TEST(a_cause_of_this_pod_alone_gives_the_lease_back)
{
    static const enum error_code codes[] = {
        ERROR_ACCESS_DENIED, ERROR_CREDENTIALS, ERROR_AWS_REJECTED, ERROR_BUSY, ERROR_TIMEOUT};
    struct failure failure;

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        struct fleet fleet;

        fleet_open(&fleet, 30000);
        fleet_win(&fleet);
        failure_set(&failure, codes[i], "no");
        shared_count_fail(fleet.shared, &failure);
        CHECK(is_update(3, GIVES));
        reply(&fleet);
        fleet_close(&fleet);
    }
}

TEST(the_reason_of_a_lease_is_the_fleets_failure)
{
    struct fleet fleet;

    fleet_open(&fleet, 30000);
    fleet_start(&fleet);
    reply_lease(&fleet, NOW + 9000, NOW - 1000, "too many requests");
    CHECK_INT(1, fleet.failures);
    CHECK_INT(ERROR_AWS_UNAVAILABLE, fleet.failure.code);
    CHECK(fleet.failure.retryable);
    CHECK_INT(9000, fleet.failure.retry_after_ms);
    CHECK_STR(
        "agent agent-3 could not count for the fleet: too many requests", fleet.failure.message);
    CHECK_INT(0, fleet.counts);
    fleet_close(&fleet);
}

/* ---- a table that cannot be used ---- */

TEST(a_refused_table_is_left_alone_for_a_while)
{
    static const int64_t pauses[] = {2000, 4000, 8000, 16000, 32000, 60000, 60000};
    struct fleet fleet;

    fleet_open(&fleet, 30000);
    for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
        fleet_start(&fleet);
        refuse(&fleet.bench, 400, "AccessDeniedException");
        CHECK_INT(i + 1, fleet.counts);
        CHECK_INT(pauses[i], fleet.memory.not_before - loop_now(fleet.bench.loop));
        shared_count_leave(fleet.shared);
    }
    CHECK_INT(0, fleet.answers + fleet.failures);
    CHECK_INT(7, fleet.stats.failed);
    CHECK_INT(7, fake_http_count());
    fleet_start(&fleet);
    reply_number(&fleet, 7, NOW);
    CHECK_INT(0, fleet.memory.failures); /* forgotten */
    CHECK_INT(0, fleet.memory.not_before);
    fleet_close(&fleet);
}

TEST(a_reply_that_is_no_record_is_no_count)
{
    static const char *const replies[] = {"<html>", "[]", "{\"Item\":", ""};

    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        struct fleet fleet;
        const struct count_value value = {.count = 1, .pages = 1};

        fleet_open(&fleet, 30000);
        fleet_start(&fleet);
        page(&fleet.bench, replies[i]);
        CHECK_INT(1, fleet.counts);
        CHECK_INT(0, fleet.answers + fleet.failures);
        shared_count_publish(fleet.shared, &value, NOW);
        CHECK_INT(1, fake_http_count()); /* it counted alone: nothing is written */
        fleet_close(&fleet);
    }
}

TEST(a_throttled_table_is_asked_again_three_times)
{
    struct fleet fleet;

    fleet_open(&fleet, 30000);
    fleet_start(&fleet);
    chance = UINT32_MAX;
    for (int i = 0; i < 3; i++) {
        refuse(&fleet.bench, 400, "ProvisionedThroughputExceededException");
        CHECK_INT(0, fleet.counts);
        after(&fleet, (500 << i) - 2);
        CHECK_INT(i + 1, fake_http_count());
        after(&fleet, 1);
        CHECK_INT(i + 2, fake_http_count());
    }
    refuse(&fleet.bench, 400, "ProvisionedThroughputExceededException");
    CHECK_INT(1, fleet.counts);
    CHECK_INT(1, fleet.stats.failed);
    shared_count_leave(fleet.shared);
    fleet_close(&fleet);
}

TEST(a_table_that_does_not_answer_delays_the_count_by_2500_ms)
{
    struct fleet fleet;

    fleet_open(&fleet, 30000);
    fleet_start(&fleet);
    after(&fleet, 2499);
    CHECK_INT(0, fleet.counts);
    after(&fleet, 1);
    CHECK_INT(1, fleet.counts);
    CHECK_INT(0, fake_http_open());
    CHECK_INT(1, fleet.stats.failed);
    shared_count_leave(fleet.shared);
    fleet_close(&fleet);
}

TEST(a_record_that_is_not_valid_and_cannot_be_taken_is_left_alone)
{
    static const char *const records[] = {
        "{\"N\":\"2\"}",
        "{\"N\":\"1\"},\"completed\":{\"N\":\"1749999999000\"},\"count\":{\"N\":\"-1\"}",
        "{\"N\":\"1\"},\"lease\":{\"N\":\"1750000010000\"},\"owner\":{\"N\":\"1\"}",
    };

    for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
        struct fleet fleet;

        fleet_open(&fleet, 30000);
        fleet_start(&fleet);
        for (int looks = 0; looks < 2; looks++) {
            snprintf(fields, sizeof(fields), "%s", records[i]);
            reply(&fleet);
        }
        CHECK(is_update(2, TAKES)); /* the condition may be met: then the record is repaired */
        snprintf(fields, sizeof(fields), "%s", records[i]);
        reply_unmet(&fleet);
        CHECK_INT(1, fleet.counts);
        CHECK_INT(0, fleet.answers + fleet.failures);
        CHECK_INT(1, fleet.stats.failed);
        shared_count_leave(fleet.shared);
        fleet_close(&fleet);
    }
}

TEST(a_number_of_the_future_is_counted_again)
{
    struct fleet fleet;

    fleet_open(&fleet, 30000);
    fleet_start(&fleet);
    reply_number(&fleet, 999, NOW + 5001);
    reply_number(&fleet, 999, INT64_MAX);
    CHECK_INT(0, fleet.answers);
    CHECK(is_update(2, TAKES));
    reply(&fleet);
    CHECK_INT(1, fleet.counts);
    shared_count_leave(fleet.shared);
    reply(&fleet);
    fleet_close(&fleet);
}

TEST(a_name_that_cannot_be_a_tables_is_not_shared)
{
    static char name[600];
    struct fleet fleet;

    fleet_open(&fleet, 30000);
    memset(name, 'n', sizeof(name) - 1);
    fleet.table = name;
    CHECK(fleet_start(&fleet) == NULL);
    memcpy(name, "arn:aws:dynamodb:eu-west-1:123456789012:table/", 46);
    name[46 + 255] = '\0';
    CHECK(fleet_start(&fleet) != NULL);
    CHECK(strstr(fake_http_at(0)->body, name) != NULL);
    shared_count_leave(fleet.shared);
    fleet_close(&fleet);
}

/* ---- counts that take no lease ---- */

TEST(a_threshold_is_answered_by_the_record_or_counted_alone)
{
    struct fleet fleet;

    fleet_open(&fleet, 30000);
    fleet.goal.enough = 1;
    fleet_start(&fleet);
    reply_number(&fleet, 7, NOW - 5);
    CHECK_INT(1, fleet.answers);
    fleet_start(&fleet);
    reply_lease(&fleet, NOW + 15000, NOW, NULL);
    CHECK_INT(1, fleet.counts);
    CHECK_INT(2, fake_http_count());
    CHECK_INT(0, fleet.stats.failed + fleet.stats.lost + fleet.stats.won);
    shared_count_leave(fleet.shared);
    fleet_close(&fleet);
}

/* Its budget is used up: the fleet's number will do, but it must not take the lease to give it back
 * at once, which would cost more than the count that the budget refuses. */
TEST(who_may_not_count_looks_and_waits_but_takes_no_lease)
{
    struct fleet fleet;

    fleet_open(&fleet, 30000);
    fleet.look_only = true;
    fleet_start(&fleet);
    reply(&fleet);
    CHECK_INT(1, fleet.counts);
    CHECK_INT(1, fake_http_count());
    shared_count_leave(fleet.shared);
    fleet_start(&fleet);
    reply_lease(&fleet, NOW + 15000, NOW, NULL);
    CHECK_INT(1, fleet.counts);
    after(&fleet, 0);
    reply_number(&fleet, 7, NOW);
    CHECK_INT(1, fleet.answers);
    fleet_close(&fleet);
}

/* ---- ends from outside ---- */

TEST(who_leaves_gives_the_lease_back)
{
    struct fleet fleet;

    fleet_open(&fleet, 30000);
    fleet_win(&fleet);
    shared_count_leave(fleet.shared);
    CHECK(is_update(3, GIVES));
    reply(&fleet);
    fleet_close(&fleet);
}

TEST(who_leaves_without_the_lease_sends_nothing)
{
    struct fleet fleet;

    fleet_open(&fleet, 30000);
    fleet_start(&fleet);
    shared_count_leave(fleet.shared); /* during the look */
    CHECK_INT(0, fake_http_open());
    fleet_start(&fleet);
    chance = UINT32_MAX;
    reply_lease(&fleet, NOW + 15000, NOW, NULL);
    shared_count_leave(fleet.shared); /* while it waits */
    CHECK_INT(2, fake_http_count());
    fleet_close(&fleet);
}

/* The lease may be its own already: the fleet would wait for it until the lease ends. */
TEST(who_leaves_while_the_lease_is_asked_for_gives_it_back)
{
    struct fleet fleet;

    fleet_open(&fleet, 30000);
    fleet_start(&fleet);
    reply(&fleet);
    reply(&fleet);
    CHECK(is_update(2, TAKES));
    shared_count_leave(fleet.shared);
    CHECK_INT(1, fake_http_open());
    CHECK(is_update(3, GIVES));
    reply_unmet(&fleet);
    CHECK_INT(0, fleet.counts);
    fleet_close(&fleet);
}

TEST(an_agent_that_ends_gives_its_leases_back)
{
    struct fleet fleet;
    const struct count_value value = {.count = 1, .pages = 1};

    fleet_open(&fleet, 30000);
    CHECK(!shared_counts_give_back(&fleet.all));
    fleet_win(&fleet);
    CHECK(shared_counts_give_back(&fleet.all));
    CHECK(is_update(3, GIVES));
    CHECK(shared_counts_give_back(&fleet.all)); /* under way: not sent twice */
    CHECK_INT(4, fake_http_count());
    reply(&fleet);
    CHECK(!shared_counts_give_back(&fleet.all));
    shared_count_publish(fleet.shared, &value, NOW); /* the count ended after all */
    CHECK_INT(4, fake_http_count());
    fleet_close(&fleet);
}

TEST(an_agent_that_ends_may_finish_its_count_before_the_lease_is_back)
{
    struct fleet fleet;
    const struct count_value value = {.count = 1, .pages = 1};

    fleet_open(&fleet, 30000);
    fleet_win(&fleet);
    CHECK(shared_counts_give_back(&fleet.all));
    shared_count_publish(fleet.shared, &value, NOW);
    CHECK(shared_counts_give_back(&fleet.all));
    reply(&fleet);
    fleet_close(&fleet);
}

/* The replies arrive while it ends: a lease that was taken then would be left behind. */
TEST(an_agent_that_ends_takes_no_lease)
{
    struct fleet fleet;

    fleet_open(&fleet, 30000);
    fleet_start(&fleet);
    CHECK(!shared_counts_give_back(&fleet.all));
    CHECK_INT(0, fake_http_open());
    after(&fleet, 60000);
    CHECK_INT(1, fake_http_count());
    CHECK_INT(0, fleet.counts);
    shared_count_leave(fleet.shared);
    fleet_start(&fleet);
    reply(&fleet);
    reply(&fleet);
    CHECK(is_update(3, TAKES));
    CHECK(shared_counts_give_back(&fleet.all)); /* it may have it already */
    CHECK(is_update(4, GIVES));
    reply_unmet(&fleet);
    CHECK(!shared_counts_give_back(&fleet.all));
    CHECK_INT(0, fleet.counts);
    shared_count_leave(fleet.shared);
    fleet_close(&fleet);
}

TEST(what_is_under_way_at_the_very_end_is_cancelled)
{
    struct fleet fleet;

    fleet_open(&fleet, 30000);
    fleet_win(&fleet);
    shared_count_leave(fleet.shared);
    CHECK_INT(1, fake_http_open());
    shared_counts_end(&fleet.all);
    CHECK_INT(0, fake_http_open());
    fleet_close(&fleet);
}

TEST_MAIN(RUN(a_fresh_number_is_the_answer), RUN(the_age_is_by_awss_time_and_rounded_up),
    RUN(for_age_0_a_count_that_began_before_will_not_do_and_one_that_ends_after_will),
    RUN(who_finds_no_number_takes_the_lease_counts_and_publishes),
    RUN(the_agent_that_counted_last_does_not_hold_back),
    RUN(who_is_refused_gets_the_number_that_came_with_the_refusal),
    RUN(who_is_refused_waits_for_the_other_agent_and_says_so),
    RUN(a_refusal_without_a_record_is_followed_by_looks),
    RUN(the_looks_come_ever_less_often_and_a_lease_that_ended_is_taken),
    RUN(no_time_of_a_record_makes_the_wait_long), RUN(the_lease_is_renewed_while_the_count_lasts),
    RUN(who_lost_the_lease_publishes_nothing), RUN(a_refused_publication_is_the_end_too),
    RUN(the_last_request_is_not_waited_for_for_ever),
    RUN(a_cause_that_all_meet_is_written_into_the_record),
    RUN(a_cause_of_this_pod_alone_gives_the_lease_back),
    RUN(the_reason_of_a_lease_is_the_fleets_failure),
    RUN(a_refused_table_is_left_alone_for_a_while), RUN(a_reply_that_is_no_record_is_no_count),
    RUN(a_throttled_table_is_asked_again_three_times),
    RUN(a_table_that_does_not_answer_delays_the_count_by_2500_ms),
    RUN(a_record_that_is_not_valid_and_cannot_be_taken_is_left_alone),
    RUN(a_number_of_the_future_is_counted_again), RUN(a_name_that_cannot_be_a_tables_is_not_shared),
    RUN(a_threshold_is_answered_by_the_record_or_counted_alone),
    RUN(who_may_not_count_looks_and_waits_but_takes_no_lease), RUN(who_leaves_gives_the_lease_back),
    RUN(who_leaves_without_the_lease_sends_nothing),
    RUN(who_leaves_while_the_lease_is_asked_for_gives_it_back),
    RUN(an_agent_that_ends_gives_its_leases_back),
    RUN(an_agent_that_ends_may_finish_its_count_before_the_lease_is_back),
    RUN(an_agent_that_ends_takes_no_lease), RUN(what_is_under_way_at_the_very_end_is_cancelled))
