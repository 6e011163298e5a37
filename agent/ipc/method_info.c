#include "agent/ipc/methods.h"
#include "agent/ipc/params.h"
#include "agent/ipc/reply.h"
#include "agent/ipc/pending_request.h"
#include "agent/ipc/server.h"
#include "agent/log.h"
#include "proto/utf8.h"
#include "proto/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ==== method hello ============================================================================ */

#define CLIENT_NAME_BYTES 64 /* of what a program calls itself, the rest is cut off */

static void pack_limit(struct buffer *buffer, const char *name, uint64_t value)
{
    write_string(buffer, name);
    write_uint(buffer, value);
}

/* Remembers and logs what the program calls itself; the log tells it once a minute for each uid.
 * Without memory it stays without a name. */
static void name_client(struct session *session, struct text name)
{
    char text[CLIENT_NAME_BYTES + 1];

    utf8_copy(text, sizeof(text), name.data, name.len);
    if (session->client != NULL && strcmp(session->client, text) == 0)
        return;
    free(session->client);
    session->client = text[0] != '\0' ? strdup(text) : NULL;
    log_often(LOG_LEVEL_INFO, "client", LOG_TEXT("client", text), LOG_NUMBER("uid", session->uid),
        LOG_NUMBER("pid", session->pid));
}

static void read_error_form(struct params *params, bool *as_string)
{
    struct text form = {NULL, 0};

    params_text(params, "errors", &form);
    if (params->failed)
        return;
    *as_string = text_equals(form, "string");
    if (!*as_string && !text_equals(form, "map"))
        params_fail(params, "errors must be \"map\" or \"string\"");
}

void method_hello(struct method_call *call)
{
    const struct server *server = call->session->server;
    struct text client = {NULL, 0};
    bool as_string = call->session->errors_as_string;
    struct params params;
    struct text name;
    struct session_answer out;
    struct buffer *buffer;

    params_open(&params, call);
    while (params_next(&params, &name)) {
        if (text_equals(name, "client"))
            params_text(&params, "client", &client);
        else if (text_equals(name, "errors"))
            read_error_form(&params, &as_string);
        else
            params_skip(&params);
    }
    if (!params_close(&params))
        return;
    call->session->errors_as_string = as_string;
    if (client.data != NULL)
        name_client(call->session, client);
    out = session_begin(call->session);
    buffer = out.buffer;
    message_begin_answer(buffer, call->id);
    write_map(buffer, 6);
    write_string(buffer, "protocol");
    write_string(buffer, PROTOCOL_NAME);
    pack_limit(buffer, "version", PROTOCOL_VERSION);
    write_string(buffer, "agent");
    write_string(buffer, TALLY_VERSION);
    write_string(buffer, "errors");
    write_string(buffer, call->session->errors_as_string ? "string" : "map");
    write_string(buffer, "methods");
    dispatch_pack_names(buffer, server->options.allow_query);
    write_string(buffer, "limits");
    write_map(buffer, 9);
    pack_limit(buffer, "request_bytes", LIMIT_REQUEST_BYTES);
    pack_limit(buffer, "depth", LIMIT_DEPTH);
    pack_limit(buffer, "in_flight", LIMIT_IN_FLIGHT);
    pack_limit(buffer, "watches", LIMIT_WATCHES);
    pack_limit(buffer, "connections", server->connection_limit);
    pack_limit(buffer, "connections_of_user", server_user_limit(server));
    pack_limit(buffer, "output_bytes", server->output_bytes);
    pack_limit(buffer, "timeout_ms_default", TIMEOUT_DEFAULT_MS);
    pack_limit(buffer, "timeout_ms_max", TIMEOUT_MAX_MS);
    session_end(call->session, out, call->id);
}

void method_ping(struct method_call *call)
{
    struct server *server = call->session->server;
    struct session_answer out = session_begin(call->session);

    message_begin_answer(out.buffer, call->id);
    write_map(out.buffer, 2);
    write_string(out.buffer, "pid");
    write_int(out.buffer, getpid());
    write_string(out.buffer, "uptime_ms");
    write_int(out.buffer, loop_now(server->options.loop) - server->started_at);
    session_end(call->session, out, call->id);
}

/* ==== method list ============================================================================= */

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

/* ==== method status =========================================================================== */

#define PEERS_SHOWN 64

static void pack_number(struct buffer *buffer, const char *name, uint64_t value)
{
    write_string(buffer, name);
    write_uint(buffer, value);
}

