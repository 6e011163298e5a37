#include "agent/ipc/params.h"
#include "proto/writer.h"

#include <string.h>

/* An answer ends at about so many bytes, or sooner where they would be too much to keep for a
 * client that does not read them; `next` then tells where to go on. */
#define LIST_BYTES       (1024u * 1024u)
#define LIST_LEAST_BYTES 4096u

static size_t list_bytes(const struct server *server)
{
    size_t room = server_answer_room(server);

    return room > LIST_BYTES ? LIST_BYTES : room < LIST_LEAST_BYTES ? LIST_LEAST_BYTES : room;
}

static void pack_client_values(struct buffer *buffer, const struct query *query)
{
    write_string(buffer, "client_values");
    write_array(buffer, (uint32_t)query->client_value_count);
    for (size_t i = 0; i < query->client_value_count; i++)
        write_string(buffer, query->client_values[i]);
}

/* The state of what is known, in one word. */
static const char *state_of(const struct count_answer *known)
{
    if (known->value == NULL)
        return known->failure != NULL ? "failed" : "never";
    return known->quality == QUALITY_STALE ? "stale" : "fresh";
}

static uint16_t pack_known(struct buffer *buffer, const struct count_answer *known)
{
    uint16_t pairs = 1;

    write_string(buffer, "state");
    write_string(buffer, state_of(known));
    if (known->value != NULL) {
        write_string(buffer, "count");
        write_uint(buffer, known->value->count);
        write_string(buffer, "age_ms");
        write_int(buffer, known->age_ms);
        pairs = (uint16_t)(pairs + 2);
    }
    if (known->failure != NULL) {
        write_string(buffer, "last_error");
        failure_pack(buffer, known->failure, NULL, 0);
        pairs++;
    }
    return pairs;
}

static void pack_trigger(
    struct buffer *buffer, const struct counter *counter, const struct trigger *trigger)
{
    size_t map = write_map_begin(buffer);
    uint16_t pairs = 10;
    struct count_answer known;

    write_string(buffer, "name");
    write_string(buffer, trigger->name);
    write_string(buffer, "table");
    write_string(buffer, trigger->query.table);
    write_string(buffer, "region");
    write_string(buffer, trigger->query.region);
    write_string(buffer, "identity");
    write_string(buffer, identity_source(counter_identity(counter, trigger)));
    write_string(buffer, "target");
    write_int(buffer, trigger->scaling.target);
    write_string(buffer, "activation_target");
    write_int(buffer, trigger->scaling.activation);
    write_string(buffer, "polling_interval_ms");
    write_int(buffer, trigger->polling_ms);
    write_string(buffer, "metric_type");
    write_string(
        buffer, trigger->scaling.metric_type == METRIC_AVERAGE_VALUE ? "AverageValue" : "Value");
    write_string(buffer, "metric_name");
    write_string(buffer, trigger->metric_name);
    write_string(buffer, "warm");
    write_bool(buffer, trigger->warm);
    if (trigger->query.index != NULL) {
        write_string(buffer, "index");
        write_string(buffer, trigger->query.index);
        pairs++;
    }
    if (trigger->query.client_value_count > 0) {
        pack_client_values(buffer, &trigger->query);
        pairs++;
    }
    counter_peek(counter, trigger, &known);
    pairs = (uint16_t)(pairs + pack_known(buffer, &known));
    write_map_end(buffer, map, pairs);
}

/* `after`: the name behind which to begin; an empty text: at the first. */
static bool read_after(struct method_call *call, struct text *after)
{
    struct params params;
    struct text name;

    *after = (struct text){"", 0};
    params_open(&params, call);
    while (params_next(&params, &name)) {
        if (text_equals(name, "after"))
            params_text(&params, "after", after);
        else
            params_skip(&params);
    }
    return params_close(&params);
}

static bool comes_after(const struct trigger *trigger, struct text after)
{
    size_t len = strlen(trigger->name);
    size_t common = len < after.len ? len : after.len;
    int order = memcmp(trigger->name, after.data, common);

    return order > 0 || (order == 0 && len > after.len);
}

void method_list(struct method_call *call)
{
    const struct server *server = call->session->server;
    const struct counter *counter = server->options.counter;
    const struct config *config = counter_config(counter);
    struct session_answer out;
    struct text after;
    size_t map, array, i = 0, packed = 0, most = list_bytes(server);

    if (!read_after(call, &after))
        return;
    while (i < config->trigger_count && !comes_after(&config->triggers[i], after))
        i++;
    out = session_begin(call->session);
    message_begin_answer(out.buffer, call->id);
    map = write_map_begin(out.buffer);
    write_string(out.buffer, "triggers");
    array = write_array_begin(out.buffer);
    for (; i < config->trigger_count && packed < UINT16_MAX && out.buffer->len - out.start < most;
         i++, packed++)
        pack_trigger(out.buffer, counter, &config->triggers[i]);
    write_array_end(out.buffer, array, (uint16_t)packed);
    if (i < config->trigger_count) {
        write_string(out.buffer, "next");
        write_string(out.buffer, config->triggers[i - 1].name);
    }
    write_map_end(out.buffer, map, i < config->trigger_count ? 2 : 1);
    session_end(call->session, out, call->id);
}
