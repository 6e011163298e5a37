#include "agent/ipc/reply.h"

#include "agent/count/decision.h"
#include "proto/message.h"
#include "proto/writer.h"

/* ==== pack count ============================================================================== */

/* In one width for all ages but those of 49 days and more, so that it can be overwritten. */
static void pack_age(struct buffer *buffer, int64_t age_ms)
{
    if (age_ms <= UINT32_MAX)
        write_uint32(buffer, (uint32_t)age_ms);
    else
        write_int(buffer, age_ms);
}

/* *age_at: where the age stands in the buffer. */
static uint16_t pack_value_and_place(struct buffer *buffer, const struct count_value *value,
    enum count_quality quality, int64_t age_ms, size_t *age_at)
{
    write_string(buffer, "count");
    write_uint(buffer, value->count);
    write_string(buffer, "quality");
    write_string(buffer, count_quality_name(quality));
    write_string(buffer, "age_ms");
    *age_at = buffer->len;
    pack_age(buffer, age_ms);
    write_string(buffer, "pages");
    write_uint(buffer, value->pages);
    write_string(buffer, "scanned");
    write_uint(buffer, value->scanned);
    write_string(buffer, "consumed_rcu");
    write_float(buffer, value->consumed_rcu);
    return 6;
}

uint16_t pack_value(struct buffer *buffer, const struct count_value *value,
    enum count_quality quality, int64_t age_ms)
{
    size_t age_at;

    return pack_value_and_place(buffer, value, quality, age_ms, &age_at);
}

static uint32_t pack_desired(struct buffer *buffer, const struct count_answer *answer,
    struct decision decision, int32_t replicas)
{
    if (answer->fallback)
        decision = decision_fallback(&answer->trigger->scaling, replicas);
    if (!decision.has_desired)
        return 0;
    write_string(buffer, "desired_replicas");
    write_int(buffer, decision.desired);
    return 1;
}

/* Returns where the age stands in the buffer. */
static size_t pack_map(struct buffer *buffer, const struct count_answer *answer, int32_t replicas)
{
    const struct trigger *trigger = answer->trigger;
    const struct count_value *value = answer->value;
    struct decision decision = decision_make(&trigger->scaling, value->count, replicas);
    size_t map = write_map_begin(buffer);
    uint16_t pairs = 6;
    size_t age_at;

    write_string(buffer, "trigger");
    write_string(buffer, trigger->name);
    pairs = (uint16_t)(pairs + pack_value_and_place(
                                   buffer, value, answer->quality, answer->age_ms, &age_at));
    write_string(buffer, "active");
    write_bool(buffer, decision.active);
    write_string(buffer, "target");
    write_int(buffer, trigger->scaling.target);
    write_string(buffer, "activation_target");
    write_int(buffer, trigger->scaling.activation);
    write_string(buffer, "fallback");
    write_bool(buffer, answer->fallback);
    write_string(buffer, "metric_name");
    write_string(buffer, trigger->metric_name);
    pairs = (uint16_t)(pairs + pack_desired(buffer, answer, decision, replicas));
    if (answer->failure != NULL) {
        write_string(buffer, "last_error");
        failure_pack(buffer, answer->failure, NULL, 0);
        pairs++;
    }
    write_map_end(buffer, map, pairs);
    return age_at;
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

/* All but the msgid and the age is as it was when the answer was packed for the first time. */
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

uint32_t pack_failed_decision(
    struct buffer *buffer, const struct count_answer *answer, int32_t replicas)
{
    if (!answer->trigger->scaling.has_fallback)
        return 0;
    write_string(buffer, "fallback");
    write_bool(buffer, answer->fallback);
    return answer->fallback ? 1 + pack_desired(buffer, answer, (struct decision){0}, replicas) : 1;
}

/* ==== pack identity =========================================================================== */

/* All of them: they say what the identity is for. */
static void pack_triggers(
    struct buffer *buffer, const struct counter *counter, const struct identity *identity)
{
    const struct config *config = counter_config(counter);
    size_t array;
    uint16_t count = 0;

    write_string(buffer, "triggers");
    array = write_array_begin(buffer);
    for (size_t i = 0; i < config->trigger_count && count < UINT16_MAX; i++) {
        if (counter_identity(counter, &config->triggers[i]) == identity) {
            write_string(buffer, config->triggers[i].name);
            count++;
        }
    }
    write_array_end(buffer, array, count);
}

uint16_t pack_identity(
    struct buffer *buffer, const struct counter *counter, const struct identity *identity)
{
    uint32_t pairs = identity_describe_pairs(identity, buffer);

    pack_triggers(buffer, counter, identity);
    return (uint16_t)(pairs + 1);
}
