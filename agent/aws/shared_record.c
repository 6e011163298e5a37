/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/aws/shared_record.h"

#include "agent/aws/sigv4.h"
#include "agent/json_value.h"
#include "proto/saturating.h"
#include "proto/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARSE_FLAGS (JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL)

#define VERSION     1
#define TTL_SECONDS (24 * 3600) /* of a Query that no agent sends any more */
#define NUMBER_SIZE 32
#define COUNT_MAX   INT64_MAX
#define UNITS_MAX   1e12

/* ---- the key ---- */

#define QUERY_BYTES (8u * 1024u * 1024u) /* 256 shards, each character of them escaped */

/* The texts of a Query one after the other, each with its length in front, so that no two Queries
 * are the same bytes. */
static void key_add(struct buffer *parts, const char *text)
{
    buffer_printf(parts, "%zu:%s;", text != NULL ? strlen(text) : 0, text != NULL ? text : "");
}

int shared_record_key(char key[SHARED_RECORD_KEY_SIZE], const char *namespace_,
    const struct query *query, const char *values)
{
    char hash[SIGV4_HASH_SIZE] = "";
    struct buffer parts;
    int r;

    key[0] = '\0';
    buffer_init(&parts, QUERY_BYTES);
    key_add(&parts, query->region);
    key_add(&parts, query->endpoint);
    key_add(&parts, query->table);
    key_add(&parts, query->index);
    key_add(&parts, query->key_condition);
    key_add(&parts, query->filter);
    key_add(&parts, query->names);
    key_add(&parts, values != NULL ? values : query->values);
    for (size_t i = 0; i < query->shard_count; i++)
        key_add(&parts, query->shards[i]);
    buffer_printf(&parts, "%d;%" PRIu64 ";%" PRIu32, query->consistent_read, query->count_limit,
        query->max_pages);
    r = parts.failed ? parts.error : 0;
    if (r == 0) { /* the hash of a part would be that of other Queries, too */
        sigv4_hash(parts.data, parts.len, hash);
        snprintf(key, SHARED_RECORD_KEY_SIZE, "v1#%.256s#%s", namespace_ != NULL ? namespace_ : "",
            hash);
    }
    buffer_free(&parts);
    return r;
}

/* ---- requests ---- */

static json_t *record_text(const char *text)
{
    return json_pack("{s:s}", "S", text);
}

static json_t *record_number(int64_t number)
{
    char text[NUMBER_SIZE];

    snprintf(text, sizeof(text), "%" PRId64, number);
    return json_pack("{s:s}", "N", text);
}

static json_t *record_units(double units)
{
    char text[NUMBER_SIZE];

    snprintf(text, sizeof(text), "%.1f", units);
    return json_pack("{s:s}", "N", text);
}

/* Appends the request, which is released. */
static int record_write(struct buffer *body, json_t *request)
{
    char *text = request != NULL ? json_write(request, 0) : NULL;

    if (text != NULL) {
        buffer_append_string(body, text);
    } else {
        body->failed = true;
        body->error = -ENOMEM;
    }
    free(text);
    json_decref(request);
    return body->failed ? body->error : 0;
}

int shared_record_get_body(struct buffer *body, const struct shared_lease *lease)
{
    return record_write(body, json_pack("{s:s, s:{s:{s:s}}, s:s}", "TableName", lease->table, "Key",
                                  "k", "S", lease->key, "ReturnConsumedCapacity", "TOTAL"));
}

static bool record_uses(const char *expression, const char *alias)
{
    const char *at = strstr(expression, alias);

    while (at != NULL && strcspn(at, " ,=)") != strlen(alias))
        at = strstr(at + 1, alias);
    return at != NULL;
}

/* An UpdateItem. `values` is taken over; :t and :ttl are added. Many of the names are reserved
 * words, so that each gets a placeholder. */
static int record_update(struct buffer *body, const struct shared_lease *lease, int64_t now_ms,
    const char *update, const char *condition, json_t *values)
{
    static const char *const names[] = {"v", "count", "scanned", "pages", "rcu", "quality",
        "completed", "took", "counted_by", "owner", "token", "since", "lease", "reason", "ttl"};
    json_t *aliases = json_object();
    json_t *request;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char alias[16];

        snprintf(alias, sizeof(alias), "#%s", names[i]);
        /* DynamoDB refuses a placeholder that no expression uses. */
        if (record_uses(update, alias) || record_uses(condition, alias))
            json_object_set_new(aliases, alias, json_string(names[i]));
    }
    json_object_set_new(values, ":token", record_text(lease->token));
    json_object_set_new(values, ":ttl", record_number(saturating_add(now_ms / 1000, TTL_SECONDS)));
    request = json_pack("{s:s, s:{s:{s:s}}, s:s, s:s, s:o, s:o, s:s, s:s}", "TableName",
        lease->table, "Key", "k", "S", lease->key, "UpdateExpression", update,
        "ConditionExpression", condition, "ExpressionAttributeNames", aliases,
        "ExpressionAttributeValues", values, "ReturnConsumedCapacity", "TOTAL",
        "ReturnValuesOnConditionCheckFailure", "ALL_OLD");
    return record_write(body, request);
}

