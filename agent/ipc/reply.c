/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ipc/reply.h"

#include "agent/count/decision.h"
#include "proto/message.h"
#include "proto/writer.h"

/* ---- pack count ---- */

/* Of one width for all ages below 49 days, so that it can be overwritten. */
static void pack_age(struct buffer *buffer, int64_t age_ms)
{
    if (age_ms <= UINT32_MAX)
        write_uint32(buffer, (uint32_t)age_ms);
    else
        write_int(buffer, age_ms);
}

/* *age_at: the offset of the age in the buffer. */
static void pack_value_and_place(struct map *map, const struct count_value *value,
    enum count_quality quality, int64_t age_ms, size_t *age_at)
{
    map_uint(map, "count", value->count);
    map_string(map, "quality", count_quality_name(quality));
    *age_at = map_key(map, "age_ms")->len;
    pack_age(map->buffer, age_ms);
    map_uint(map, "pages", value->pages);
    map_uint(map, "scanned", value->scanned);
    map_float(map, "consumed_rcu", value->consumed_rcu);
}

void pack_value(
    struct map *map, const struct count_value *value, enum count_quality quality, int64_t age_ms)
{
    size_t age_at;

    pack_value_and_place(map, value, quality, age_ms, &age_at);
}

void pack_source(struct map *map, const struct count_answer *answer)
{
    map_string(map, "source", answer->counted_by != NULL ? "shared" : "own");
    if (answer->counted_by != NULL)
        map_string(map, "counted_by", answer->counted_by);
}

void pack_rate(struct map *map, const struct count_answer *answer)
{
    double per_s;
    int64_t over_ms;
    int64_t empty_in_ms;

    if (answer->rate == NULL ||
        !count_rate_get(answer->rate, answer->value->count, answer->value_at, &per_s, &over_ms))
        return;
    empty_in_ms = count_rate_empty_in_ms(answer->value->count, per_s);
    map_float(map, "rate_per_s", per_s);
    map_int(map, "rate_over_ms", over_ms);
    if (empty_in_ms >= 0)
        map_int(map, "empty_in_ms", empty_in_ms);
}

static void pack_desired(
    struct map *map, const struct count_answer *answer, struct decision decision, int32_t replicas)
{
    if (answer->fallback)
        decision = decision_fallback(&answer->trigger->scaling, replicas);
    if (decision.has_desired)
        map_int(map, "desired_replicas", decision.desired);
}

/* Returns the offset of the age in the buffer. */
static size_t pack_map(struct buffer *buffer, const struct count_answer *answer, int32_t replicas)
{
    const struct trigger *trigger = answer->trigger;
    const struct count_value *value = answer->value;
    struct decision decision = decision_make(&trigger->scaling, value->count, replicas);
    struct map map = map_begin(buffer);
    size_t age_at;

    map_string(&map, "trigger", trigger->name);
    pack_value_and_place(&map, value, answer->quality, answer->age_ms, &age_at);
    pack_source(&map, answer);
    map_bool(&map, "active", decision.active);
    map_int(&map, "target", trigger->scaling.target);
    map_int(&map, "activation_target", trigger->scaling.activation);
    map_bool(&map, "fallback", answer->fallback);
    map_string(&map, "metric_name", trigger->metric_name);
    pack_desired(&map, answer, decision, replicas);
    pack_rate(&map, answer);
    if (answer->failure != NULL)
        failure_pack(map_key(&map, "last_error"), answer->failure, NULL);
    return age_at + map_end(&map);
}

void pack_count(struct buffer *buffer, const struct count_answer *answer, int32_t replicas)
{
    pack_map(buffer, answer, replicas);
}

static size_t pack_whole(
    struct buffer *buffer, uint32_t id, const struct count_answer *answer, int32_t replicas)
{
    message_begin_answer(buffer, id);
    return pack_map(buffer, answer, replicas);
}

/* Only the msgid and the age differ from the answer as it was first packed. */
static void pack_again(struct buffer *buffer, uint32_t id, const struct count_answer *answer)
{
    struct packed_answer *packed = answer->packed;
    size_t start = buffer->len;

    if (packed->bytes.len == 0)
        packed->age_at = pack_whole(&packed->bytes, id, answer, REPLICAS_UNKNOWN);
    if (packed->bytes.failed) {
        buffer_clear(&packed->bytes);
        pack_whole(buffer, id, answer, REPLICAS_UNKNOWN);
        return;
    }
    if (buffer_append(buffer, packed->bytes.data, packed->bytes.len) < 0)
        return;
    write_uint32_over(buffer, start + MESSAGE_ANSWER_ID_AT, id);
    write_uint32_over(buffer, start + packed->age_at, (uint32_t)answer->age_ms);
}

void pack_count_answer(
    struct buffer *buffer, uint32_t id, const struct count_answer *answer, int32_t replicas)
{
    if (answer->packed != NULL && replicas == REPLICAS_UNKNOWN && answer->age_ms <= UINT32_MAX)
        pack_again(buffer, id, answer);
    else
        pack_whole(buffer, id, answer, replicas);
}

void pack_failed_decision(struct map *map, const struct count_answer *answer, int32_t replicas)
{
    if (!answer->trigger->scaling.has_fallback)
        return;
    map_bool(map, "fallback", answer->fallback);
    if (answer->fallback)
        pack_desired(map, answer, (struct decision){0}, replicas);
}

/* ---- pack identity ---- */

/* All triggers: they show what the identity is used for. */
static void pack_triggers(
    struct map *map, const struct counter *counter, const struct identity *identity)
{
    const struct config *config = counter_config(counter);
    struct buffer *buffer = map_key(map, "triggers");
    size_t array = write_array_begin(buffer);
    uint16_t count = 0;

    for (size_t i = 0; i < config->trigger_count && count < UINT16_MAX; i++) {
        if (counter_identity(counter, &config->triggers[i]) == identity) {
            write_string(buffer, config->triggers[i].name);
            count++;
        }
    }
    write_array_end(buffer, array, count);
}

void pack_identity(struct map *map, const struct counter *counter, const struct identity *identity)
{
    identity_describe(identity, map);
    pack_triggers(map, counter, identity);
}
