/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/count/decision.h"
#include "agent/ipc/client_values.h"
#include "agent/ipc/methods.h"
#include "agent/ipc/reply.h"
#include "proto/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A request that has to wait for its count. */
struct count_call {
    struct pending pending;
    struct count_request request;
    int32_t replicas;
};

/* ---- answers ---- */

static void answer_count(
    struct session *session, uint32_t id, const struct count_answer *answer, int32_t replicas)
{
    struct session_answer out = session_begin(session);

    pack_count_answer(out.buffer, id, answer, replicas);
    session_end(session, out, id);
}

static void answer_failure(
    struct session *session, uint32_t id, const struct count_answer *answer, int32_t replicas)
{
    struct buffer buffer;
    struct map extra;

    buffer_init(&buffer, 256);
    extra = map_begin(&buffer);
    pack_failed_decision(&extra, answer, replicas);
    session_fail_with(session, id, answer->failure, &extra);
    buffer_free(&buffer);
}

/* ---- calls ---- */

static struct count_call *count_call_of(struct pending *pending)
{
    return RING_MEMBER(pending, struct count_call, pending);
}

static void count_call_leave(struct pending *pending)
{
    struct count_call *call = count_call_of(pending);

    trigger_state_leave(&call->request);
    free(call);
}

static void on_answer(void *data, const struct count_answer *answer)
{
    struct count_call *call = data;
    struct session *session = call->pending.session;
    uint32_t id = call->pending.id;
    int32_t replicas = call->replicas;

    pending_end(&call->pending);
    free(call);
    if (answer->value != NULL)
        answer_count(session, id, answer, replicas);
    else
        answer_failure(session, id, answer, replicas);
}

static void count_call_ask(
    struct trigger_state *state, struct method_call *call, const struct trigger_params *wanted)
{
    struct count_call *waiting = calloc(1, sizeof(*waiting));

    if (waiting == NULL) {
        method_fail(call, ERROR_INTERNAL, "no memory for the request");
        return;
    }
    waiting->replicas = wanted->replicas;
    waiting->request.max_age_ms = wanted->max_age_ms;
    waiting->request.timeout_ms = wanted->timeout_ms;
    waiting->request.enough = wanted->enough;
    waiting->request.done = on_answer;
    waiting->request.data = waiting;
    pending_begin(&waiting->pending, call, count_call_leave);
    trigger_state_ask(state, &waiting->request);
}

/* ---- repeated requests ---- */

static void repeat_remember(const struct method_call *call, const struct trigger_params *wanted,
    struct trigger_state *state)
{
    struct session *session = call->session;
    struct repeat *repeat = &session->repeat;

    repeat->len = 0;
    if (call->body.len > sizeof(repeat->bytes) || wanted->values != NULL)
        return;
    memcpy(repeat->bytes, call->body.data, call->body.len);
    repeat->len = (uint16_t)call->body.len;
    repeat->method = (uint16_t)call->method;
    repeat->generation = counter_generation(session->server->options.counter);
    repeat->state = state;
    repeat->max_age_ms = wanted->max_age_ms;
    repeat->enough = wanted->enough;
    repeat->replicas = wanted->replicas;
}

/* The length of the request at the front if it is the remembered one, and its msgid; else 0. */
static size_t repeat_match(
    const struct repeat *repeat, const uint8_t *data, size_t len, uint64_t *id)
{
    static const uint8_t start[] = {0x94, MESSAGE_REQUEST};
    struct reader reader;

    if (repeat->len == 0 || len < sizeof(start) || memcmp(data, start, sizeof(start)) != 0)
        return 0;
    reader_init(&reader, data + sizeof(start), len - sizeof(start));
    if (!reader_uint(&reader, id) || *id > MSGID_MAX ||
        (size_t)(reader.end - reader.at) < repeat->len ||
        memcmp(reader.at, repeat->bytes, repeat->len) != 0)
        return 0;
    return (size_t)(reader.at - data) + repeat->len;
}

size_t method_count_repeated(struct session *session, const uint8_t *data, size_t len)
{
    const struct repeat *repeat = &session->repeat;
    struct server *server = session->server;
    struct counter *counter = server->options.counter;
    struct count_answer answer;
    uint64_t id;
    size_t taken = repeat_match(repeat, data, len, &id);

    if (taken == 0 || repeat->generation != counter_generation(counter) ||
        session->in_flight >= LIMIT_IN_FLIGHT)
        return 0;
    if (!trigger_state_answer(repeat->state, repeat->max_age_ms, repeat->enough, &answer))
        return 0;
    server->stats.requests++;
    session->requests++;
    server->method_requests[repeat->method]++;
    answer_count(session, (uint32_t)id, &answer, repeat->replicas);
    return taken;
}

/* ---- method count ---- */

