#include "agent/ipc/ask.h"
#include "proto/writer.h"

/* The names of the triggers that use the identity, all of them: they say what it is for. */
static void pack_triggers(struct buffer *buffer, const struct counter *counter,
    const struct config *config, const struct identity *identity)
{
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

static void pack_identity(
    struct buffer *buffer, const struct counter *counter, const struct identity *identity)
{
    size_t map = write_map_begin(buffer);
    uint32_t pairs = identity_describe_pairs(identity, buffer);

    pack_triggers(buffer, counter, counter_config(counter), identity);
    write_map_end(buffer, map, (uint16_t)(pairs + 1));
}

/* The trigger's identity, or NULL: all of them. False: an error was answered. */
static bool read_identity(struct method_call *call, const struct identity **identity)
{
    const struct counter *counter = call->session->server->options.counter;
    const struct trigger *trigger;
    struct text name = {NULL, 0};

    *identity = NULL;
    if (!ask_read_name(call, &name))
        return false;
    if (name.data == NULL)
        return true;
    trigger = method_trigger(call, name);
    if (trigger == NULL)
        return false;
    *identity = counter_identity(counter, trigger);
    return true;
}

void method_whoami(struct method_call *call)
{
    struct server *server = call->session->server;
    const struct counter *counter = server->options.counter;
    const struct identity *identity;
    struct session_answer out;

    if (!read_identity(call, &identity))
        return;
    out = session_begin(call->session);
    message_begin_answer(out.buffer, call->id);
    write_map(out.buffer, 1);
    write_string(out.buffer, "identities");
    if (identity != NULL) {
        write_array(out.buffer, 1);
        pack_identity(out.buffer, counter, identity);
    } else {
        size_t count = identities_count(server->options.identities);

        write_array(out.buffer, (uint32_t)count);
        for (size_t i = 0; i < count; i++)
            pack_identity(out.buffer, counter, identities_at(server->options.identities, i));
    }
    session_end(call->session, out, call->id);
}
