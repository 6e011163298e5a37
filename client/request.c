/* SPDX-License-Identifier: Apache-2.0 */
#include "client/request.h"

#include "proto/limits.h"
#include "proto/message.h"
#include "proto/reader.h"
#include "proto/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS_BYTES = LIMIT_REQUEST_BYTES - 256 }; /* for fields: the rest is for the envelope */

/* Ends a setter: the first failure makes the request unusable. `argument`, `what`: which of the
 * caller's arguments is wrong, and why. */
static int finish_setter(
    struct tally_request *request, int error, const char *argument, const char *what)
{
    if (error < 0 && request->error == 0) {
        request->error = error;
        snprintf(request->why, sizeof(request->why), "%.60s: %s", argument, what);
    }
    return error;
}

#define TOO_LONG "too long for a request of 65536 bytes"
_Static_assert(LIMIT_REQUEST_BYTES == 65536, "TOO_LONG names the limit");

/* Whether a text or bytes can fit into any request. */
static bool request_fits(const void *data, size_t len)
{
    return data != NULL && len <= FIELDS_BYTES;
}

int request_init(struct tally_request *request, const char *method)
{
    *request = (struct tally_request){0};
    buffer_init(&request->fields, LIMIT_REQUEST_BYTES);
    buffer_init(&request->values, LIMIT_REQUEST_BYTES);
    return request_reset(request, method);
}

void request_free(struct tally_request *request)
{
    buffer_free(&request->fields);
    buffer_free(&request->values);
}

int request_reset(struct tally_request *request, const char *method)
{
    buffer_clear(&request->fields);
    buffer_clear(&request->values);
    request->pairs = 0;
    request->value_pairs = 0;
    request->has_timeout = false;
    request->raw = NULL;
    request->raw_len = 0;
    request->error = 0;
    size_t len = method != NULL ? strlen(method) : 0;
    if (len == 0 || len >= sizeof(request->method))
        return finish_setter(request, TALLY_EARGUMENT, "method", "empty, or longer than 63 bytes");
    memcpy(request->method, method, len + 1);
    return 0;
}

/* Whether the bytes are exactly one msgpack value that the agent would accept. */
static bool is_one_value(const void *data, size_t len)
{
    struct frame_scan scan;

    frame_scan_init(&scan, LIMIT_REQUEST_BYTES, LIMIT_DEPTH);
    return frame_scan_feed(&scan, data, len) == FRAME_COMPLETE && scan.offset == len;
}

int request_set_raw(struct tally_request *request, const void *params, size_t len)
{
    static const uint8_t empty[] = {0x90};

    request->raw = params != NULL ? params : empty;
    request->raw_len = params != NULL ? len : sizeof(empty);
    struct reader reader;
    reader_init(&reader, request->raw, request->raw_len);
    if (!is_one_value(request->raw, request->raw_len) || reader_peek(&reader) != VALUE_ARRAY)
        return finish_setter(request, TALLY_EARGUMENT, "params",
            "not one whole msgpack array, nested at most 8 deep, of at most 65536 bytes");
    return 0;
}

int request_copy(struct tally_request *copy, const struct tally_request *request)
{
    int r = request_init(copy, request->method);

    if (r < 0)
        return r;
    copy->pairs = request->pairs;
    copy->value_pairs = request->value_pairs;
    copy->has_timeout = request->has_timeout;
    copy->error = request->error;
    memcpy(copy->why, request->why, sizeof(copy->why));
    buffer_append(&copy->fields, request->fields.data, request->fields.len);
    buffer_append(&copy->values, request->values.data, request->values.len);
    if (!copy->fields.failed && !copy->values.failed)
        return 0;
    request_free(copy);
    return TALLY_ENOMEM;
}

static void append_pairs(struct map *map, const struct buffer *pairs, uint32_t count)
{
    buffer_append(map->buffer, pairs->data, pairs->len);
    map->pairs += count;
}

int request_encode(
    const struct tally_request *request, uint32_t id, int64_t remaining, struct buffer *out)
{
    if (request->error < 0)
        return request->error;
    message_begin_request(out, id, request->method);
    if (request->raw != NULL) {
        buffer_append(out, request->raw, request->raw_len);
    } else {
        write_array(out, 1);
        struct map map = map_begin(out);
        append_pairs(&map, &request->fields, request->pairs);
        if (request->value_pairs > 0) {
            struct map values = map_begin_in(&map, "values");

            append_pairs(&values, &request->values, request->value_pairs);
            map_end(&values);
        }
        if (!request->has_timeout)
            map_int(&map, "timeout_ms", remaining);
        map_end(&map);
    }
    /* The agent would close the connection if the nesting is too deep. */
    if (!out->failed)
        return is_one_value(out->data, out->len) ? 0 : TALLY_EARGUMENT;
    size_t size = request->fields.len + request->values.len + request->raw_len;
    return size > FIELDS_BYTES ? TALLY_EARGUMENT : TALLY_ENOMEM;
}

int tally_request_new(struct tally_request **request, const char *method)
{
    *request = NULL;
    struct tally_request *made = malloc(sizeof(*made));
    if (made == NULL)
        return TALLY_ENOMEM;
    int r = request_init(made, method);
    if (r < 0) {
        free(made);
        return r;
    }
    *request = made;
    return 0;
}

