#include "agent/ipc/pack_count.h"

#include "agent/count/decision.h"
#include "proto/message.h"
#include "proto/writer.h"

uint16_t pack_value(struct buffer *buffer, const struct count_value *value,
    enum count_quality quality, int64_t age_ms)
{
    write_string(buffer, "count");
    write_uint(buffer, value->count);
    write_string(buffer, "quality");
    write_string(buffer, count_quality_name(quality));
    write_string(buffer, "age_ms");
    write_int(buffer, age_ms);
    write_string(buffer, "pages");
    write_uint(buffer, value->pages);
    write_string(buffer, "scanned");
    write_uint(buffer, value->scanned);
    write_string(buffer, "consumed_rcu");
    write_float(buffer, value->consumed_rcu);
    return 6;
}

static uint32_t pack_desired(
    struct buffer *buffer, const struct count_answer *answer, struct decision decision)
{
    if (answer->fallback)
        decision = decision_fallback(&answer->trigger->scaling);
    if (!decision.has_desired)
        return 0;
    write_string(buffer, "desired_replicas");
    write_int(buffer, decision.desired);
    return 1;
}

void pack_count(struct buffer *buffer, const struct count_answer *answer, int32_t replicas)
{
    const struct trigger *trigger = answer->trigger;
    const struct count_value *value = answer->value;
    struct decision decision = decision_make(&trigger->scaling, value->count, replicas);
    size_t map = write_map_begin(buffer);
    uint16_t pairs = 6;

    write_string(buffer, "trigger");
    write_string(buffer, trigger->name);
    pairs = (uint16_t)(pairs + pack_value(buffer, value, answer->quality, answer->age_ms));
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
    pairs = (uint16_t)(pairs + pack_desired(buffer, answer, decision));
    if (answer->failure != NULL) {
        write_string(buffer, "last_error");
        failure_pack(buffer, answer->failure, NULL, 0);
        pairs++;
    }
    write_map_end(buffer, map, pairs);
}

uint32_t pack_failed_decision(struct buffer *buffer, const struct count_answer *answer)
{
    if (!answer->trigger->scaling.has_fallback)
        return 0;
    write_string(buffer, "fallback");
    write_bool(buffer, answer->fallback);
    return answer->fallback ? 1 + pack_desired(buffer, answer, (struct decision){0}) : 1;
}
