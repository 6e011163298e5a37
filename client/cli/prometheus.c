/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/prometheus.h"
#include "client/cli/terminal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

/* Metrics with one sample each: the field, its metric, and what makes it a base unit. */
struct metric {
    const char *path, *name, *type, *help;
    double factor;
};

static const struct metric status_metrics[] = {
    {"uptime_ms", "tally_uptime_seconds", "gauge", "Time since the agent started.", 0.001},
    {"config.triggers", "tally_config_triggers", "gauge", "Configured triggers.", 1},
    {"config.generation", "tally_config_generation", "gauge",
        "How many configurations were taken over.", 1},
    {"config.reload_failures", "tally_config_reload_failures", "gauge",
        "Reloads in a row that failed, so that an older configuration is in force.", 1},
    {"connections.open", "tally_connections_open", "gauge", "Clients connected now.", 1},
    {"connections.accepted", "tally_connections_accepted_total", "counter", "Connections accepted.",
        1},
    {"connections.refused", "tally_connections_refused_total", "counter",
        "Connections refused: peers not allowed, or too many.", 1},
    {"connections.malformed", "tally_connections_malformed_total", "counter",
        "Connections closed for bytes that are no message.", 1},
    {"connections.dropped", "tally_connections_dropped_total", "counter",
        "Connections closed because the client did not read.", 1},
    {"connections.evicted", "tally_connections_evicted_total", "counter",
        "Idle connections closed to make room for others.", 1},
    {"requests.answered", "tally_requests_answered_total", "counter",
        "Requests answered, errors included.", 1},
    {"requests.errors", "tally_request_errors_total", "counter", "Requests answered with an error.",
        1},
    {"requests.in_flight", "tally_requests_in_flight", "gauge", "Requests without an answer.", 1},
    {"cache.hits", "tally_cache_hits_total", "counter", "Counts answered from the cache.", 1},
    {"cache.misses", "tally_cache_misses_total", "counter",
        "Counts that the cache could not answer.", 1},
    {"cache.stale_served", "tally_cache_stale_served_total", "counter", "Stale counts answered.",
        1},
    {"cache.joined", "tally_cache_joined_total", "counter",
        "Requests that joined a flight under way.", 1},
    {"flights.active", "tally_flights_active", "gauge", "Counts under way.", 1},
    {"flights.started", "tally_flights_started_total", "counter", "Counts begun.", 1},
    {"flights.succeeded", "tally_flights_succeeded_total", "counter", "Counts completed.", 1},
    {"flights.failed", "tally_flights_failed_total", "counter", "Counts failed.", 1},
    {"consumed_rcu", "tally_consumed_read_capacity_units_total", "counter",
        "DynamoDB read capacity units consumed.", 1},
    {"cost.budget_rcu_per_hour", "tally_budget_read_capacity_units_per_hour", "gauge",
        "What counting may use in an hour.", 1},
    {"cost.budget_rcu_left", "tally_budget_read_capacity_units_left", "gauge",
        "What is left of it; below 0 it is overdrawn.", 1},
    {"cost.over_budget", "tally_counts_over_budget_total", "counter",
        "Counts refused because the budget was used up.", 1},
    {"memory.rss_kb", "tally_resident_memory_bytes", "gauge", "Resident memory.", 1024},
    {"memory.output_queue_bytes", "tally_output_queue_bytes", "gauge",
        "Answers that clients have not read.", 1},
};