/* The memory that the process has, in KiB; 0 where /proc is not mounted. */
static uint64_t resident_kb(void)
{
    char line[128] = "";
    char *resident;
    FILE *file = fopen("/proc/self/statm", "re");

    if (file == NULL)
        return 0;
    if (fgets(line, sizeof(line), file) == NULL)
        line[0] = '\0';
    fclose(file);
    resident = strchr(line, ' '); /* size, resident, … in pages */
    if (resident == NULL)
        return 0;
    return strtoull(resident, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}

/* A point of the wall clock as RFC 3339 has it. */
static void pack_time(struct buffer *buffer, const char *name, int64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm utc;
    char text[40] = "";

    if (gmtime_r(&seconds, &utc) != NULL)
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
    write_string(buffer, name);
    write_string(buffer, text);
}

static void pack_config(struct buffer *buffer, const struct counter *counter)
{
    unsigned rejections = counter_rejections(counter);

    write_string(buffer, "config");
    write_map(buffer, rejections > 0 ? 5 : 4);
    pack_number(buffer, "triggers", counter_config(counter)->trigger_count);
    pack_time(buffer, "loaded_at", counter_loaded_wall(counter));
    pack_number(buffer, "generation", counter_generation(counter));
    pack_number(buffer, "reload_failures", rejections);
    if (rejections > 0) {
        write_string(buffer, "reload_error");
        write_string(buffer, counter_rejection(counter));
    }
}

static void pack_peer(struct buffer *buffer, const struct session *session, int64_t now)
{
    write_map(buffer, session->client != NULL ? 6 : 5);
    if (session->client != NULL) {
        write_string(buffer, "client");
        write_string(buffer, session->client);
    }
    pack_number(buffer, "uid", session->uid);
    pack_number(buffer, "gid", session->gid);
    write_string(buffer, "pid");
    write_int(buffer, session->pid);
    pack_number(buffer, "requests", session->requests);
    pack_number(buffer, "age_ms", (uint64_t)(now - session->opened_at));
}

static void pack_connections(struct buffer *buffer, const struct server *server)
{
    size_t array;
    uint16_t shown = 0;

    write_string(buffer, "connections");
    write_map(buffer, 10);
    pack_number(buffer, "open", server->session_count - server->linger_count);
    pack_number(buffer, "limit", server->connection_limit);
    pack_number(buffer, "limit_of_user", server_user_limit(server));
    pack_number(buffer, "evicted", server->stats.evicted);
    pack_number(buffer, "lingering", server->linger_count);
    pack_number(buffer, "accepted", server->stats.accepted);
    pack_number(buffer, "refused", server->stats.refused);
    pack_number(buffer, "malformed", server->stats.malformed);
    pack_number(buffer, "dropped", server->stats.dropped);
    write_string(buffer, "peers");
    array = write_array_begin(buffer);
    for (struct ring *at = server->sessions.next; at != &server->sessions && shown < PEERS_SHOWN;
         at = at->next, shown++)
        pack_peer(buffer, RING_MEMBER(at, struct session, link), loop_now(server->options.loop));
    write_array_end(buffer, array, shown);
}

static uint64_t in_flight(const struct server *server)
{
    uint64_t sum = 0;

    for (struct ring *at = server->sessions.next; at != &server->sessions; at = at->next)
        sum += RING_MEMBER(at, struct session, link)->in_flight;
    return sum;
}

static void pack_requests(struct buffer *buffer, const struct server *server)
{
    write_string(buffer, "requests");
    write_map(buffer, 5);
    pack_number(buffer, "total", server->stats.requests);
    pack_number(buffer, "answered", server->stats.answered);
    pack_number(buffer, "errors", server->stats.errors);
    pack_number(buffer, "in_flight", in_flight(server));
    write_string(buffer, "by_method");
    dispatch_pack_requests(buffer, server);
}

static void pack_ms(struct buffer *buffer, const char *name, int64_t us)
{
    write_string(buffer, name);
    write_float(buffer, (double)us / 1000);
}

static void pack_latency(struct buffer *buffer, struct latency *latency, int64_t now_us)
{
    struct latency_histogram lately;
    int64_t since = latency_lately(latency, now_us, &lately);

    write_string(buffer, "latency_ms");
    write_map(buffer, 6);
    pack_ms(buffer, "p50", latency_percentile(&lately, 0.5));
    pack_ms(buffer, "p90", latency_percentile(&lately, 0.9));
    pack_ms(buffer, "p99", latency_percentile(&lately, 0.99));
    pack_ms(buffer, "max", lately.max_us);
    pack_number(buffer, "samples", lately.samples);
    pack_number(buffer, "window_ms", (uint64_t)((now_us - since) / 1000));
}

/* Since the start, as a counter that may be scraped: how many took less than 64 µs, 256 µs, …, 4.5
 * minutes. */
static void pack_histogram(struct buffer *buffer, const struct latency *latency)
{
    enum { FIRST = 6, LAST = 28, STEP = 2, COUNT = (LAST - FIRST) / STEP + 1 };
    struct latency_histogram total;

    latency_total(latency, &total);
    write_string(buffer, "latency_histogram");
    write_map(buffer, 4);
    write_string(buffer, "below_ms");
    write_array(buffer, COUNT);
    for (unsigned power = FIRST; power <= LAST; power += STEP)
        write_float(buffer, (double)(UINT64_C(1) << power) / 1000);
    write_string(buffer, "answers");
    write_array(buffer, COUNT);
    for (unsigned power = FIRST; power <= LAST; power += STEP)
        write_uint(buffer, latency_below(&total, power));
    pack_number(buffer, "samples", total.samples);
    pack_ms(buffer, "sum_ms", total.sum_us);
}

static void pack_counts(struct buffer *buffer, const struct count_stats *stats)
{
    write_string(buffer, "cache");
    write_map(buffer, 4);
    pack_number(buffer, "hits", stats->hits);
    pack_number(buffer, "misses", stats->misses);
    pack_number(buffer, "joined", stats->joined);
    pack_number(buffer, "stale_served", stats->stale_served);
    write_string(buffer, "flights");
    write_map(buffer, 4);
    pack_number(buffer, "active", stats->flights_active);
    pack_number(buffer, "started", stats->flights_started);
    pack_number(buffer, "succeeded", stats->flights_succeeded);
    pack_number(buffer, "failed", stats->flights_failed);
    write_string(buffer, "consumed_rcu");
    write_float(buffer, stats->consumed_rcu);
}

static void pack_service(
    struct buffer *buffer, const char *name, const struct aws_counters *counters)
{
    write_string(buffer, name);
    write_map(buffer, 5);
    pack_number(buffer, "calls", counters->calls);
    pack_number(buffer, "ok", counters->ok);
    pack_number(buffer, "throttled", counters->throttled);
    pack_number(buffer, "failed", counters->failed);
    pack_number(buffer, "connections", counters->connections);
}

static void pack_aws(struct buffer *buffer, const struct aws_client *client)
{
    write_string(buffer, "aws");
    write_map(buffer, 3);
    pack_service(buffer, "dynamodb", aws_client_counters(client, AWS_DYNAMODB));
    pack_service(buffer, "sts", aws_client_counters(client, AWS_STS));
    pack_service(buffer, "credentials", aws_client_counters(client, AWS_CREDENTIAL_ENDPOINT));
}

static void pack_memory(struct buffer *buffer, const struct server *server)
{
    write_string(buffer, "memory");
    write_map(buffer, 4);
    pack_number(buffer, "rss_kb", resident_kb());
    pack_number(buffer, "output_queue_bytes", server->queued_bytes);
    pack_number(buffer, "unread_bytes", server->unread_bytes);
    pack_number(buffer, "timers", loop_timers(server->options.loop));
}

void method_status(struct method_call *call)
{
    struct server *server = call->session->server;
    struct session_answer out = session_begin(call->session);

    message_begin_answer(out.buffer, call->id);
    write_map(out.buffer, 15);
    write_string(out.buffer, "version");
    write_string(out.buffer, TALLY_VERSION);
    write_string(out.buffer, "pid");
    write_int(out.buffer, getpid());
    pack_number(
        out.buffer, "uptime_ms", (uint64_t)(loop_now(server->options.loop) - server->started_at));
    write_string(out.buffer, "draining");
    write_bool(out.buffer, server->draining);
    pack_config(out.buffer, server->options.counter);
    pack_connections(out.buffer, server);
    pack_requests(out.buffer, server);
    pack_latency(out.buffer, &server->latency, loop_microseconds(server->options.loop));
    pack_histogram(out.buffer, &server->latency);
    pack_counts(out.buffer, counter_stats(server->options.counter)); /* three pairs */
    pack_aws(out.buffer, server->options.client);
    write_string(out.buffer, "clock_skew_ms");
    write_int(out.buffer, aws_client_skew(server->options.client));
    pack_memory(out.buffer, server);
    session_end(call->session, out, call->id);
}

/* ==== method whoami =========================================================================== */

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
