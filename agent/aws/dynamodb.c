/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/aws/dynamodb.h"

#include "agent/json_value.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* String keys may hold NUL; a repeated member is always a mistake. */
#define PARSE_FLAGS (JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL)

/* A key has at most four attributes of 2 KiB, which escapes make six times as long. */
#define LAST_KEY_MAX (64u * 1024u)

/* Far above what 1 MB can hold; a sum over pages below it cannot overflow. */
#define COUNT_MAX INT64_C(0xffffffff)

/* The same for what a page costs. */
#define UNITS_MAX 1e9

static json_t *dynamodb_load(const void *text, size_t len, bool *no_memory)
{
    return json_read(text, len, PARSE_FLAGS, NULL, no_memory);
}

/* ---- request body ---- */

static void fail_memory(struct buffer *body)
{
    body->failed = true;
    body->error = -ENOMEM;
}

static void append_json_string(struct buffer *body, const char *text)
{
    buffer_append_byte(body, '"');
    for (; *text != '\0'; text++) {
        const char *plain = text;

        while ((unsigned char)*text >= ' ' && *text != '"' && *text != '\\')
            text++;
        buffer_append(body, plain, (size_t)(text - plain));
        if (*text == '\0')
            break;
        if (*text == '"' || *text == '\\')
            buffer_printf(body, "\\%c", *text);
        else
            buffer_printf(body, "\\u%04x", (unsigned char)*text);
    }
    buffer_append_byte(body, '"');
}

/* ,"Name": */
static void append_name(struct buffer *body, const char *name)
{
    buffer_append_string(body, ",\"");
    buffer_append_string(body, name);
    buffer_append_string(body, "\":");
}

/* ,"Name":"text", or nothing if there is no text. */
static void append_text(struct buffer *body, const char *name, const char *text)
{
    if (text == NULL)
        return;
    append_name(body, name);
    append_json_string(body, text);
}

/* ,"Name":{…}, or nothing if there is no object or an empty one, which DynamoDB refuses. */
static void append_object(struct buffer *body, const char *name, const char *json)
{
    if (json == NULL || strcmp(json, "{}") == 0)
        return;
    append_name(body, name);
    buffer_append_string(body, json);
}

/* The number that "$now", "$now-60" or "$now+60" stands for; false for any other text. */
static bool now_value(const char *text, int64_t unix_seconds, int64_t *value)
{
    long long offset = 0;
    char *end;

    if (strncmp(text, "$now", 4) != 0)
        return false;
    text += 4;
    if (*text != '\0') {
        if ((*text != '+' && *text != '-') || text[1] < '0' || text[1] > '9')
            return false;
        errno = 0;
        offset = strtoll(text, &end, 10);
        if (errno != 0 || *end != '\0')
            return false;
    }
    return !__builtin_add_overflow(unix_seconds, offset, value);
}

/* The string that replaces this one, or NULL: keep it, or out of memory (*r). */
static json_t *now_string(const json_t *number, int64_t unix_seconds, int *r)
{
    int64_t value;
    json_t *string;

    if (!json_is_string(number) || !now_value(json_string_value(number), unix_seconds, &value))
        return NULL;
    string = json_sprintf("%lld", (long long)value);
    if (string == NULL)
        *r = -ENOMEM;
    return string;
}

static int substitute_now(json_t *attribute, int64_t unix_seconds);

static int substitute_now_in_array(json_t *array, int64_t unix_seconds, bool of_numbers)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < json_array_size(array); i++) {
        json_t *element = json_array_get(array, i);
        json_t *string = of_numbers ? now_string(element, unix_seconds, &r) : NULL;

        if (string != NULL && json_array_set_new(array, i, string) < 0)
            r = -ENOMEM;
        if (!of_numbers)
            r = substitute_now(element, unix_seconds);
    }
    return r;
}

static int substitute_now_in_object(json_t *object, int64_t unix_seconds)
{
    int r = 0;

    for (void *at = json_object_iter(object); r == 0 && at != NULL;
         at = json_object_iter_next(object, at))
        r = substitute_now(json_object_iter_value(at), unix_seconds);
    return r;
}

