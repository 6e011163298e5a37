/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/message.h"

#include "proto/limits.h"
#include "proto/utf8.h"
#include "proto/writer.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

/* ---- the envelope ---- */

/* Returns the last value: the frame is one value, so the rest of it is just this one. */
static int take_rest(const struct reader *reader, struct reader *value)
{
    *value = *reader;
    return reader->at < reader->end ? 0 : -EPROTO;
}

/* Behind the msgid (requests) or the kind (notifications): method and params. */
static int decode_call(struct message *message, struct reader *reader, bool count_fits)
{
    if (!count_fits) {
        message->flaw = "the message must be [0, msgid, method, params] or [2, method, params]";
        return 0;
    }
    if (!reader_text(reader, &message->method)) {
        message->flaw = "the method must be a string";
        return 0;
    }
    return take_rest(reader, &message->params);
}

static int decode_answer(struct message *message, struct reader *reader, bool count_fits)
{
    struct text error;

    if (!count_fits || !reader_skip(reader, &error))
        return -EPROTO;
    reader_init(&message->error, error.data, error.len);
    message->has_error = reader_peek(&message->error) != VALUE_NIL;
    return take_rest(reader, &message->result);
}

int message_decode(struct message *message, const uint8_t *frame, size_t len)
{
    struct reader reader;
    uint32_t count;
    uint64_t kind;
    uint64_t id;

    *message = (struct message){.method = {"", 0}};
    reader_init(&reader, frame, len);
    if (!reader_array(&reader, &count) || !reader_uint(&reader, &kind) ||
        kind > MESSAGE_NOTIFICATION)
        return -EPROTO;
    message->kind = (enum message_kind)kind;
    if (message->kind == MESSAGE_NOTIFICATION)
        return decode_call(message, &reader, count == 3);

    if (!reader_uint(&reader, &id) || id > MSGID_MAX)
        return -EPROTO;
    message->id = (uint32_t)id;
    message->body = (struct text){(const char *)reader.at, (size_t)(reader.end - reader.at)};
    return message->kind == MESSAGE_REQUEST ? decode_call(message, &reader, count == 4)
                                            : decode_answer(message, &reader, count == 4);
}

void message_begin_request(struct buffer *buffer, uint32_t id, const char *method)
{
    write_array(buffer, 4);
    write_uint(buffer, MESSAGE_REQUEST);
    write_uint(buffer, id);
    write_string(buffer, method);
}

void message_begin_notification(struct buffer *buffer, const char *method)
{
    write_array(buffer, 3);
    write_uint(buffer, MESSAGE_NOTIFICATION);
    write_string(buffer, method);
}

/* Written by hand and in one append: every answer begins like this. */
void message_begin_answer(struct buffer *buffer, uint32_t id)
{
    const uint8_t head[] = {0x94, MESSAGE_ANSWER, 0xce, (uint8_t)(id >> 24), (uint8_t)(id >> 16),
        (uint8_t)(id >> 8), (uint8_t)id, 0xc0};

    buffer_append(buffer, head, sizeof(head));
}

static void write_error_string(struct buffer *buffer, const struct failure *failure)
{
    char text[sizeof(*failure) + 64];
    bool has_code = failure->aws_code[0] != '\0';
    bool has_id = failure->aws_request_id[0] != '\0';
    int len = snprintf(text, sizeof(text), "%s: %s%s%s%s%s%s", error_name(failure->code),
        failure->message, has_code || has_id ? " [" : "", failure->aws_code,
        has_code && has_id ? ", " : "", failure->aws_request_id, has_code || has_id ? "]" : "");

    (void)len; /* bounded by its parts */
    write_string(buffer, text);
}

void message_error_string(struct buffer *buffer, uint32_t id, const struct failure *failure)
{
    write_array(buffer, 4);
    write_uint(buffer, MESSAGE_ANSWER);
    write_uint(buffer, id);
    write_error_string(buffer, failure);
    write_nil(buffer);
}

void message_error(
    struct buffer *buffer, uint32_t id, const struct failure *failure, const struct map *extra)
{
    write_array(buffer, 4);
    write_uint(buffer, MESSAGE_ANSWER);
    write_uint(buffer, id);
    failure_pack(buffer, failure, extra);
    write_nil(buffer);
}

/* ---- the error map ---- */

