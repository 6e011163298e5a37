#include "agent/count/decision.h"
#include "agent/ipc/methods.h"
#include "proto/writer.h"

#include <stdlib.h>

#define SPARE_MAX 64 /* answered requests kept for the next ones */

/* A request for a count, from when it was decoded until it is answered. */
struct count_call {
    struct count_request request;
    struct ring link; /* session::pending, or server::spare */
    struct session *session;
    uint32_t id;
    int32_t replicas;
};

/* What the request says. */
struct count_params {
    struct text trigger;
    bool has_trigger;
    int64_t max_age_ms;
    int64_t timeout_ms;
    int32_t replicas;
    bool has_values;
    struct reader values;
};

/* ---- answers --------------------------------------------------------------------------------- */

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
    uint16_t pairs = 12;

    write_string(buffer, "trigger");
    write_string(buffer, trigger->name);
    write_string(buffer, "count");
    write_uint(buffer, value->count);
    write_string(buffer, "quality");
    write_string(buffer, count_quality_name(answer->quality));
    write_string(buffer, "age_ms");
    write_int(buffer, answer->age_ms);
    write_string(buffer, "pages");
    write_uint(buffer, value->pages);
    write_string(buffer, "scanned");
    write_uint(buffer, value->scanned);
    write_string(buffer, "consumed_rcu");
    write_float(buffer, value->consumed_rcu);
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