void method_count(struct method_call *call)
{
    struct count_answer answer;
    struct trigger_state *state;
    struct trigger_params wanted;

    if (!pending_may_begin(call) || !trigger_params_read(&wanted, call,
                                        PARAM_MAX_AGE | PARAM_TIMEOUT | PARAM_REPLICAS |
                                            PARAM_VALUES | PARAM_ENOUGH | PARAM_NAME_ALONE))
        return;
    state = trigger_params_state(&wanted, call);
    if (state != NULL && trigger_state_answer(state, wanted.max_age_ms, wanted.enough, &answer)) {
        answer_count(call->session, call->id, &answer, wanted.replicas);
        repeat_remember(call, &wanted, state);
    } else if (state != NULL) {
        count_call_ask(state, call, &wanted);
    }
    trigger_params_clear(&wanted);
}

/* ---- watch ---- */

/* One trigger that is watched on one connection. */
struct trigger_watch {
    struct count_watch watch;
    struct ring link; /* session::watches */
    struct session *session;
    struct trigger_state *state;
    char *name; /* a copy: the trigger's own is freed with its configuration */
    bool sent;  /* a notification was sent, with: */
    uint64_t fingerprint;
    bool behind; /* the newest state was not sent, because the peer is slow */
};

/* ---- notifications ---- */

/* Notifies the client, unless it has this state already. A slow client gets the newest state once
 * it has read its output. */
static void trigger_watch_notify(struct trigger_watch *watch, const struct count_answer *answer)
{
    struct session *session = watch->session;
    struct session_answer out;
    uint64_t fingerprint = 0;
    bool has_fingerprint = pack_fingerprint(answer, &fingerprint);

    watch->behind = false;
    if (has_fingerprint && watch->sent && fingerprint == watch->fingerprint)
        return;
    if (session_is_slow(session)) {
        watch->behind = session->behind = true;
        return;
    }
    out = session_begin(session);
    message_begin_notification(out.buffer, "changed");
    write_array(out.buffer, 1);
    pack_change(out.buffer, answer);
    watch->sent = session_end_notification(session, out) && has_fingerprint;
    watch->fingerprint = fingerprint;
}

static void trigger_watch_notify_latest(struct trigger_watch *watch)
{
    struct count_answer answer;

    watch->behind = false;
    if (trigger_state_for_watcher(watch->state, &watch->watch, &answer))
        trigger_watch_notify(watch, &answer);
    /* else a flight is under way, and its end is reported */
}

static void on_change(void *data, const struct count_answer *answer)
{
    trigger_watch_notify(data, answer);
}

/* ---- life ---- */

static struct trigger_watch *trigger_watch_of(struct ring *link)
{
    return RING_MEMBER(link, struct trigger_watch, link);
}

static void watch_destroy(struct trigger_watch *watch)
{
    trigger_state_unwatch(&watch->watch);
    ring_remove(&watch->link);
    watch->session->watch_count--;
    free(watch->name);
    free(watch);
}

/* The last notification of a watch, which is sent whether the client is slow or not. */
static void end_watch(struct trigger_watch *watch, const struct failure *failure)
{
    struct session *session = watch->session;
    struct session_answer out = session_begin(session);

    message_begin_notification(out.buffer, "changed");
    write_array(out.buffer, 1);
    pack_change_error(out.buffer, watch->name, failure, NULL);
    session_end_notification(session, out);
    watch_destroy(watch);
}

/* The trigger of exactly this name in the present configuration, if it can be watched. */
static const struct trigger *trigger_watch_find_trigger(
    const struct trigger_watch *watch, const struct counter *counter, struct failure *failure)
{
    const struct trigger *trigger;
    char *values = NULL;
    char why[300];
    size_t matches = 0;
    int r;

    trigger = config_find(
        counter_config(counter), watch->name, strlen(watch->name), &matches, NULL, 0);
    if (trigger == NULL || strcmp(trigger->name, watch->name) != 0) {
        failure_set(failure, ERROR_UNKNOWN_TRIGGER,
            "the configuration has no trigger \"%s\" any more; 'list' shows them all", watch->name);
        return NULL;
    }
    r = client_values_merge(&trigger->query, NULL, &values, why, sizeof(why));
    if (r < 0) {
        failure_set(failure, r == -ENOMEM ? ERROR_INTERNAL : ERROR_INVALID_REQUEST,
            "trigger %s: %s", trigger->name, r == -ENOMEM ? "no memory" : why);
        return NULL;
    }
    return trigger;
}