void failure_pack(struct buffer *buffer, const struct failure *failure, const struct map *extra)
{
    struct map map = map_begin(buffer);
    struct map aws;

    map_uint(&map, "code", failure->code);
    map_string(&map, "name", error_name(failure->code));
    map_string(&map, "message", failure->message);
    map_bool(&map, "retryable", failure->retryable);
    if (failure->stage != STAGE_NONE)
        map_string(&map, "stage", failure_stage_name(failure->stage));
    if (failure->retry_after_ms > 0)
        map_int(&map, "retry_after_ms", failure->retry_after_ms);
    if (failure->aws_code[0] != '\0' || failure->aws_request_id[0] != '\0') {
        aws = map_begin_in(&map, "aws");
        map_string(&aws, "code", failure->aws_code);
        map_string(&aws, "request_id", failure->aws_request_id);
        if (failure->aws_reasons[0] != '\0')
            map_string(&aws, "reasons", failure->aws_reasons);
        map_end(&aws);
    }
    if (extra != NULL)
        map_append(&map, extra);
    map_end(&map);
}

static bool message_is_text(enum value_type type)
{
    return type == VALUE_STRING || type == VALUE_BINARY;
}

static void unpack_text(struct reader *reader, char *to, size_t size)
{
    struct text text;

    if (reader_text(reader, &text))
        utf8_copy(to, size, text.data, text.len);
}

static void unpack_aws_member(struct reader *reader, struct failure *failure)
{
    struct text key = {"", 0};
    enum value_type type;

    if (!reader_text(reader, &key))
        return;
    type = reader_peek(reader);
    if (text_equals(key, "code") && message_is_text(type))
        unpack_text(reader, failure->aws_code, sizeof(failure->aws_code));
    else if (text_equals(key, "request_id") && message_is_text(type))
        unpack_text(reader, failure->aws_request_id, sizeof(failure->aws_request_id));
    else if (text_equals(key, "reasons") && message_is_text(type))
        unpack_text(reader, failure->aws_reasons, sizeof(failure->aws_reasons));
    else
        reader_skip(reader, NULL);
}

static void unpack_aws(struct reader *reader, struct failure *failure)
{
    uint32_t pairs = 0;

    reader_map(reader, &pairs);
    for (uint32_t i = 0; i < pairs && !reader->failed; i++)
        unpack_aws_member(reader, failure);
}

static void unpack_integer(struct reader *reader, int64_t max, int64_t *value)
{
    struct reader probe = *reader;
    int64_t number;

    if (reader_int(&probe, &number) && number > 0 && number <= max)
        *value = number;
    reader_skip(reader, NULL);
}

/* `said_retryable` becomes true if the map has that field; else the code decides. */
static void unpack_member(struct reader *reader, struct failure *failure, bool *said_retryable)
{
    struct text key = {"", 0};
    enum value_type type;
    int64_t code = failure->code;

    if (!reader_text(reader, &key))
        return;
    type = reader_peek(reader);
    if (text_equals(key, "code")) {
        unpack_integer(reader, INT_MAX, &code);
        failure->code = (enum error_code)code;
    } else if (text_equals(key, "message") && message_is_text(type)) {
        unpack_text(reader, failure->message, sizeof(failure->message));
    } else if (text_equals(key, "retryable") && type == VALUE_BOOL) {
        *said_retryable = reader_bool(reader, &failure->retryable);
    } else if (text_equals(key, "retry_after_ms")) {
        unpack_integer(reader, INT64_MAX, &failure->retry_after_ms);
    } else if (text_equals(key, "aws") && type == VALUE_MAP) {
        unpack_aws(reader, failure);
    } else {
        reader_skip(reader, NULL);
    }
}

static void unpack_string(struct reader *reader, struct failure *failure)
{
    unpack_text(reader, failure->message, sizeof(failure->message));
    const char *colon = strstr(failure->message, ": ");
    enum error_code code = colon != NULL
                               ? error_of_name(failure->message, (size_t)(colon - failure->message))
                               : ERROR_NONE;

    if (code == ERROR_NONE)
        return;
    failure->code = code;
    memmove(failure->message, colon + 2, strlen(colon + 2) + 1);
}

bool failure_unpack(struct reader *reader, struct failure *failure)
{
    bool said_retryable = false;
    uint32_t pairs = 0;

    *failure = (struct failure){.code = ERROR_INTERNAL};
    if (message_is_text(reader_peek(reader)))
        unpack_string(reader, failure);
    else
        reader_map(reader, &pairs);
    for (uint32_t i = 0; i < pairs && !reader->failed; i++)
        unpack_member(reader, failure, &said_retryable);
    if (!said_retryable)
        failure->retryable = error_retryable(failure->code);
    return !reader->failed;
}