/* Replaces "$now" inside one AttributeValue. 0 or -ENOMEM. */
static int substitute_now(json_t *attribute, int64_t unix_seconds)
{
    int r = 0;
    json_t *string = now_string(json_object_get(attribute, "N"), unix_seconds, &r);

    if (string != NULL && json_object_set_new(attribute, "N", string) < 0)
        r = -ENOMEM;
    if (r == 0)
        r = substitute_now_in_array(json_object_get(attribute, "NS"), unix_seconds, true);
    if (r == 0)
        r = substitute_now_in_array(json_object_get(attribute, "L"), unix_seconds, false);
    if (r == 0)
        r = substitute_now_in_object(json_object_get(attribute, "M"), unix_seconds);
    return r;
}

static void append_values_now(struct buffer *body, const char *values, int64_t unix_seconds)
{
    json_t *object = dynamodb_load(values, strlen(values), NULL);
    char *text = NULL;

    if (object != NULL && substitute_now_in_object(object, unix_seconds) == 0)
        text = json_write(object, 0);
    /* The configuration accepted the text, so the cause is lack of memory. */
    if (text == NULL)
        fail_memory(body);
    else
        append_object(body, "ExpressionAttributeValues", text);
    free(text);
    json_decref(object);
}

int dynamodb_query_body(struct buffer *body, const struct query *query, const char *values,
    int64_t unix_seconds, const char *start_key, uint64_t limit)
{
    if (values == NULL)
        values = query->values;
    buffer_append_string(body, "{\"TableName\":");
    append_json_string(body, query->table);
    append_text(body, "IndexName", query->index);
    append_text(body, "KeyConditionExpression", query->key_condition);
    append_text(body, "FilterExpression", query->filter);
    append_object(body, "ExpressionAttributeNames", query->names);
    if (values != NULL && query->uses_now)
        append_values_now(body, values, unix_seconds);
    else
        append_object(body, "ExpressionAttributeValues", values);
    if (query->consistent_read)
        buffer_append_string(body, ",\"ConsistentRead\":true");
    buffer_append_string(body, ",\"Select\":\"COUNT\",\"ReturnConsumedCapacity\":\"TOTAL\"");
    if (limit > 0)
        buffer_printf(body, ",\"Limit\":%llu", (unsigned long long)limit);
    append_object(body, "ExclusiveStartKey", start_key);
    buffer_append_byte(body, '}');
    return body->failed ? body->error : 0;
}

char *dynamodb_merge_values(const char *values, const char *overrides)
{
    json_t *merged = values != NULL ? dynamodb_load(values, strlen(values), NULL)
                                    : dynamodb_load("{}", 2, NULL);
    json_t *over = dynamodb_load(overrides, strlen(overrides), NULL);
    char *text = NULL;

    if (json_is_object(merged) && json_is_object(over) && json_object_update(merged, over) == 0)
        text = json_write(merged, JSON_SORT_KEYS);
    json_decref(over);
    json_decref(merged);
    return text;
}

/* ---- replies ---- */

static int parse_count(
    const json_t *reply, const char *name, uint64_t *count, char *why, size_t why_size)
{
    const json_t *number = json_object_get(reply, name);
    json_int_t value = json_integer_value(number);

    if (!json_is_integer(number) || value < 0 || value > COUNT_MAX) {
        snprintf(why, why_size, "%s is %s", name,
            number == NULL ? "missing" : "no possible number of items");
        return -EPROTO;
    }
    *count = (uint64_t)value;
    return 0;
}

/* Absent if DynamoDB does not return it; it is the cost of a page, never its count. */
static int parse_capacity(const json_t *reply, double *units, char *why, size_t why_size)
{
    const json_t *capacity = json_object_get(reply, "ConsumedCapacity");
    const json_t *number = json_object_get(capacity, "CapacityUnits");

    *units = 0;
    if (capacity == NULL || json_is_null(capacity) || (json_is_object(capacity) && number == NULL))
        return 0;
    *units = json_number_value(number);
    if (json_is_number(number) && *units >= 0 && *units <= UNITS_MAX)
        return 0;
    snprintf(why, why_size, "ConsumedCapacity is not valid");
    return -EPROTO;
}

/* *key: NULL where this was the last page. An empty or null key ends the query as an absent
 * one does. */
static int parse_last_key(const json_t *reply, char **key, char *why, size_t why_size)
{
    const json_t *object = json_object_get(reply, "LastEvaluatedKey");

    *key = NULL;
    if (object == NULL || json_is_null(object))
        return 0;
    if (!json_is_object(object)) {
        snprintf(why, why_size, "LastEvaluatedKey is not an object");
        return -EPROTO;
    }
    if (json_object_size(object) == 0)
        return 0;
    *key = json_write(object, 0);
    if (*key != NULL && strlen(*key) > LAST_KEY_MAX) {
        snprintf(why, why_size, "LastEvaluatedKey has %zu bytes, over the limit of %u",
            strlen(*key), LAST_KEY_MAX);
        free(*key);
        *key = NULL;
        return -EPROTO;
    }
    if (*key != NULL)
        return 0;
    snprintf(why, why_size, "no memory");
    return -ENOMEM;
}