int shared_record_take_body(
    struct buffer *body, const struct shared_lease *lease, int64_t now_ms, int64_t stale_ms)
{
    int64_t far_ms = saturating_add(now_ms, SHARED_RECORD_LEASE_MS + SHARED_RECORD_AHEAD_MS);
    json_t *values = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", ":owner",
        record_text(lease->owner), ":now", record_number(now_ms), ":end",
        record_number(saturating_add(now_ms, SHARED_RECORD_LEASE_MS)), ":far",
        record_number(far_ms), ":stale", record_number(stale_ms), ":ahead",
        record_number(saturating_add(now_ms, SHARED_RECORD_AHEAD_MS)), ":n",
        json_pack("{s:s}", "S", "N"), ":one", record_number(VERSION));

    /* A time that no agent could have written, or of another type, counts as absent: else one bad
     * record would end the sharing for ever. */
    return record_update(body, lease, now_ms,
        "SET #v = :one, #owner = :owner, #token = :token, #since = :now, #lease = :end, "
        "#ttl = :ttl REMOVE #reason",
        "(attribute_not_exists(#v) OR #v = :one) AND "
        "(attribute_not_exists(#lease) OR NOT attribute_type(#lease, :n) OR #lease <= :now OR "
        "#lease > :far) AND "
        "(attribute_not_exists(#completed) OR NOT attribute_type(#completed, :n) OR "
        "#completed <= :stale OR #completed > :ahead)",
        values);
}

int shared_record_renew_body(struct buffer *body, const struct shared_lease *lease, int64_t now_ms)
{
    json_t *values = json_pack(
        "{s:o}", ":end", record_number(saturating_add(now_ms, SHARED_RECORD_LEASE_MS)));

    return record_update(
        body, lease, now_ms, "SET #lease = :end, #ttl = :ttl", "#token = :token", values);
}

int shared_record_give_back_body(
    struct buffer *body, const struct shared_lease *lease, int64_t now_ms)
{
    return record_update(body, lease, now_ms,
        "SET #ttl = :ttl REMOVE #owner, #token, #since, #lease, #reason", "#token = :token",
        json_object());
}

int shared_record_fail_body(
    struct buffer *body, const struct shared_lease *lease, int64_t now_ms, const char *reason)
{
    return record_update(body, lease, now_ms, "SET #reason = :reason, #ttl = :ttl",
        "#token = :token", json_pack("{s:o}", ":reason", record_text(reason)));
}

int shared_record_publish_body(
    struct buffer *body, const struct shared_lease *lease, const struct shared_number *number)
{
    json_t *values = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", ":count",
        record_number((int64_t)number->count), ":scanned", record_number((int64_t)number->scanned),
        ":pages", record_number(number->pages), ":rcu", record_units(number->rcu), ":quality",
        record_text(number->at_least ? "at_least" : "exact"), ":completed",
        record_number(number->completed_ms), ":took", record_number(number->took_ms), ":owner",
        record_text(lease->owner));

    return record_update(body, lease, number->completed_ms,
        "SET #count = :count, #scanned = :scanned, #pages = :pages, #rcu = :rcu, "
        "#quality = :quality, #completed = :completed, #took = :took, #counted_by = :owner, #ttl = "
        ":ttl "
        "REMOVE #owner, #token, #since, #lease, #reason",
        "#token = :token", values);
}

/* ---- replies ---- */

struct record_reader {
    const json_t *item;
    struct shared_record record;
};

static void record_bad(struct record_reader *reader, const char *name)
{
    struct shared_record *record = &reader->record;

    if (record->fault[0] == '\0')
        snprintf(record->fault, sizeof(record->fault), "the record's %s is not valid", name);
}

static const json_t *record_field(
    struct record_reader *reader, const char *name, const char *type, bool is_needed)
{
    const json_t *attribute = json_object_get(reader->item, name);
    const json_t *value = json_object_get(attribute, type);

    if (attribute == NULL ? is_needed : !json_is_string(value))
        record_bad(reader, name);
    return value;
}

