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

/* The number at a path of the error map, where it is from 1 to `max`; else `fallback`. */
static int64_t unpack_integer(struct reader map, const char *path, int64_t max, int64_t fallback)
{
    int64_t number;

    return reader_find(&map, path) && reader_int(&map, &number) && number > 0 && number <= max
               ? number
               : fallback;
}

static void unpack_text(struct reader map, const char *path, char *to, size_t size)
{
    struct text text;

    if (reader_find(&map, path) && reader_text(&map, &text))
        utf8_copy(to, size, text.data, text.len);
}

static void unpack_map(struct reader map, struct failure *failure)
{
    struct reader flag = map;

    failure->code = (enum error_code)unpack_integer(map, "code", INT_MAX, failure->code);
    failure->retryable = error_retryable(failure->code);
    if (reader_find(&flag, "retryable"))
        reader_bool(&flag, &failure->retryable);
    failure->retry_after_ms = unpack_integer(map, "retry_after_ms", INT64_MAX, 0);
    unpack_text(map, "message", failure->message, sizeof(failure->message));
    unpack_text(map, "aws.code", failure->aws_code, sizeof(failure->aws_code));
    unpack_text(map, "aws.request_id", failure->aws_request_id, sizeof(failure->aws_request_id));
    unpack_text(map, "aws.reasons", failure->aws_reasons, sizeof(failure->aws_reasons));
}

static void unpack_string(struct reader string, struct failure *failure)
{
    unpack_text(string, NULL, failure->message, sizeof(failure->message));
    const char *colon = strstr(failure->message, ": ");
    enum error_code code = colon != NULL
                               ? error_of_name(failure->message, (size_t)(colon - failure->message))
                               : ERROR_NONE;

    if (code == ERROR_NONE)
        return;
    failure->code = code;
    failure->retryable = error_retryable(code);
    memmove(failure->message, colon + 2, strlen(colon + 2) + 1);
}

bool failure_unpack(struct reader *reader, struct failure *failure)
{
    enum value_type type = reader_peek(reader);
    struct reader map = *reader;
    uint32_t pairs;

    *failure = (struct failure){
        .code = ERROR_INTERNAL, .retryable = error_retryable(ERROR_INTERNAL)};
    if (type == VALUE_STRING || type == VALUE_BINARY)
        unpack_string(*reader, failure);
    else if (reader_map(&map, &pairs))
        unpack_map(*reader, failure);
    else
        return false;
    return reader_skip(reader, NULL);
}