int dynamodb_parse_page(
    const void *json, size_t len, struct dynamodb_page *page, char *why, size_t why_size)
{
    bool no_memory = false;
    json_t *reply = dynamodb_load(json, len, &no_memory);
    int r;

    *page = (struct dynamodb_page){.last_key = NULL};
    if (!json_is_object(reply)) {
        snprintf(why, why_size,
            no_memory ? "no memory" : "it is not a JSON object, or has more than %d values",
            JSON_VALUES_MAX);
        r = no_memory ? -ENOMEM : -EPROTO;
        goto finish;
    }
    r = parse_count(reply, "Count", &page->count, why, why_size);
    page->scanned = page->count; /* at least; some DynamoDB emulators omit it */
    if (r == 0 && json_object_get(reply, "ScannedCount") != NULL)
        r = parse_count(reply, "ScannedCount", &page->scanned, why, why_size);
    if (r == 0)
        r = parse_capacity(reply, &page->consumed_rcu, why, why_size);
    if (r == 0)
        r = parse_last_key(reply, &page->last_key, why, why_size);
finish:
    json_decref(reply);
    return r;
}

void dynamodb_page_clear(struct dynamodb_page *page)
{
    free(page->last_key);
    page->last_key = NULL;
}

/* ---- errors ---- */

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "";
}

static const char *first_text_of(const json_t *object, const char *name, const char *other)
{
    const char *text = text_of(object, name);

    return text[0] != '\0' ? text : text_of(object, other);
}

void dynamodb_parse_error(int status, const void *body, size_t len, struct aws_error *error)
{
    json_t *reply = dynamodb_load(body, len, NULL);
    /* "com.amazonaws.dynamodb.v20120810#ThrottlingException", possibly followed by ":http://…" */
    const char *type = first_text_of(reply, "__type", "code");
    const char *hash = strrchr(type, '#');
    const char *code = hash != NULL ? hash + 1 : type;
    const char *message = first_text_of(reply, "message", "Message");
    const json_t *reasons = json_object_get(reply, "ThrottlingReasons");

    /* ThrottlingException spells them with a small letter, as the service's model says. */
    if (reasons == NULL)
        reasons = json_object_get(reply, "throttlingReasons");
    if (code[0] != '\0')
        aws_error_set(error, status, code, strcspn(code, ":"), message, strlen(message));
    else
        aws_error_set_page(error, status, body, len);
    for (size_t i = 0; i < json_array_size(reasons); i++) {
        const json_t *reason = json_array_get(reasons, i);

        aws_error_add_reason(error, text_of(reason, "reason"), text_of(reason, "resource"));
    }
    json_decref(reply);
}

/* ---- checksum ---- */

/* CRC-32 as in zlib, by the two halves of each byte: replies of a count are a few hundred bytes,
 * for which a table of 256 would not pay. */
static uint32_t crc32_of(const uint8_t *data, size_t len)
{
    static const uint32_t low[16] = {0x00000000, 0x77073096, 0xee0e612c, 0x990951ba, 0x076dc419,
        0x706af48f, 0xe963a535, 0x9e6495a3, 0x0edb8832, 0x79dcb8a4, 0xe0d5e91e, 0x97d2d988,
        0x09b64c2b, 0x7eb17cbd, 0xe7b82d07, 0x90bf1d91};
    static const uint32_t high[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190,
        0x6b6b51f4, 0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < len; i++) {
        unsigned byte = (crc ^ data[i]) & 0xff;

        crc = crc >> 8 ^ low[byte & 15] ^ high[byte >> 4];
    }
    return ~crc;
}

bool dynamodb_crc_matches(const char *crc32, const void *body, size_t len)
{
    uint64_t wanted = 0;

    if (crc32[0] == '\0')
        return true;
    for (; *crc32 != '\0'; crc32++) {
        if (*crc32 < '0' || *crc32 > '9' || wanted > UINT32_MAX)
            return false;
        wanted = wanted * 10 + (uint64_t)(*crc32 - '0');
    }
    return wanted == crc32_of(body, len);
}