void tally_request_free(struct tally_request *request)
{
    if (request == NULL)
        return;
    request_free(request);
    free(request);
}

/* Removes the pair with this key, if there is one. */
static void remove_pair(struct buffer *pairs, uint32_t *count, const char *key)
{
    struct reader reader;

    reader_init(&reader, pairs->data, pairs->len);
    while (reader.at < reader.end) {
        const uint8_t *start = reader.at;
        struct text name = {NULL, 0};

        if (!reader_text(&reader, &name) || !reader_skip(&reader, NULL))
            return;
        if (!text_equals(name, key))
            continue;
        size_t offset = (size_t)(start - pairs->data);
        size_t size = (size_t)(reader.at - start);
        memmove(pairs->data + offset, reader.at, (size_t)(reader.end - reader.at));
        buffer_truncate(pairs, pairs->len - size);
        (*count)--;
        return;
    }
}

static int set_pair(struct tally_request *request, struct buffer *pairs, uint32_t *count,
    const char *key, const struct buffer *value)
{
    if (key == NULL || key[0] == '\0')
        return finish_setter(request, TALLY_EARGUMENT, "key", "missing or empty");
    struct buffer pair;
    buffer_init(&pair, LIMIT_REQUEST_BYTES);
    write_string(&pair, key);
    buffer_append(&pair, value->data, value->len);
    int r = 0;
    /* Checks the size first, so that the old pair is removed only when the new one fits. */
    if (strlen(key) + value->len + pairs->len > FIELDS_BYTES)
        r = TALLY_EARGUMENT;
    else if (value->failed || pair.failed || buffer_reserve(pairs, pair.len) < 0)
        r = TALLY_ENOMEM;
    if (r == 0) {
        remove_pair(pairs, count, key);
        buffer_append(pairs, pair.data, pair.len);
        (*count)++;
    }
    buffer_free(&pair);
    return finish_setter(request, r, key, r == TALLY_ENOMEM ? "no memory for it" : TOO_LONG);
}

static int set_field(struct tally_request *request, const char *key, struct buffer *value)
{
    int r = set_pair(request, &request->fields, &request->pairs, key, value);

    if (r == 0 && strcmp(key, "timeout_ms") == 0)
        request->has_timeout = true;
    buffer_free(value);
    return r;
}

int tally_request_set_string(struct tally_request *request, const char *key, const char *value)
{
    struct buffer packed;

    if (value == NULL || !request_fits(value, strlen(value)))
        return finish_setter(request, TALLY_EARGUMENT, key != NULL ? key : "key",
            value == NULL ? "the text is missing (NULL)" : TOO_LONG);
    buffer_init(&packed, LIMIT_REQUEST_BYTES);
    write_string(&packed, value);
    return set_field(request, key, &packed);
}

int tally_request_set_integer(struct tally_request *request, const char *key, int64_t value)
{
    struct buffer packed;

    buffer_init(&packed, LIMIT_REQUEST_BYTES);
    write_int(&packed, value);
    return set_field(request, key, &packed);
}

int tally_request_set_bool(struct tally_request *request, const char *key, int value)
{
    struct buffer packed;

    buffer_init(&packed, LIMIT_REQUEST_BYTES);
    write_bool(&packed, value != 0);
    return set_field(request, key, &packed);
}

int tally_request_set_packed(
    struct tally_request *request, const char *key, const void *data, size_t len)
{
    struct buffer packed;

    if (!is_one_value(data, len))
        return finish_setter(request, TALLY_EARGUMENT, key != NULL ? key : "key",
            "not exactly one msgpack value, nested at most 8 deep");
    buffer_init(&packed, LIMIT_REQUEST_BYTES);
    buffer_append(&packed, data, len);
    return set_field(request, key, &packed);
}

int tally_request_set_value(struct tally_request *request, const char *placeholder,
    const char *type, const void *data, size_t len)
{
    bool known = type != NULL && type[0] != '\0' && strchr("SNB", type[0]) != NULL;

    if (!known || type[1] != '\0')
        return finish_setter(request, TALLY_EARGUMENT, "type", "must be \"S\", \"N\" or \"B\"");
    if (!request_fits(data, len))
        return finish_setter(request, TALLY_EARGUMENT,
            placeholder != NULL ? placeholder : "placeholder",
            data == NULL ? "the value is missing (NULL)" : TOO_LONG);
    struct buffer packed;
    buffer_init(&packed, LIMIT_REQUEST_BYTES);
    struct map map = map_begin(&packed);
    if (type[0] == 'B')
        write_binary(map_key(&map, type), data, len);
    else
        write_text(map_key(&map, type), data, len);
    map_end(&map);
    int r = set_pair(request, &request->values, &request->value_pairs, placeholder, &packed);
    buffer_free(&packed);
    return r;
}

int request_fail(const struct tally_request *request, int error, struct tally_answer *answer)
{
    if (request->error < 0)
        return answer_fail(answer, error, "%s", request->why);
    return answer_fail(answer, error,
        error == TALLY_EARGUMENT
            ? "the request as a whole is nested too deep, or larger than %u bytes"
            : "no memory for a request of up to %u bytes",
        LIMIT_REQUEST_BYTES);
}
