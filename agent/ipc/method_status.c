#include "agent/ipc/methods.h"
#include "agent/ipc/server.h"
#include "proto/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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