static void prometheus_print_head(FILE *file, const char *name, const char *type, const char *help)
{
    terminal_print(file, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Prints whole numbers exactly, to the last digit. */
static void prometheus_print_number(
    FILE *file, const struct json *map, const char *path, double factor)
{
    int64_t whole = 0;
    double number = 0;

    if (factor >= 1 && json_get_integer(map, path, &whole) &&
        !__builtin_mul_overflow(whole, (int64_t)factor, &whole)) {
        terminal_print(file, " %" PRId64 "\n", whole);
        return;
    }
    json_get_real(map, path, &number);
    terminal_print(file, " %.15g\n", number * factor);
}

#define LABELS_END                                                                                 \
    ((const char *)NULL) /* NULL alone may be an int, which is no argument of `...` */

/* A metric's name with its labels: names and values in turn, and LABELS_END. */
static void prometheus_print_name(FILE *file, const char *name, va_list labels)
{
    const char *separator = "{", *label;

    terminal_print(file, "%s", name);
    for (; (label = va_arg(labels, const char *)) != NULL; separator = ",") {
        terminal_print(file, "%s%s=", separator, label);
        terminal_print_label(file, va_arg(labels, const char *));
    }
    terminal_print(file, separator[0] == ',' ? "}" : "");
}

/* A field of the map; none where the map does not have it, rather than a 0. */
__attribute__((sentinel)) static void prometheus_print_sample(
    FILE *file, const struct json *map, const char *path, double factor, const char *name, ...)
{
    double number;
    va_list labels;

    if (!json_get_real(map, path, &number))
        return;
    va_start(labels, name);
    prometheus_print_name(file, name, labels);
    va_end(labels);
    prometheus_print_number(file, map, path, factor);
}

/* 1 or 0. */
__attribute__((sentinel)) static void prometheus_print_flag(
    FILE *file, bool flag, const char *name, ...)
{
    va_list labels;

    va_start(labels, name);
    prometheus_print_name(file, name, labels);
    va_end(labels);
    terminal_print(file, " %d\n", flag);
}

static void print_methods(FILE *file, const struct json *methods)
{
    const struct json *value;
    const char *key;

    if (methods == NULL)
        return;
    prometheus_print_head(file, "tally_requests_total", "counter", "Requests by method.");
    for (void *at = NULL; json_next(methods, &at, &key, &value);)
        prometheus_print_sample(
            file, value, "", 1, "tally_requests_total", "method", key, LABELS_END);
}

static void print_aws(FILE *file, const struct json *aws)
{
    static const char *const services[] = {"dynamodb", "sts", "credentials"};
    static const char *const results[] = {"ok", "throttled", "failed"};

    if (aws == NULL)
        return;
    prometheus_print_head(
        file, "tally_aws_calls_total", "counter", "Calls to AWS, repeated ones included.");
    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
        for (size_t j = 0; j < sizeof(results) / sizeof(results[0]); j++)
            prometheus_print_sample(file, json_get(aws, services[i]), results[j], 1,
                "tally_aws_calls_total", "service", services[i], "result", results[j], LABELS_END);
    }
    prometheus_print_head(
        file, "tally_aws_connections_total", "counter", "Connections to AWS opened.");
    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
        prometheus_print_sample(file, json_get(aws, services[i]), "connections", 1,
            "tally_aws_connections_total", "service", services[i], LABELS_END);
}

static void print_share(FILE *file, const struct json *share)
{
    static const char *const results[] = {"hits", "won", "lost", "failed"};

    if (share == NULL)
        return;
    prometheus_print_head(file, "tally_share_counts_total", "counter",
        "Counts through the shared table: answered by its record (hits), counted for the fleet "
        "(won), left to another agent (lost), counted alone because the table failed (failed).");
    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++)
        prometheus_print_sample(file, share, results[i], 1, "tally_share_counts_total", "result",
            results[i], LABELS_END);
}

static void print_latency(FILE *file, const struct json *histogram)
{
    static const char bucket[] = "tally_request_duration_seconds_bucket";
    const struct json *bounds = json_get(histogram, "below_ms");
    const struct json *answers = json_get(histogram, "answers");

    if (bounds == NULL || answers == NULL)
        return;
    prometheus_print_head(file, "tally_request_duration_seconds", "histogram",
        "Time to answer, since the agent's start.");
    for (size_t i = 0; i < json_size(bounds); i++) {
        char bound[32];

        snprintf(
            bound, sizeof(bound), "%.15g", json_get_real_or(json_at(bounds, i), "", 0) * 0.001);
        prometheus_print_sample(file, json_at(answers, i), "", 1, bucket, "le", bound, LABELS_END);
    }
    prometheus_print_sample(file, histogram, "samples", 1, bucket, "le", "+Inf", LABELS_END);
    prometheus_print_sample(
        file, histogram, "sum_ms", 0.001, "tally_request_duration_seconds_sum", LABELS_END);
    prometheus_print_sample(
        file, histogram, "samples", 1, "tally_request_duration_seconds_count", LABELS_END);
}