/* A new configuration: the trigger may have another query now, or may be gone. */
static void on_gone(void *data)
{
    struct trigger_watch *watch = data;
    struct counter *counter = watch->session->server->options.counter;
    struct failure failure;
    const struct trigger *trigger = trigger_watch_find_trigger(watch, counter, &failure);

    if (trigger == NULL) {
        end_watch(watch, &failure);
        return;
    }
    if (counter_state(counter, trigger, NULL, &watch->state) < 0 ||
        trigger_state_watch(watch->state, &watch->watch) < 0) {
        failure_set(&failure, ERROR_INTERNAL, "no memory to watch trigger %s on", watch->name);
        end_watch(watch, &failure);
        return;
    }
    trigger_watch_notify_latest(watch);
}

static struct trigger_watch *watch_find(struct session *session, const char *name)
{
    RING_EACH(at, &session->watches)
        if (strcmp(trigger_watch_of(at)->name, name) == 0)
            return trigger_watch_of(at);
    return NULL;
}

/* NULL: out of memory. */
static struct trigger_watch *watch_create(struct session *session, const char *name)
{
    struct trigger_watch *watch = calloc(1, sizeof(*watch));

    if (watch == NULL)
        return NULL;
    watch->name = strdup(name);
    if (watch->name == NULL) {
        free(watch);
        return NULL;
    }
    watch->watch.changed = on_change;
    watch->watch.gone = on_gone;
    watch->watch.data = watch;
    ring_init(&watch->watch.link);
    watch->session = session;
    ring_add(&session->watches, &watch->link);
    session->watch_count++;
    return watch;
}

void method_watch_forget(struct session *session)
{
    while (!ring_is_empty(&session->watches))
        watch_destroy(trigger_watch_of(ring_pop(&session->watches)));
}

void method_watch_catch_up(struct session *session)
{
    session->behind = false;
    RING_EACH(at, &session->watches)
        if (trigger_watch_of(at)->behind)
            trigger_watch_notify_latest(trigger_watch_of(at));
}

/* ---- requests ---- */

static void answer_watching(struct method_call *call, bool watching, const char *name)
{
    struct session_answer out = session_begin(call->session);
    struct map map;

    message_begin_answer(out.buffer, call->id);
    map = map_begin(out.buffer);
    map_bool(&map, "watching", watching);
    map_string(&map, "trigger", name);
    map_end(&map);
    session_end(call->session, out, call->id);
}

/* Watches of a trigger on one connection are merged into one, which honours each max_age_ms. */
static int64_t smaller_age(const struct trigger *trigger, int64_t a, int64_t b)
{
    int64_t age_a = a != COUNT_AGE_DEFAULT ? a : trigger->polling_ms;
    int64_t age_b = b != COUNT_AGE_DEFAULT ? b : trigger->polling_ms;

    return age_a <= age_b ? a : b;
}

static void start_watch(struct method_call *call, const struct trigger_params *wanted)
{
    struct session *session = call->session;
    struct trigger_watch *watch = watch_find(session, wanted->trigger->name);
    struct trigger_state *state;

    if (watch == NULL && session->watch_count >= LIMIT_WATCHES) {
        method_fail(call, ERROR_BUSY,
            "this connection watches %u triggers, its limit; 'unwatch' one, or use another",
            LIMIT_WATCHES);
        return;
    }
    state = trigger_params_state(wanted, call);
    if (state == NULL)
        return;
    if (watch == NULL)
        watch = watch_create(session, wanted->trigger->name);
    if (watch != NULL) {
        bool again = watch->state != NULL;

        trigger_state_unwatch(&watch->watch);
        watch->state = state;
        watch->watch.max_age_ms =
            again ? smaller_age(wanted->trigger, watch->watch.max_age_ms, wanted->max_age_ms)
                  : wanted->max_age_ms;
        watch->sent = false; /* another watch in the same program needs the state */
    }
    if (watch == NULL || trigger_state_watch(state, &watch->watch) < 0) {
        if (watch != NULL)
            watch_destroy(watch);
        method_fail(call, ERROR_INTERNAL, "no memory for the watch");
        return;
    }
    answer_watching(call, true, watch->name);
    trigger_watch_notify_latest(watch);
}

void method_watch(struct method_call *call)
{
    struct trigger_params wanted;

    if (!trigger_params_read(&wanted, call, PARAM_MAX_AGE))
        return;
    start_watch(call, &wanted);
    trigger_params_clear(&wanted);
}

void method_unwatch(struct method_call *call)
{
    const struct trigger *trigger;
    struct trigger_watch *watch;
    struct text name = {NULL, 0};

    if (!params_only_text(call, "trigger", &name))
        return;
    if (name.data == NULL) {
        method_fail(call, ERROR_INVALID_REQUEST, TRIGGER_MISSING);
        return;
    }
    trigger = method_trigger(call, name);
    if (trigger == NULL)
        return;
    watch = watch_find(call->session, trigger->name);
    if (watch != NULL)
        watch_destroy(watch);
    answer_watching(call, false, NULL);
}