/* DynamoDB writes whole numbers as digits, below 1e38. */
static int64_t record_read_number(
    struct record_reader *reader, const char *name, int64_t least, int64_t most)
{
    const char *text = json_string_value(record_field(reader, name, "N", true));
    char *end = NULL;
    long long number;

    if (text == NULL)
        return least;
    errno = 0;
    number = strtoll(text, &end, 10);
    if (errno == 0 && end != text && *end == '\0' && number >= least && number <= most)
        return number;
    record_bad(reader, name);
    return least;
}

static double record_read_units(struct record_reader *reader, const char *name)
{
    const char *text = json_string_value(record_field(reader, name, "N", true));
    char *end = NULL;
    double units = text != NULL ? strtod(text, &end) : 0;

    if (text != NULL && end != text && *end == '\0' && units >= 0 && units <= UNITS_MAX)
        return units;
    record_bad(reader, name);
    return 0;
}

static void record_read_text(
    struct record_reader *reader, const char *name, char *text, size_t size, bool is_needed)
{
    const json_t *value = record_field(reader, name, "S", is_needed);

    text[0] = '\0';
    if (json_is_string(value))
        utf8_copy(text, size, json_string_value(value), json_string_length(value));
}

static void record_read_count(struct record_reader *reader)
{
    struct shared_record *record = &reader->record;
    struct shared_number *number = &record->number;
    char quality[16];

    if (json_object_get(reader->item, "completed") == NULL)
        return; /* the first count is under way */
    number->count = (uint64_t)record_read_number(reader, "count", 0, COUNT_MAX);
    number->scanned = (uint64_t)record_read_number(reader, "scanned", 0, COUNT_MAX);
    number->pages = (uint32_t)record_read_number(reader, "pages", 1, UINT32_MAX);
    number->rcu = record_read_units(reader, "rcu");
    number->completed_ms = record_read_number(reader, "completed", 1, INT64_MAX);
    number->took_ms = record_read_number(reader, "took", 0, INT64_MAX);
    record_read_text(reader, "quality", quality, sizeof(quality), true);
    number->at_least = strcmp(quality, "at_least") == 0;
    if (!number->at_least && strcmp(quality, "exact") != 0)
        record_bad(reader, "quality");
    record_read_text(reader, "counted_by", record->counted_by, sizeof(record->counted_by), true);
    record->has_number = true;
}

static void record_read_lease(struct record_reader *reader)
{
    struct shared_record *record = &reader->record;

    if (json_object_get(reader->item, "lease") == NULL)
        return;
    record->lease_ms = record_read_number(reader, "lease", 0, INT64_MAX);
    record->since_ms = record_read_number(reader, "since", 0, INT64_MAX);
    record_read_text(reader, "owner", record->owner, sizeof(record->owner), true);
    record_read_text(reader, "reason", record->reason, sizeof(record->reason), false);
}

static double record_cost(const json_t *reply)
{
    double units = json_number_value(
        json_object_get(json_object_get(reply, "ConsumedCapacity"), "CapacityUnits"));

    return units >= 0 && units <= UNITS_MAX ? units : 0;
}

int shared_record_parse(const void *json, size_t len, struct shared_record *record, double *units,
    char *why, size_t why_size)
{
    bool no_memory = false;
    json_t *reply = json_read(json, len, PARSE_FLAGS, NULL, &no_memory);
    struct record_reader reader = {.item = json_object_get(reply, "Item")};
    int r = json_is_object(reply) ? 0 : no_memory ? -ENOMEM : -EPROTO;

    *record = (struct shared_record){.has_number = false};
    *units = record_cost(reply);
    if (r < 0)
        snprintf(why, why_size, no_memory ? "no memory" : "it is not a JSON object");
    if (reader.item != NULL) {
        record_read_number(&reader, "v", VERSION, VERSION);
        record_read_count(&reader);
        record_read_lease(&reader);
        if (reader.record.fault[0] == '\0')
            *record = reader.record;
        else
            memcpy(record->fault, reader.record.fault, sizeof(record->fault));
        record->exists = true;
    }
    json_decref(reply);
    return r;
}

void shared_record_settle(struct shared_record *record, int64_t now_ms)
{
    int64_t ahead_ms = saturating_add(now_ms, SHARED_RECORD_AHEAD_MS);

    record->is_leased = record->lease_ms > now_ms &&
                        record->lease_ms <= saturating_add(ahead_ms, SHARED_RECORD_LEASE_MS);
    if (!record->has_number || record->number.completed_ms <= ahead_ms)
        return;
    record->has_number = false;
    snprintf(record->fault, sizeof(record->fault), "the record's number is from the future");
}
