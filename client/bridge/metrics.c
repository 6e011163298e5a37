/* SPDX-License-Identifier: Apache-2.0 */
#include "client/bridge/metrics.h"

#include "client/bridge/scaler.h"

#include <inttypes.h>

static void metrics_write_head(
    struct buffer *buffer, const char *name, const char *type, const char *help)
{
    buffer_printf(buffer, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void metrics_write_one(
    struct buffer *buffer, const char *name, const char *type, const char *help, uint64_t value)
{
    metrics_write_head(buffer, name, type, help);
    buffer_printf(buffer, "%s %" PRIu64 "\n", name, value);
}

/* A call that never ended with a code has no sample. */
static void metrics_write_calls(struct buffer *buffer, const struct bridge_stats *stats)
{
    static const char *const methods[STATS_METHODS] = {[SCALER_UNKNOWN] = "other",
        [SCALER_IS_ACTIVE] = "IsActive",
        [SCALER_STREAM_IS_ACTIVE] = "StreamIsActive",
        [SCALER_GET_METRIC_SPEC] = "GetMetricSpec",
        [SCALER_GET_METRICS] = "GetMetrics"};

    metrics_write_head(
        buffer, "tally_bridge_calls_total", "counter", "Calls of gRPC by method and status code.");
    for (size_t i = 0; i < STATS_METHODS; i++) {
        for (size_t j = 0; j < STATS_CODES; j++) {
            if (stats->calls[i][j] > 0)
                buffer_printf(buffer,
                    "tally_bridge_calls_total{method=\"%s\",code=\"%zu\"} %" PRIu64 "\n",
                    methods[i], j, stats->calls[i][j]);
        }
    }
}

void metrics_write(
    struct buffer *buffer, const struct bridge_stats *stats, const struct agent_link_stats *link)
{
    const struct {
        const char *name, *type, *help;
        uint64_t value;
    } metrics[] = {
        {"tally_bridge_agent_up", "gauge", "1 where the agent answered the latest question.",
            link->up},
        {"tally_bridge_agent_connections", "gauge", "Connections to the agent.", link->connections},
        {"tally_bridge_agent_questions_total", "counter", "Questions for the agent.", link->calls},
        {"tally_bridge_agent_joined_total", "counter",
            "Questions that joined one that was under way.", link->joined},
        {"tally_bridge_agent_lost_total", "counter", "Questions that no agent answered.",
            link->lost},
        {"tally_bridge_watches", "gauge", "Triggers that are watched for StreamIsActive.",
            link->watches},
        {"tally_bridge_connections", "gauge", "Peers connected now.", stats->connections},
        {"tally_bridge_connections_accepted_total", "counter", "Peers accepted.", stats->accepted},
        {"tally_bridge_connections_refused_total", "counter",
            "Peers refused: too many, or TLS failed.", stats->refused},
        {"tally_bridge_connections_evicted_total", "counter",
            "Idle peers closed to make room for others.", stats->evicted},
        {"tally_bridge_connections_timed_out_total", "counter",
            "Peers closed because they did not send or read in time.", stats->timed_out},
        {"tally_bridge_connections_abused_total", "counter",
            "Peers closed because of what they sent.", stats->abused},
        {"tally_bridge_streams", "gauge", "Requests over HTTP/2 under way, streams included.",
            stats->streams},
        {"tally_bridge_pages_total", "counter", "Pages asked for by GET and HEAD.", stats->pages},
    };

    metrics_write_head(buffer, "tally_bridge_build_info", "gauge", "The version of tally-bridge.");
    buffer_printf(buffer, "tally_bridge_build_info{version=\"%s\"} 1\n", TALLY_VERSION);
    for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++)
        metrics_write_one(
            buffer, metrics[i].name, metrics[i].type, metrics[i].help, metrics[i].value);
    metrics_write_calls(buffer, stats);
}