void prometheus_status(FILE *file, const struct json *status)
{
    double number;

    prometheus_print_head(file, "tally_build_info", "gauge", "The agent's version.");
    prometheus_print_flag(file, true, "tally_build_info", "version",
        json_get_string(status, "version", ""), LABELS_END);
    for (size_t i = 0; i < sizeof(status_metrics) / sizeof(status_metrics[0]); i++) {
        const struct metric *metric = &status_metrics[i];

        if (!json_get_real(status, metric->path, &number))
            continue;
        prometheus_print_head(file, metric->name, metric->type, metric->help);
        prometheus_print_sample(
            file, status, metric->path, metric->factor, metric->name, LABELS_END);
    }
    print_methods(file, json_get(status, "requests.by_method"));
    print_aws(file, json_get(status, "aws"));
    print_share(file, json_get(status, "share"));
    print_latency(file, json_get(status, "latency_histogram"));
}

static const struct metric trigger_metrics[] = {
    {"count", "tally_trigger_items", "gauge", "The last good count.", 1},
    {"age_ms", "tally_trigger_age_seconds", "gauge", "Time since that count was completed.", 0.001},
    {"rate_per_s", "tally_trigger_items_change_per_second", "gauge",
        "Net change of the count, from exact counts.", 1},
    {"target", "tally_trigger_target", "gauge", "The targetValue.", 1},
    {"consumed_rcu", "tally_trigger_consumed_read_capacity_units_total", "counter",
        "DynamoDB read capacity units that its counts consumed.", 1},
};

/* A sample for each quality, of which one is 1: a label that changes would begin a new series. */
static void print_qualities(FILE *file, const struct json *trigger)
{
    static const char *const qualities[] = {"exact", "at_least", "stale"};
    const char *quality = json_get_string(trigger, "quality", "");

    for (size_t i = 0; quality[0] != '\0' && i < sizeof(qualities) / sizeof(qualities[0]); i++)
        prometheus_print_flag(file, strcmp(quality, qualities[i]) == 0, "tally_trigger_quality",
            "trigger", json_get_string(trigger, "name", ""), "table",
            json_get_string(trigger, "table", ""), "quality", qualities[i], LABELS_END);
}

void prometheus_list(FILE *file, const struct json *list)
{
    const struct json *triggers = json_get(list, "triggers");
    size_t count = json_size(triggers);

    for (size_t i = 0; i < sizeof(trigger_metrics) / sizeof(trigger_metrics[0]); i++) {
        const struct metric *metric = &trigger_metrics[i];

        prometheus_print_head(file, metric->name, metric->type, metric->help);
        for (size_t j = 0; j < count; j++) {
            const struct json *trigger = json_at(triggers, j);

            prometheus_print_sample(file, trigger, metric->path, metric->factor, metric->name,
                "trigger", json_get_string(trigger, "name", ""), "table",
                json_get_string(trigger, "table", ""), LABELS_END);
        }
    }
    prometheus_print_head(file, "tally_trigger_quality", "gauge",
        "1 for the quality of that count, 0 for the others.");
    for (size_t j = 0; j < count; j++)
        print_qualities(file, json_at(triggers, j));
    prometheus_print_head(
        file, "tally_trigger_failed", "gauge", "1 where the latest count failed.");
    /* Its state is "stale" where there is an older count. */
    for (size_t j = 0; j < count; j++) {
        const struct json *trigger = json_at(triggers, j);

        prometheus_print_flag(file, json_get(trigger, "last_error") != NULL, "tally_trigger_failed",
            "trigger", json_get_string(trigger, "name", ""), "table",
            json_get_string(trigger, "table", ""), LABELS_END);
    }
}

/* Credentials that do not expire have no sample. */
void prometheus_identities(FILE *file, const struct json *whoami)
{
    static const char name[] = "tally_credentials_expiry_seconds";
    const struct json *identities = json_get(whoami, "identities");

    prometheus_print_head(file, name, "gauge", "Time until the credentials expire.");
    for (size_t i = 0; i < json_size(identities); i++) {
        const struct json *identity = json_at(identities, i);
        char number[24];

        snprintf(number, sizeof(number), "%zu", i);
        prometheus_print_sample(file, identity, "expires_in_ms", 0.001, name, "identity", number,
            "kind", json_get_string(identity, "kind", ""), "role",
            json_get_string(identity, "role", ""), LABELS_END);
    }
}

void prometheus_count(FILE *file, const struct json *count)
{
    prometheus_print_head(file, "tally_trigger_items", "gauge", "The count.");
    prometheus_print_sample(file, count, "count", 1, "tally_trigger_items", "trigger",
        json_get_string(count, "trigger", ""), "quality", json_get_string(count, "quality", ""),
        LABELS_END);
}
