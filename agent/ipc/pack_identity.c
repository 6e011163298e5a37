#include "agent/ipc/pack_identity.h"

#include "proto/writer.h"

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
