/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ipc/reply.h"

#include "agent/count/decision.h"
#include "agent/fnv.h"
#include "proto/limits.h"
#include "proto/message.h"
#include "proto/writer.h"

/* ---- pack count ---- */

size_t pack_count_fields(
    struct map *map, const struct count_value *value, enum count_quality quality, int64_t age_ms)
{
    size_t age_at;

    map_uint(map, "count", value->count);
    map_string(map, "quality", count_quality_name(quality));
    age_at = map_wide_uint(map, "age_ms", (uint64_t)age_ms);
    map_uint(map, "pages", value->pages);
    map_uint(map, "scanned", value->scanned);
    map_float(map, "consumed_rcu", value->consumed_rcu);
    return age_at;
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

static struct decision decide(const struct count_answer *answer, int32_t replicas)
{
    const struct trigger_scaling *scaling = &answer->trigger->scaling;
    struct decision decision = {0}, fallback;

    if (answer->value != NULL)
        decision = decision_make(scaling, answer->value->count, replicas);
    if (answer->fallback) {
        fallback = decision_fallback(scaling, replicas);
        decision.has_desired = fallback.has_desired;
        decision.desired = fallback.desired;
    }
    return decision;
}

size_t pack_count_map(struct buffer *buffer, const struct count_answer *answer, int32_t replicas)
{
    const struct trigger *trigger = answer->trigger;
    struct decision decision = decide(answer, replicas);
    struct map map = map_begin(buffer);
    size_t age_at;

    map_string(&map, "trigger", trigger->name);
    age_at = pack_count_fields(&map, answer->value, answer->quality, answer->age_ms);
    pack_source(&map, answer);
    map_bool(&map, "active", decision.active);
    map_int(&map, "target", trigger->scaling.target);
    map_int(&map, "activation_target", trigger->scaling.activation);
    map_bool(&map, "fallback", answer->fallback);
    map_string(&map, "metric_name", trigger->metric_name);
    if (decision.has_desired)
        map_int(&map, "desired_replicas", decision.desired);
    pack_rate(&map, answer);
    if (answer->failure != NULL)
        failure_pack(map_key(&map, "last_error"), answer->failure, NULL);
    return age_at + map_end(&map);
}

/* Returns the offset of the age in the buffer. */
static size_t pack_count_whole(
    struct buffer *buffer, uint32_t id, const struct count_answer *answer, int32_t replicas)
{
    message_begin_answer(buffer, id);
    return pack_count_map(buffer, answer, replicas);
}

/* Packs the answer where it is kept, if it may be: then only the msgid and the age of the next one
 * differ. */
static bool pack_count_kept(const struct count_answer *answer, int32_t replicas)
{
    struct kept_answer *packed = answer->packed;

    if (packed == NULL || replicas != REPLICAS_UNKNOWN || answer->age_ms > UINT32_MAX)
        return false;
    if (packed->bytes.len == 0)
        packed->age_at = pack_count_whole(&packed->bytes, 0, answer, REPLICAS_UNKNOWN);
    if (packed->bytes.failed)
        buffer_clear(&packed->bytes);
    return packed->bytes.len > 0;
}

void pack_count_answer(
    struct buffer *buffer, uint32_t id, const struct count_answer *answer, int32_t replicas)
{
    const struct kept_answer *packed = answer->packed;
    size_t start = buffer->len;

    if (!pack_count_kept(answer, replicas))
        pack_count_whole(buffer, id, answer, replicas);
    else if (buffer_append(buffer, packed->bytes.data, packed->bytes.len) == 0) {
        write_uint32_over(buffer, start + MESSAGE_ANSWER_ID_AT, id);
        write_uint32_over(buffer, start + packed->age_at, (uint32_t)answer->age_ms);
    }
}

void pack_failed_decision(struct map *map, const struct count_answer *answer, int32_t replicas)
{
    struct decision decision = decide(answer, replicas);

    if (!answer->trigger->scaling.has_fallback)
        return;
    map_bool(map, "fallback", answer->fallback);
    if (decision.has_desired)
        map_int(map, "desired_replicas", decision.desired);
}

/* ---- pack change ---- */

void pack_change_error(
    struct buffer *buffer, const char *name, const struct failure *failure, const struct map *extra)
{
    struct map map = map_begin(buffer);

    map_string(&map, "trigger", name);
    failure_pack(map_key(&map, "error"), failure, extra);
    map_end(&map);
}

void pack_change(struct buffer *buffer, const struct count_answer *answer)
{
    struct buffer extra_buffer;
    struct map extra;

    if (answer->value != NULL) {
        pack_count_map(buffer, answer, REPLICAS_UNKNOWN);
        return;
    }
    buffer_init(&extra_buffer, 256);
    extra = map_begin(&extra_buffer);
    pack_failed_decision(&extra, answer, REPLICAS_UNKNOWN);
    pack_change_error(buffer, answer->trigger->name, answer->failure, &extra);
    buffer_free(&extra_buffer);
}

bool pack_fingerprint(const struct count_answer *answer, uint64_t *fingerprint)
{
    struct count_answer copy = *answer;
    struct count_value value;
    struct failure failure;
    struct buffer packed;
    bool taken;

    copy.age_ms = 0;
    copy.rate = NULL;
    copy.counted_by = NULL;
    if (answer->value != NULL) {
        value = (struct count_value){.count = answer->value->count};
        copy.value = &value;
    }
    if (answer->failure != NULL) {
        failure = *answer->failure;
        failure.retry_after_ms = 0;
        failure.aws_request_id[0] = '\0';
        copy.failure = &failure;
    }
    buffer_init(&packed, LIMIT_OUTPUT_BYTES);
    pack_change(&packed, &copy);
    taken = !packed.failed;
    if (taken)
        *fingerprint = fnv_bytes(FNV_START, packed.data, packed.len);
    buffer_free(&packed);
    return taken;
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