static void answer_failure(struct session *session, uint32_t id, const struct count_answer *answer)
{
    struct session_answer out;
    struct buffer extra;
    uint32_t pairs;

    buffer_init(&extra, 256);
    pairs = pack_failed_decision(&extra, answer);
    out = session_begin(session);
    session->server->stats.errors++;
    message_error(out.buffer, id, answer->failure, &extra, pairs);
    session_end(session, out, id);
    buffer_free(&extra);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static struct count_call *call_take(struct session *session)
{
    struct server *server = session->server;
    struct count_call *call;

    if (ring_is_empty(&server->spare)) {
        call = calloc(1, sizeof(*call));
        if (call == NULL)
            return NULL;
    } else {
        call = RING_MEMBER(server->spare.next, struct count_call, link);
        ring_remove(&call->link);
        server->spare_count--;
    }
    call->session = session;
    ring_init(&call->link);
    ring_init(&call->request.link);
    ring_add(&session->pending, &call->link);
    session->in_flight++;
    return call;
}

static void call_release(struct count_call *call)
{
    struct server *server = call->session->server;

    ring_remove(&call->link);
    call->session->in_flight--;
    if (server->spare_count == SPARE_MAX) {
        free(call);
        return;
    }
    ring_add(&server->spare, &call->link);
    server->spare_count++;
}

static void on_answer(void *data, const struct count_answer *answer)
{
    struct count_call *call = data;
    struct session *session = call->session;
    uint32_t id = call->id;
    int32_t replicas = call->replicas;
    struct session_answer out;

    call_release(call); /* first: what follows may close the session */
    if (answer->value == NULL) {
        answer_failure(session, id, answer);
        return;
    }
    out = session_begin(session);
    message_begin_answer(out.buffer, id);
    pack_count(out.buffer, answer, replicas);
    session_end(session, out, id);
}

void method_count_forget(struct session *session)
{
    while (!ring_is_empty(&session->pending)) {
        struct count_call *call = RING_MEMBER(session->pending.next, struct count_call, link);

        question_leave(&call->request);
        call_release(call);
    }
}

void method_count_clear(struct server *server)
{
    while (!ring_is_empty(&server->spare)) {
        struct count_call *call = RING_MEMBER(server->spare.next, struct count_call, link);

        ring_remove(&call->link);
        free(call);
    }
    server->spare_count = 0;
}

/* ---- parameters ------------------------------------------------------------------------------ */

static bool read_number(struct reader *reader, int64_t max, int64_t *value)
{
    uint64_t number;

    if (!reader_uint(reader, &number) || number > (uint64_t)max)
        return false;
    *value = (int64_t)number;
    return true;
}

/* Reads one member; NULL, or what it should have been. */
static const char *read_member(struct count_params *params, struct text key, struct reader *reader)
{
    struct text skipped;
    int64_t number;

    if (text_equals(key, "trigger")) {
        params->has_trigger = reader_text(reader, &params->trigger);
        return params->has_trigger ? NULL : "trigger must be a string";
    }
    if (text_equals(key, "max_age_ms"))
        return read_number(reader, INT64_MAX, &params->max_age_ms)
                   ? NULL
                   : "max_age_ms must be a whole number of milliseconds, 0 or more";
    if (text_equals(key, "timeout_ms"))
        return read_number(reader, TIMEOUT_MAX_MS, &params->timeout_ms) && params->timeout_ms > 0
                   ? NULL
                   : "timeout_ms must be a whole number of milliseconds, 1 to 300000";
    if (text_equals(key, "replicas")) {
        if (!read_number(reader, INT32_MAX, &number))
            return "replicas must be a whole number, 0 or more";
        params->replicas = (int32_t)number;
        return NULL;
    }
    if (text_equals(key, "values")) {
        params->values = *reader;
        params->has_values = reader_peek(reader) == VALUE_MAP;
        if (!params->has_values)
            return "values must be a map of AttributeValues, such as {\":key\": {\"S\": \"x\"}}";
    }
    return reader_skip(reader, &skipped) ? NULL : "params are not valid";
}

/* NULL, or what is wrong. */
static const char *read_params(struct method_call *call, struct count_params *params)
{
    struct reader reader = call->params;
    const char *wrong = NULL;
    struct text key;
    uint32_t pairs = 0;

    *params = (struct count_params){.max_age_ms = COUNT_AGE_DEFAULT,
        .timeout_ms = TIMEOUT_DEFAULT_MS,
        .replicas = REPLICAS_UNKNOWN};
    if (!call->has_params)
        return "params must name a trigger, such as [{\"trigger\": \"name\"}]";
    if (reader_peek(&reader) != VALUE_MAP) {
        params->has_trigger = reader_text(&reader, &params->trigger);
        return params->has_trigger ? NULL : "params must hold one map, or the trigger's name";
    }
    if (!reader_map(&reader, &pairs))
        return "params are not valid";
    while (wrong == NULL && pairs-- > 0)
        wrong = reader_text(&reader, &key) ? read_member(params, key, &reader)
                                           : "the keys of params must be strings";
    if (wrong == NULL && !params->has_trigger)
        wrong = "trigger is missing";
    return wrong;
}

/* The question that the request is about, or NULL where an error was answered. */
static struct question *find_question(struct method_call *call, const struct count_params *params)
{
    struct counter *counter = call->session->server->options.counter;
    const struct trigger *trigger = method_trigger(call, params->trigger);
    struct question *question;

    if (trigger == NULL)
        return NULL;
    if (params->has_values) {
        method_fail(
            call, ERROR_INVALID_REQUEST, "trigger %s takes no values of clients", trigger->name);
        return NULL;
    }
    question = counter_question(counter, trigger, NULL);
    if (question == NULL)
        method_fail(call, ERROR_INTERNAL, "no memory for the question");
    return question;
}

void method_count(struct method_call *call)
{
    struct session *session = call->session;
    struct count_params params;
    struct question *question;
    struct count_call *counting;
    const char *wrong = read_params(call, &params);

    if (wrong != NULL) {
        method_fail(call, ERROR_INVALID_REQUEST, "%s", wrong);
        return;
    }
    if (session->in_flight >= LIMIT_IN_FLIGHT) {
        method_fail(call, ERROR_BUSY,
            "%u requests of this connection are unanswered, its limit; wait for answers",
            LIMIT_IN_FLIGHT);
        return;
    }
    question = find_question(call, &params);
    if (question == NULL)
        return;
    counting = call_take(session);
    if (counting == NULL) {
        method_fail(call, ERROR_INTERNAL, "no memory for the request");
        return;
    }
    counting->id = call->id;
    counting->replicas = params.replicas;
    counting->request.max_age_ms = params.max_age_ms;
    counting->request.timeout_ms = params.timeout_ms;
    counting->request.done = on_answer;
    counting->request.data = counting;
    question_ask(question, &counting->request);
}
