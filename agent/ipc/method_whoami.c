#include "agent/ipc/pack_identity.h"
#include "agent/ipc/params.h"
#include "agent/ipc/pending.h"
#include "proto/writer.h"

#include <stdlib.h>
#include <string.h>

/* AWS is asked about so many identities at the most; the others are told as they are known. */
#define CALLERS_MAX 64
#define CALLER      "GetCallerIdentity"

/* An identity that the answer tells of. */
struct told {
    struct whoami_call *call;
    struct identity *identity; /* held */
    struct caller *caller;     /* NULL: AWS is not asked, or has answered */
    bool failed;
    struct failure failure; /* why AWS did not say who it is */
};

/* A request from when AWS was asked until everyone has answered, or the deadline is near. */
struct whoami_call {
    struct pending pending;
    struct loop_timer *timer;
    size_t asked; /* callers that have not answered yet */
    size_t count;
    struct told *told;
};

static void pack_told(struct buffer *buffer, const struct counter *counter, const struct told *told)
{
    size_t map = write_map_begin(buffer);
    uint16_t pairs = pack_identity(buffer, counter, told->identity);

    if (told->failed) {
        write_string(buffer, "caller_error");
        failure_pack(buffer, &told->failure, NULL, 0);
        pairs++;
    }
    write_map_end(buffer, map, pairs);
}

/* ---- the answer ------------------------------------------------------------------------------ */

static void whoami_free(struct whoami_call *call)
{
    for (size_t i = 0; call->told != NULL && i < call->count; i++) {
        if (call->told[i].caller != NULL)
            identity_cancel_caller(call->told[i].caller);
        identity_release(call->told[i].identity);
    }
    loop_timer_destroy(call->timer);
    free(call->told);
    free(call);
}

static void answer(void *data)
{
    struct whoami_call *call = data;
    struct session *session = call->pending.session;
    uint32_t id = call->pending.id;
    struct session_answer out;

    pending_end(&call->pending); /* first: what follows may close the session */
    out = session_begin(session);
    message_begin_answer(out.buffer, id);
    write_map(out.buffer, 1);
    write_string(out.buffer, "identities");
    write_array(out.buffer, (uint32_t)call->count);
    for (size_t i = 0; i < call->count; i++)
        pack_told(out.buffer, session->server->options.counter, &call->told[i]);
    session_end(session, out, id);
    whoami_free(call);
}

static void on_leave(struct pending *pending)
{
    whoami_free(RING_MEMBER(pending, struct whoami_call, pending));
}

/* ---- asking AWS ------------------------------------------------------------------------------ */

static void on_caller(void *data, const struct failure *failure)
{
    struct told *told = data;
    struct whoami_call *call = told->call;

    told->caller = NULL;
    /* Missing credentials are told as the identity's own last_error. */
    told->failed = failure != NULL && strncmp(failure->message, CALLER, strlen(CALLER)) == 0;
    if (told->failed)
        told->failure = *failure;
    if (--call->asked == 0)
        loop_timer_start(call->timer, 0); /* not from inside the room that answers */
}

static void ask_callers(struct whoami_call *call, int64_t timeout_ms)
{
    for (size_t i = 0; i < call->count && i < CALLERS_MAX; i++) {
        struct told *told = &call->told[i];

        told->caller = identity_ask_caller(told->identity, on_caller, told);
        call->asked += told->caller != NULL;
    }
    loop_timer_start(call->timer, call->asked > 0 ? timeout_ms : 0);
}

static void add(struct whoami_call *call, struct identity *identity)
{
    struct told *told = &call->told[call->count++];

    told->call = call;
    told->identity = identity_ref(identity);
}

/* ---- the request ----------------------------------------------------------------------------- */

/* The trigger's identity, or NULL: all of them. False: an error was answered. */
static bool read_params(struct method_call *call, struct identity **identity, int64_t *timeout_ms)
{
    const struct trigger *trigger;
    struct text key, name = {NULL, 0};
    struct params params;

    *identity = NULL;
    *timeout_ms = TIMEOUT_DEFAULT_MS;
    params_open(&params, call);
    while (params_next(&params, &key)) {
        if (text_equals(key, "trigger"))
            params_text(&params, "trigger", &name);
        else if (text_equals(key, "timeout_ms"))
            params_integer(&params, "timeout_ms", 1, TIMEOUT_MAX_MS, timeout_ms);
        else
            params_skip(&params);
    }
    if (!params_close(&params))
        return false;
    if (name.data == NULL)
        return true;
    trigger = method_trigger(call, name);
    if (trigger == NULL)
        return false;
    *identity = counter_identity(call->session->server->options.counter, trigger);
    return true;
}

static struct whoami_call *whoami_create(struct server *server, size_t count)
{
    struct whoami_call *call = calloc(1, sizeof(*call));

    if (call == NULL)
        return NULL;
    call->told = calloc(count + 1, sizeof(*call->told));
    call->timer = loop_timer_create(server->options.loop, answer, call);
    if (call->told != NULL && call->timer != NULL)
        return call;
    whoami_free(call);
    return NULL;
}

void method_whoami(struct method_call *method_call)
{
    struct server *server = method_call->session->server;
    size_t count = identities_count(server->options.identities);
    struct whoami_call *call;
    struct identity *identity;
    int64_t timeout_ms;

    if (!read_params(method_call, &identity, &timeout_ms) || !pending_may_begin(method_call))
        return;
    call = whoami_create(server, identity != NULL ? 1 : count);
    if (call == NULL) {
        method_fail(method_call, ERROR_INTERNAL, "no memory for the request");
        return;
    }
    if (identity != NULL)
        add(call, identity);
    for (size_t i = 0; identity == NULL && i < count; i++)
        add(call, identities_at(server->options.identities, i));
    pending_begin(&call->pending, method_call, on_leave);
    ask_callers(call, count_patience(timeout_ms));
}
