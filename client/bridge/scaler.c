/* SPDX-License-Identifier: Apache-2.0 */
#include "client/bridge/scaler.h"

#include "client/bridge/protobuf.h"
#include "proto/utf8.h"

#include <stdio.h>

#define SERVICE_PATH       "/externalscaler.ExternalScaler/"
#define METRIC_FIELD_BYTES 1024 /* of the repeated messages that are written */

enum scaler_method scaler_method_of(struct text path)
{
    static const struct {
        const char *path;
        enum scaler_method method;
    } methods[] = {
        {SERVICE_PATH "IsActive", SCALER_IS_ACTIVE},
        {SERVICE_PATH "StreamIsActive", SCALER_STREAM_IS_ACTIVE},
        {SERVICE_PATH "GetMetricSpec", SCALER_GET_METRIC_SPEC},
        {SERVICE_PATH "GetMetrics", SCALER_GET_METRICS},
    };

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (text_equals(path, methods[i].path))
            return methods[i].method;
    }
    return SCALER_UNKNOWN;
}

/* ---- requests ---- */

struct object_ref {
    struct text name, namespace, trigger; /* `trigger`: of the metadata; empty where it has none */
};

/* One entry of a map: 1 key, 2 value. */
static bool scaler_read_entry(struct text entry, struct object_ref *ref)
{
    struct protobuf_reader reader;
    struct protobuf_field field;
    struct text key = {"", 0}, value = {"", 0};

    protobuf_read(&reader, entry);
    while (protobuf_next(&reader, &field)) {
        if (field.wire == PROTOBUF_BYTES && field.number == 1)
            key = field.bytes;
        else if (field.wire == PROTOBUF_BYTES && field.number == 2)
            value = field.bytes;
    }
    if (text_equals(key, "trigger"))
        ref->trigger = value;
    return !reader.failed;
}

static bool scaler_read_ref(struct text message, struct object_ref *ref)
{
    struct protobuf_reader reader;
    struct protobuf_field field;

    protobuf_read(&reader, message);
    while (protobuf_next(&reader, &field)) {
        if (field.wire != PROTOBUF_BYTES)
            continue;
        if (field.number == 1)
            ref->name = field.bytes;
        else if (field.number == 2)
            ref->namespace = field.bytes;
        else if (field.number == 3 && !scaler_read_entry(field.bytes, ref))
            return false;
    }
    return !reader.failed;
}

/* GetMetrics has the reference one level deeper. A field that comes twice is merged, as proto3 has
 * it. */
static bool scaler_read_metrics(struct text message, struct object_ref *ref)
{
    struct protobuf_reader reader;
    struct protobuf_field field;

    protobuf_read(&reader, message);
    while (protobuf_next(&reader, &field)) {
        if (field.wire == PROTOBUF_BYTES && field.number == 1 && !scaler_read_ref(field.bytes, ref))
            return false;
    }
    return !reader.failed;
}

static enum grpc_code scaler_refuse_namespace(
    const struct object_ref *ref, const char *only_namespace, char *why, size_t why_size)
{
    char name[64];

    utf8_copy(name, sizeof(name), ref->namespace.data, ref->namespace.len);
    snprintf(why, why_size,
        "an object of namespace \"%s\" asks, and this tally-bridge serves namespace \"%s\" only",
        name, only_namespace);
    return GRPC_PERMISSION_DENIED;
}

static enum grpc_code scaler_refuse(char *why, size_t why_size, const char *what)
{
    snprintf(why, why_size, "%s", what);
    return GRPC_INVALID_ARGUMENT;
}

/* A name with a byte that is no text names nothing, and could be cut into another one. */
static bool scaler_is_name(struct text text)
{
    return text.len < SCALER_TRIGGER_BYTES / 2 && utf8_is_valid(text.data, text.len) &&
           memchr(text.data, '\0', text.len) == NULL;
}

static enum grpc_code scaler_name_trigger(
    const struct object_ref *ref, char *trigger, char *why, size_t why_size)
{
    if (!scaler_is_name(ref->name) || !scaler_is_name(ref->namespace) ||
        !scaler_is_name(ref->trigger))
        return scaler_refuse(
            why, why_size, "the names in the request are too long, or no UTF-8 text");
    if (ref->trigger.len > 0)
        snprintf(trigger, SCALER_TRIGGER_BYTES, "%.*s", (int)ref->trigger.len, ref->trigger.data);
    else if (ref->name.len > 0)
        snprintf(trigger, SCALER_TRIGGER_BYTES, "%.*s/%.*s", (int)ref->namespace.len,
            ref->namespace.data, (int)ref->name.len, ref->name.data);
    else
        return scaler_refuse(why, why_size,
            "the request names no object; set `trigger` in the metadata of the ScaledObject's "
            "trigger");
    return GRPC_OK;
}

enum grpc_code scaler_read(enum scaler_method method, struct text message,
    const char *only_namespace, char *trigger, char *why, size_t why_size)
{
    struct object_ref ref = {{"", 0}, {"", 0}, {"", 0}};
    bool whole = method == SCALER_GET_METRICS ? scaler_read_metrics(message, &ref)
                                              : scaler_read_ref(message, &ref);

    if (!whole)
        return scaler_refuse(why, why_size, "the request is no message of the external scaler");
    if (only_namespace != NULL && !text_equals(ref.namespace, only_namespace))
        return scaler_refuse_namespace(&ref, only_namespace, why, why_size);
    return scaler_name_trigger(&ref, trigger, why, why_size);
}

/* ---- answers ---- */

const char *scaler_metric_name(const char *name)
{
    const char *at = name;

    if (*at++ != 's' || *at < '0' || *at > '9')
        return name;
    while (*at >= '0' && *at <= '9')
        at++;
    return at[0] == '-' && at[1] != '\0' ? at + 1 : name;
}

void scaler_write_active(struct buffer *buffer, bool active)
{
    protobuf_put_integer(buffer, 1, active);
}

static void scaler_write_pair(
    struct buffer *buffer, const char *metric_name, int64_t integer, double number)
{
    struct buffer pair;

    buffer_init(&pair, METRIC_FIELD_BYTES);
    protobuf_put_text(&pair, 1, scaler_metric_name(metric_name));
    protobuf_put_integer(&pair, 2, integer);
    protobuf_put_double(&pair, 3, number);
    protobuf_put_message(buffer, 1, &pair);
    if (pair.failed) {
        buffer->failed = true;
        buffer->error = pair.error;
    }
    buffer_free(&pair);
}

/* What every double below it has as an int64_t. */
#define INTEGER_MAX 9.2e18

void scaler_write_spec(struct buffer *buffer, const char *metric_name, double target)
{
    int64_t whole = target < 1 ? 1 : target < INTEGER_MAX ? (int64_t)target : INT64_MAX;

    scaler_write_pair(buffer, metric_name, whole, target);
}

void scaler_write_metric(struct buffer *buffer, const char *metric_name, int64_t count)
{
    scaler_write_pair(buffer, metric_name, count, (double)count);
}
