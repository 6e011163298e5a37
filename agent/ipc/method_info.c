/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ipc/methods.h"
#include "agent/ipc/reply.h"
#include "agent/ipc/server.h"
#include "agent/log.h"
#include "proto/utf8.h"
#include "proto/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- method hello ---- */

#define CLIENT_NAME_BYTES 64 /* of a program's name, the rest is cut off */

/* Stores and logs the program's name; the log shows it at most once a minute for each uid. When out
 * of memory, the session stays without a name. */
static void name_client(struct session *session, struct text name)
{
    char text[CLIENT_NAME_BYTES + 1];

    utf8_copy(text, sizeof(text), name.data, name.len);
    if (session->client != NULL && strcmp(session->client, text) == 0)
        return;
    free(session->client);
    session->client = text[0] != '\0' ? strdup(text) : NULL;
    log_often(LOG_LEVEL_INFO, "client", LOG_TEXT("client", text),
        LOG_NUMBER("uid", session->channel.peer.uid), LOG_NUMBER("pid", session->channel.peer.pid));
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

/* The names of all methods that the agent allows. */
static void pack_methods(struct map *map, const struct method_call *call)
{
    struct buffer *buffer = map_key(map, "methods");
    size_t array = write_array_begin(buffer);
    uint16_t count = 0;

    for (const struct method *method = call->methods; method->name != NULL; method++) {
        if (method->is_optional && !call->session->server->options.allow_query)
            continue;
        write_string(buffer, method->name);
        count++;
    }
    write_array_end(buffer, array, count);
}

void method_hello(struct method_call *call)
{
    const struct server *server = call->session->server;
    struct text client = {NULL, 0};
    bool as_string = call->session->errors_as_string;
    struct params params;
    struct text name;
    struct session_answer out;
    struct map map, limits;

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
    message_begin_answer(out.buffer, call->id);
    map = map_begin(out.buffer);
    map_string(&map, "protocol", PROTOCOL_NAME);
    map_uint(&map, "version", PROTOCOL_VERSION);
    map_string(&map, "agent", TALLY_VERSION);
    map_string(&map, "errors", call->session->errors_as_string ? "string" : "map");
    pack_methods(&map, call);
    limits = map_begin_in(&map, "limits");
    map_uint(&limits, "request_bytes", LIMIT_REQUEST_BYTES);
    map_uint(&limits, "depth", LIMIT_DEPTH);
    map_uint(&limits, "in_flight", LIMIT_IN_FLIGHT);
    map_uint(&limits, "watches", LIMIT_WATCHES);
    map_uint(&limits, "connections", server->connection_limit);
    map_uint(&limits, "connections_of_user", server_user_limit(server));
    map_uint(&limits, "output_bytes", server->channels.output_most);
    map_uint(&limits, "timeout_ms_default", TIMEOUT_DEFAULT_MS);
    map_uint(&limits, "timeout_ms_max", TIMEOUT_MAX_MS);
    map_end(&limits);
    map_end(&map);
    session_end(call->session, out, call->id);
}

void method_ping(struct method_call *call)
{
    struct server *server = call->session->server;
    struct session_answer out = session_begin(call->session);
    struct map map;

    message_begin_answer(out.buffer, call->id);
    map = map_begin(out.buffer);
    map_int(&map, "pid", getpid());
    map_int(&map, "uptime_ms", loop_now(server->options.loop) - server->started_at);
    map_end(&map);
    session_end(call->session, out, call->id);
}

/* ---- method list ---- */

/* An answer ends at about this size, or sooner if it would take too much memory for a client that
 * does not read it; `next` then shows where to continue. */
#define LIST_BYTES       (1024u * 1024u)
#define LIST_LEAST_BYTES 4096u

static size_t list_bytes(const struct server *server)
{
    size_t most = channels_answer_most(&server->channels);

    return most > LIST_BYTES ? LIST_BYTES : most < LIST_LEAST_BYTES ? LIST_LEAST_BYTES : most;
}

static void pack_client_values(struct map *map, const struct query *query)
{
    struct buffer *buffer = map_key(map, "client_values");

    write_array(buffer, (uint32_t)query->client_value_count);
    for (size_t i = 0; i < query->client_value_count; i++)
        write_string(buffer, query->client_values[i]);
}

/* The state of the known answer, in one word. */
static const char *info_state_of(const struct count_answer *known)
{
    if (known->value == NULL)
        return known->failure != NULL ? "failed" : "never";
    return known->quality == QUALITY_STALE ? "stale" : "fresh";
}

static void pack_known(struct map *map, const struct count_answer *known)
{
    map_string(map, "state", info_state_of(known));
    if (known->value != NULL) {
        map_uint(map, "count", known->value->count);
        map_string(map, "quality", count_quality_name(known->quality));
        map_int(map, "age_ms", known->age_ms);
        pack_source(map, known);
        pack_rate(map, known);
    }
    if (known->failure != NULL)
        failure_pack(map_key(map, "last_error"), known->failure, NULL);
}

static void pack_month(struct map *map, const struct counter *counter, double rcu_per_hour)
{
    if (counter_has_price(counter))
        map_float(map, "cost_per_month", counter_month(counter, rcu_per_hour));
}

static void pack_trigger(
    struct buffer *buffer, const struct counter *counter, const struct trigger *trigger)
{
    struct map map = map_begin(buffer);
    struct count_answer known;
    struct counter_cost cost;

    map_string(&map, "name", trigger->name);
    map_string(&map, "table", trigger->query.table);
    map_string(&map, "region", trigger->query.region);
    map_string(&map, "identity", identity_source(counter_identity(counter, trigger)));
    map_int(&map, "target", trigger->scaling.target);
    map_int(&map, "activation_target", trigger->scaling.activation);
    map_int(&map, "polling_interval_ms", trigger->polling_ms);
    map_string(&map, "metric_type",
        trigger->scaling.metric_type == METRIC_AVERAGE_VALUE ? "AverageValue" : "Value");
    map_string(&map, "metric_name", trigger->metric_name);
    map_bool(&map, "warm", trigger->warm);
    map_string(&map, "index", trigger->query.index);
    if (trigger->query.client_value_count > 0)
        pack_client_values(&map, &trigger->query);
    map_string(&map, "share_table", counter_share_table(counter, trigger));
    counter_cost(counter, trigger, &cost);
    map_float(&map, "rcu_per_hour", cost.rcu_per_hour);
    map_float(&map, "consumed_rcu", cost.rcu_total);
    pack_month(&map, counter, cost.rcu_per_hour);
    counter_peek(counter, trigger, &known);
    pack_known(&map, &known);
    map_end(&map);
}

static bool comes_after(const struct trigger *trigger, struct text after)
{
    size_t len = strlen(trigger->name);
    size_t common = len < after.len ? len : after.len;
    int order = memcmp(trigger->name, after.data, common);

    return order > 0 || (order == 0 && len > after.len);
}

/* Which part of the list the client wants. */
struct list_params {
    struct text after;   /* the list begins behind this name; "": with the first */
    struct text trigger; /* this one alone; "": all */
};

/* False: an error was answered. */
static bool list_read(struct method_call *call, struct list_params *wanted)
{
    struct params params;
    struct text name;

    params_open(&params, call);
    while (params_next(&params, &name)) {
        if (text_equals(name, "after"))
            params_text(&params, "after", &wanted->after);
        else if (text_equals(name, "trigger"))
            params_text(&params, "trigger", &wanted->trigger);
        else
            params_skip(&params);
    }
    return params_close(&params);
}

static void list_one(struct method_call *call, const struct trigger *trigger)
{
    struct session_answer out = session_begin(call->session);
    struct map map;
    size_t array;

    message_begin_answer(out.buffer, call->id);
    map = map_begin(out.buffer);
    array = write_array_begin(map_key(&map, "triggers"));
    pack_trigger(out.buffer, call->session->server->options.counter, trigger);
    write_array_end(out.buffer, array, 1);
    map_end(&map);
    session_end(call->session, out, call->id);
}

static void list_from(struct method_call *call, struct text after)
{
    const struct server *server = call->session->server;
    const struct counter *counter = server->options.counter;
    const struct config *config = counter_config(counter);
    struct session_answer out;
    struct map map;
    size_t array, i = 0, packed = 0, most = list_bytes(server);

    while (i < config->trigger_count && !comes_after(&config->triggers[i], after))
        i++;
    out = session_begin(call->session);
    message_begin_answer(out.buffer, call->id);
    map = map_begin(out.buffer);
    array = write_array_begin(map_key(&map, "triggers"));
    for (; i < config->trigger_count && packed < UINT16_MAX && out.buffer->len - out.start < most;
         i++, packed++)
        pack_trigger(out.buffer, counter, &config->triggers[i]);
    write_array_end(out.buffer, array, (uint16_t)packed);
    if (i < config->trigger_count)
        map_string(&map, "next", config->triggers[i - 1].name);
    map_end(&map);
    session_end(call->session, out, call->id);
}

void method_list(struct method_call *call)
{
    struct list_params wanted = {{"", 0}, {"", 0}};
    const struct trigger *trigger;

    if (!list_read(call, &wanted))
        return;
    if (wanted.trigger.len == 0) {
        list_from(call, wanted.after);
        return;
    }
    trigger = method_trigger(call, wanted.trigger);
    if (trigger != NULL)
        list_one(call, trigger);
}

/* ---- method status ---- */

#define PEERS_SHOWN 64

/* The resident memory of the process, in KiB; 0 if /proc is not mounted. */
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

/* A wall-clock time in RFC 3339 format. */
static void pack_time(struct map *map, const char *name, int64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm utc;
    char text[40] = "";

    if (gmtime_r(&seconds, &utc) != NULL)
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
    map_string(map, name, text);
}

static void info_pack_config(struct map *outer, const struct counter *counter)
{
    unsigned rejections = counter_rejections(counter);
    struct map map = map_begin_in(outer, "config");

    map_uint(&map, "triggers", counter_config(counter)->trigger_count);
    pack_time(&map, "loaded_at", counter_loaded_wall(counter));
    map_uint(&map, "generation", counter_generation(counter));
    map_uint(&map, "reload_failures", rejections);
    if (rejections > 0)
        map_string(&map, "reload_error", counter_rejection(counter));
    map_end(&map);
}

static void pack_peer(struct buffer *buffer, const struct session *session, int64_t now)
{
    struct map map = map_begin(buffer);

    map_string(&map, "client", session->client);
    map_uint(&map, "uid", session->channel.peer.uid);
    map_uint(&map, "gid", session->channel.peer.gid);
    map_int(&map, "pid", session->channel.peer.pid);
    map_uint(&map, "requests", session->requests);
    map_uint(&map, "age_ms", (uint64_t)(now - session->opened_at));
    map_end(&map);
}

static void pack_connections(struct map *outer, const struct server *server)
{
    size_t array;
    uint16_t shown = 0;
    struct map map = map_begin_in(outer, "connections");

    map_uint(&map, "open", server->session_count - server->linger_count);
    map_uint(&map, "limit", server->connection_limit);
    map_uint(&map, "limit_of_user", server_user_limit(server));
    map_uint(&map, "evicted", server->stats.evicted);
    map_uint(&map, "lingering", server->linger_count);
    map_uint(&map, "accepted", server->stats.accepted);
    map_uint(&map, "refused", server->stats.refused);
    map_uint(&map, "malformed", server->stats.malformed);
    map_uint(&map, "dropped", server->channels.dropped);
    array = write_array_begin(map_key(&map, "peers"));
    for (struct ring *at = server->channels.list.next;
         at != &server->channels.list && shown < PEERS_SHOWN; at = at->next, shown++)
        pack_peer(map.buffer, session_of(at), loop_now(server->options.loop));
    write_array_end(map.buffer, array, shown);
    map_end(&map);
}

static uint64_t in_flight(const struct server *server)
{
    uint64_t sum = 0;

    RING_EACH(at, &server->channels.list)
        sum += session_of(at)->in_flight;
    return sum;
}

/* How often each method was called. */
static void pack_method_requests(struct map *outer, const struct method_call *call)
{
    const uint64_t *requests = call->session->server->method_requests;
    struct map map = map_begin_in(outer, "by_method");

    for (size_t i = 0; call->methods[i].name != NULL; i++)
        if (requests[i] > 0)
            map_uint(&map, call->methods[i].name, requests[i]);
    map_end(&map);
}

static void pack_requests(struct map *outer, const struct method_call *call)
{
    const struct server *server = call->session->server;
    struct map map = map_begin_in(outer, "requests");

    map_uint(&map, "total", server->stats.requests);
    map_uint(&map, "answered", server->stats.answered);
    map_uint(&map, "errors", server->stats.errors);
    map_uint(&map, "in_flight", in_flight(server));
    pack_method_requests(&map, call);
    map_end(&map);
}

static void pack_ms(struct map *map, const char *name, int64_t us)
{
    map_float(map, name, (double)us / 1000);
}

static void pack_latency(struct map *outer, struct latency *latency, int64_t now_us)
{
    struct latency_histogram lately;
    int64_t since = latency_lately(latency, now_us, &lately);
    struct map map = map_begin_in(outer, "latency_ms");

    pack_ms(&map, "p50", latency_percentile(&lately, 0.5));
    pack_ms(&map, "p90", latency_percentile(&lately, 0.9));
    pack_ms(&map, "p99", latency_percentile(&lately, 0.99));
    pack_ms(&map, "max", lately.max_us);
    map_uint(&map, "samples", lately.samples);
    map_uint(&map, "window_ms", (uint64_t)((now_us - since) / 1000));
    map_end(&map);
}

/* Since the start, as a counter for scraping: how many took less than 64 µs, 256 µs, …, 4.5
 * minutes. */
static void pack_histogram(struct map *outer, const struct latency *latency)
{
    enum { FIRST = 6, LAST = 28, STEP = 2, COUNT = (LAST - FIRST) / STEP + 1 };
    struct latency_histogram total;

    latency_total(latency, &total);
    struct map map = map_begin_in(outer, "latency_histogram");

    struct buffer *buffer = map_key(&map, "below_ms");
    write_array(buffer, COUNT);
    for (unsigned power = FIRST; power <= LAST; power += STEP)
        write_float(buffer, (double)(UINT64_C(1) << power) / 1000);
    write_array(map_key(&map, "answers"), COUNT);
    for (unsigned power = FIRST; power <= LAST; power += STEP)
        write_uint(buffer, latency_below(&total, power));
    map_uint(&map, "samples", total.samples);
    pack_ms(&map, "sum_ms", total.sum_us);
    map_end(&map);
}

static void pack_counts(struct map *outer, const struct count_stats *stats)
{
    struct map map = map_begin_in(outer, "cache");

    map_uint(&map, "hits", stats->hits);
    map_uint(&map, "misses", stats->misses);
    map_uint(&map, "joined", stats->joined);
    map_uint(&map, "stale_served", stats->stale_served);
    map_end(&map);
    map = map_begin_in(outer, "flights");
    map_uint(&map, "active", stats->flights_active);
    map_uint(&map, "started", stats->flights_started);
    map_uint(&map, "succeeded", stats->flights_succeeded);
    map_uint(&map, "failed", stats->flights_failed);
    map_end(&map);
    map_float(outer, "consumed_rcu", stats->consumed.total);
}

/* What all counts cost, and what they may. */
static void pack_cost(struct map *outer, const struct counter *counter, int64_t now)
{
    const struct count_stats *stats = counter_stats(counter);
    const struct rcu_budget *budget = counter_budget(counter);
    double per_hour = rcu_meter_per_hour(&stats->consumed, now);
    struct map map = map_begin_in(outer, "cost");

    map_float(&map, "rcu_last_hour", rcu_meter_last_hour(&stats->consumed, now));
    map_float(&map, "rcu_per_hour", per_hour);
    pack_month(&map, counter, per_hour);
    if (budget->per_hour > 0) {
        map_float(&map, "budget_rcu_per_hour", budget->per_hour);
        map_float(&map, "budget_rcu_left", rcu_budget_left(budget, now));
    }
    map_uint(&map, "over_budget", stats->over_budget);
    map_end(&map);
}

static void pack_share(struct map *outer, const struct share_stats *stats)
{
    struct map map = map_begin_in(outer, "share");

    map_uint(&map, "hits", stats->hits);
    map_uint(&map, "won", stats->won);
    map_uint(&map, "lost", stats->lost);
    map_uint(&map, "failed", stats->failed);
    map_float(&map, "consumed_rcu", stats->consumed_rcu);
    map_float(&map, "consumed_wcu", stats->consumed_wcu);
    if (stats->last.code != ERROR_NONE)
        failure_pack(map_key(&map, "last_error"), &stats->last, NULL);
    map_end(&map);
}

static void pack_service(struct map *outer, const char *name, const struct aws_counters *counters)
{
    struct map map = map_begin_in(outer, name);

    map_uint(&map, "calls", counters->calls);
    map_uint(&map, "ok", counters->ok);
    map_uint(&map, "throttled", counters->throttled);
    map_uint(&map, "failed", counters->failed);
    map_uint(&map, "connections", counters->connections);
    map_end(&map);
}

static void info_pack_aws(struct map *outer, const struct aws_client *client)
{
    struct map map = map_begin_in(outer, "aws");

    pack_service(&map, "dynamodb", aws_client_counters(client, AWS_DYNAMODB));
    pack_service(&map, "sts", aws_client_counters(client, AWS_STS));
    pack_service(&map, "credentials", aws_client_counters(client, AWS_CREDENTIAL_ENDPOINT));
    map_end(&map);
}

static void pack_memory(struct map *outer, const struct server *server)
{
    struct map map = map_begin_in(outer, "memory");

    map_uint(&map, "rss_kb", resident_kb());
    map_uint(&map, "output_queue_bytes", server->channels.output_bytes);
    map_uint(&map, "unread_bytes", server->channels.unread_bytes);
    map_uint(&map, "timers", loop_timers(server->options.loop));
    map_end(&map);
}

void method_status(struct method_call *call)
{
    struct server *server = call->session->server;
    struct session_answer out = session_begin(call->session);
    struct map map;

    message_begin_answer(out.buffer, call->id);
    map = map_begin(out.buffer);
    map_string(&map, "version", TALLY_VERSION);
    map_int(&map, "pid", getpid());
    map_uint(&map, "uptime_ms", (uint64_t)(loop_now(server->options.loop) - server->started_at));
    map_bool(&map, "draining", server->draining);
    info_pack_config(&map, server->options.counter);
    pack_connections(&map, server);
    pack_requests(&map, call);
    pack_latency(&map, &server->latency, loop_microseconds(server->options.loop));
    pack_histogram(&map, &server->latency);
    pack_counts(&map, counter_stats(server->options.counter));
    pack_cost(&map, server->options.counter, loop_now(server->options.loop));
    pack_share(&map, counter_share_stats(server->options.counter));
    info_pack_aws(&map, server->options.client);
    map_int(&map, "clock_skew_ms", aws_client_skew(server->options.client));
    pack_memory(&map, server);
    map_end(&map);
    session_end(call->session, out, call->id);
}

/* ---- method whoami ---- */

/* AWS is queried about at most this many identities; the others are reported as known so far. */
#define CALLERS_MAX 64
#define CALLER      "GetCallerIdentity"

/* An identity in the answer. */
struct whoami_row {
    struct whoami_call *call;
    struct identity *identity; /* held */
    struct caller *caller;     /* NULL: no request to AWS, or it has answered */
    bool failed;
    struct failure failure; /* why AWS did not say who it is */
};

/* A request from the query to AWS until all callers have answered, or the deadline is near. */
struct whoami_call {
    struct pending pending;
    struct loop_timer *timer;
    size_t unanswered; /* callers that have not answered yet */
    size_t count;
    struct whoami_row *rows;
};

static void pack_row(
    struct buffer *buffer, const struct counter *counter, const struct whoami_row *row)
{
    struct map map = map_begin(buffer);

    pack_identity(&map, counter, row->identity);
    if (row->failed)
        failure_pack(map_key(&map, "caller_error"), &row->failure, NULL);
    map_end(&map);
}

/* ---- the answer ---- */

static void whoami_free(struct whoami_call *call)
{
    for (size_t i = 0; call->rows != NULL && i < call->count; i++) {
        if (call->rows[i].caller != NULL)
            identity_cancel_caller(call->rows[i].caller);
        identity_release(call->rows[i].identity);
    }
    loop_timer_destroy(call->timer);
    free(call->rows);
    free(call);
}

static void whoami_answer(void *data)
{
    struct whoami_call *call = data;
    struct session *session = call->pending.session;
    uint32_t id = call->pending.id;
    struct session_answer out;
    struct map map;

    pending_end(&call->pending); /* first: the following code may close the session */
    out = session_begin(session);
    message_begin_answer(out.buffer, id);
    map = map_begin(out.buffer);
    write_array(map_key(&map, "identities"), (uint32_t)call->count);
    for (size_t i = 0; i < call->count; i++)
        pack_row(out.buffer, session->server->options.counter, &call->rows[i]);
    map_end(&map);
    session_end(session, out, id);
    whoami_free(call);
}

static void on_leave(struct pending *pending)
{
    whoami_free(RING_MEMBER(pending, struct whoami_call, pending));
}

/* ---- asking AWS ---- */

static void on_caller(void *data, const struct failure *failure)
{
    struct whoami_row *row = data;
    struct whoami_call *call = row->call;

    row->caller = NULL;
    /* Missing credentials are reported as the identity's own last_error. */
    row->failed = failure != NULL && strncmp(failure->message, CALLER, strlen(CALLER)) == 0;
    if (row->failed)
        row->failure = *failure;
    if (--call->unanswered == 0)
        loop_timer_start(call->timer, 0); /* not from inside the callback */
}

static void ask_callers(struct whoami_call *call, int64_t timeout_ms)
{
    for (size_t i = 0; i < call->count && i < CALLERS_MAX; i++) {
        struct whoami_row *row = &call->rows[i];

        row->caller = identity_ask_caller(row->identity, on_caller, row);
        call->unanswered += row->caller != NULL;
    }
    if (call->unanswered > 0)
        loop_timer_start(call->timer, timeout_ms);
    else
        whoami_answer(call); /* now, so that it counts for the session's share of this turn */
}

static void whoami_add(struct whoami_call *call, struct identity *identity)
{
    struct whoami_row *row = &call->rows[call->count++];

    row->call = call;
    row->identity = identity_ref(identity);
}

/* ---- the request ---- */

struct whoami_params {
    struct identity *identity; /* NULL: all */
    bool known;                /* what is known, without a call to AWS */
    int64_t timeout_ms;
};

/* False: an error was answered. */
static bool whoami_read_params(struct method_call *call, struct whoami_params *wanted)
{
    const struct trigger *trigger;
    struct text key, name = {NULL, 0};
    struct params params;

    *wanted = (struct whoami_params){.timeout_ms = TIMEOUT_DEFAULT_MS};
    params_open(&params, call);
    while (params_next(&params, &key)) {
        if (text_equals(key, "trigger"))
            params_text(&params, "trigger", &name);
        else if (text_equals(key, "timeout_ms"))
            params_integer(&params, "timeout_ms", 1, TIMEOUT_MAX_MS, &wanted->timeout_ms);
        else if (text_equals(key, "known"))
            params_bool(&params, "known", &wanted->known);
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
    wanted->identity = counter_identity(call->session->server->options.counter, trigger);
    return true;
}

static struct whoami_call *whoami_create(struct server *server, size_t count)
{
    struct whoami_call *call = calloc(1, sizeof(*call));

    if (call == NULL)
        return NULL;
    call->rows = calloc(count + 1, sizeof(*call->rows));
    call->timer = loop_timer_create(server->options.loop, whoami_answer, call);
    if (call->rows != NULL && call->timer != NULL)
        return call;
    whoami_free(call);
    return NULL;
}

void method_whoami(struct method_call *method_call)
{
    struct server *server = method_call->session->server;
    size_t count = identities_count(server->options.identities);
    struct whoami_call *call;
    struct whoami_params wanted;

    if (!whoami_read_params(method_call, &wanted) || !pending_may_begin(method_call))
        return;
    call = whoami_create(server, wanted.identity != NULL ? 1 : count);
    if (call == NULL) {
        method_fail(method_call, ERROR_INTERNAL, "no memory for the request");
        return;
    }
    if (wanted.identity != NULL)
        whoami_add(call, wanted.identity);
    for (size_t i = 0; wanted.identity == NULL && i < count; i++)
        whoami_add(call, identities_at(server->options.identities, i));
    pending_begin(&call->pending, method_call, on_leave);
    if (wanted.known)
        whoami_answer(call);
    else
        ask_callers(call, count_wait_ms(wanted.timeout_ms));
}
