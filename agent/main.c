/* SPDX-License-Identifier: Apache-2.0 */
/* tallyd: creates the modules, runs the loop, and destroys them again. */
#include "agent/aws/call.h"
#include "agent/aws/tls.h"
#include "agent/config/config.h"
#include "agent/config/config_files.h"
#include "agent/config/config_read.h"
#include "agent/config/lint.h"
#include "agent/count/counter.h"
#include "agent/credentials/identity.h"
#include "agent/ipc/dispatch.h"
#include "agent/ipc/server.h"
#include "agent/log.h"
#include "agent/loop.h"
#include "agent/options.h"
#include "agent/process.h"
#include "agent/sandbox.h"
#include "agent/wiping_heap.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIGNAL_COUNT 3

#define CLOSING_CHECK_MS 20 /* between two checks whether all leases are released */
#define CLOSING_CHECKS   50 /* then the agent stops anyway */

enum exit_status { STATUS_OK = 0, STATUS_FAILURE = 1, STATUS_USAGE = 2 };

struct agent {
    struct options options;
    struct endpoint_environment environment;
    struct proxy_environment proxies;
    uint64_t config_stamp; /* of the files when they were first read */
    struct config *config; /* until the counter takes it over */
    struct loop *loop;
    struct http *http;
    struct aws_client *client;
    struct identities *identities;
    struct counter *counter;
    struct socket_path socket_path;
    struct server *server;
    struct config_watch *config_watch;
    bool reload_demanded; /* by SIGHUP, since the last configuration was read */
    struct sandbox *sandbox;
    struct loop_signal *signals[SIGNAL_COUNT];
    struct loop_timer *closing; /* until all leases are released; NULL: there are none */
    unsigned closing_checks;
};

/* ---- configuration ---- */

static struct config *read_config(const struct agent *agent)
{
    struct config_options options = {.paths = agent->options.config,
        .path_count = agent->options.config_count,
        .secrets_dir = agent->options.secrets_dir,
        .streams = agent->options.check,
        .allow_http = agent->options.allow_http};

    return config_read(&options);
}

/* Notes are for authors of configurations, except those on skipped documents, which explain why a
 * trigger is missing. */
static enum log_level level_of(const struct finding *finding)
{
    switch (finding->level) {
    case FINDING_ERROR:
        return LOG_LEVEL_ERROR;
    case FINDING_WARNING:
        return LOG_LEVEL_WARN;
    case FINDING_NOTE:
        break;
    }
    return strcmp(finding->subject, "kind") == 0 ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG;
}

static void log_findings(const struct config *config)
{
    for (size_t i = 0; i < config->finding_count; i++) {
        const struct finding *finding = &config->findings[i];

        log_event(level_of(finding), "config", LOG_TEXT("file", finding->file),
            LOG_NUMBER("line", finding->line), LOG_NUMBER("column", finding->column),
            LOG_TEXT("subject", finding->subject), LOG_TEXT("message", finding->message));
    }
}

/* A new configuration also re-evaluates the environment and earlier refusals. */
static void refresh_identities(const struct agent *agent)
{
    for (size_t i = 0; i < identities_count(agent->identities); i++)
        identity_refresh(identities_at(agent->identities, i));
}

/* "few.yaml:9:18: targetValue: must be at least 1" */
static void describe_first_error(const struct config *config, char *why, size_t why_size)
{
    for (size_t i = 0; i < config->finding_count; i++) {
        const struct finding *finding = &config->findings[i];

        if (finding->level != FINDING_ERROR)
            continue;
        snprintf(why, why_size, "%s:%u:%u: %s%s%s", finding->file, finding->line, finding->column,
            finding->subject, *finding->subject != '\0' ? ": " : "", finding->message);
        return;
    }
}

/* Puts it in force and takes it over. False: `why` says why not. */
static bool load_config(struct agent *agent, struct config *config, char *why, size_t why_size)
{
    const struct config *old = counter_config(agent->counter);
    size_t removed;
    const char *emptied;

    snprintf(why, why_size, "out of memory");
    if (config == NULL)
        return false;
    log_findings(config);
    if (config->error_count > 0) {
        describe_first_error(config, why, why_size);
        return false;
    }
    emptied = agent->reload_demanded ? NULL : config_emptied_file(old, config);
    if (emptied != NULL) {
        snprintf(why, why_size,
            "%s has no trigger any more, so it was perhaps cut off; to remove its triggers, remove "
            "the file or send SIGHUP",
            emptied);
        return false;
    }
    removed = config_count_removed(old, config);
    if (counter_load(agent->counter, config) < 0)
        return false;
    refresh_identities(agent);
    heap_give_back();
    log_event(LOG_LEVEL_INFO, "reloaded", LOG_NUMBER("triggers", (int64_t)config->trigger_count),
        LOG_NUMBER("removed", (int64_t)removed));
    return true;
}

static void take_new_config(void *data)
{
    struct agent *agent = data;
    struct config *config = read_config(agent);
    char why[320];

    if (!config_watch_confirm(agent->config_watch)) {
        config_destroy(config); /* the files are being written */
        return;
    }
    process_notify("RELOADING=1");
    if (!load_config(agent, config, why, sizeof(why))) {
        config_destroy(config);
        counter_reject(agent->counter, why);
        log_event(LOG_LEVEL_ERROR, "reload_failed", LOG_TEXT("message", why),
            LOG_TEXT("action", "the configuration that was in force stays"));
    }
    agent->reload_demanded = false;
    process_notify("READY=1");
}

static void agent_reload(void *data)
{
    struct agent *agent = data;

    agent->reload_demanded = true;
    if (agent->config_watch != NULL)
        config_watch_demand(agent->config_watch);
    else
        take_new_config(agent);
}

/* ---- life ---- */

/* The leases of counts that this agent makes for the fleet are released first. */
static void close_counter(void *data)
{
    struct agent *agent = data;
    bool is_busy = counter_give_back(agent->counter);

    if (!is_busy || agent->closing_checks++ >= CLOSING_CHECKS || agent->closing == NULL)
        loop_stop(agent->loop);
    else
        loop_timer_start(agent->closing, CLOSING_CHECK_MS);
}

static void agent_drained(void *data)
{
    struct agent *agent = data;

    if (counter_give_back(agent->counter))
        agent->closing = loop_timer_create(agent->loop, close_counter, agent);
    close_counter(agent);
}

static void agent_stop(void *data)
{
    struct agent *agent = data;

    if (agent->server->draining) {
        loop_stop(agent->loop); /* second signal: stops at once */
        return;
    }
    log_event(LOG_LEVEL_INFO, "stopping", LOG_NUMBER("connections", agent->server->session_count));
    process_notify("STOPPING=1");
    server_drain(agent->server);
}

/* NULL: the system's. */
static const char *ca_bundle(void)
{
    const char *path = getenv("AWS_CA_BUNDLE");

    return path != NULL && path[0] != '\0' ? path : NULL;
}

/* Before the agent is visible to clients, since a process that sees it may send a signal. Signals
 * are handled once the loop runs. */
static int take_signals(struct agent *agent)
{
    agent->signals[0] = loop_signal_create(agent->loop, SIGTERM, agent_stop, agent);
    agent->signals[1] = loop_signal_create(agent->loop, SIGINT, agent_stop, agent);
    agent->signals[2] = loop_signal_create(agent->loop, SIGHUP, agent_reload, agent);
    for (size_t i = 0; i < SIGNAL_COUNT; i++)
        if (agent->signals[i] == NULL)
            return -ENOMEM;
    return 0;
}

static int agent_build(struct agent *agent)
{
    struct identities_options identities = {
        .environment = agent->environment, .imds = agent->options.imds, .random = random_bits};
    struct counter_options counter = {.environment = agent->environment,
        .max_stale_ms = agent->options.max_stale_ms,
        .min_age_ms = agent->options.min_age_ms,
        .flight_timeout_ms = agent->options.flight_timeout_ms,
        .random = random_bits,
        .budget_rcu = agent->options.budget_rcu,
        .price = agent->options.price,
        .share_table = agent->options.share_table};

    agent->loop = loop_create();
    if (agent->loop == NULL || take_signals(agent) < 0)
        return -ENOMEM;
    agent->http = http_create(agent->loop, ca_bundle(), &agent->proxies);
    if (agent->http == NULL)
        return -ENOMEM;
    agent->client = aws_client_create(agent->loop, agent->http);
    if (agent->client == NULL)
        return -ENOMEM;
    identities.loop = counter.loop = agent->loop;
    identities.client = counter.client = agent->client;
    agent->identities = identities_create(&identities);
    if (agent->identities == NULL)
        return -ENOMEM;
    counter.identities = agent->identities;
    agent->counter = counter_create(&counter);
    if (agent->counter == NULL || counter_load(agent->counter, agent->config) < 0)
        return -ENOMEM;
    agent->config = NULL;
    return 0;
}

/* The socket that systemd passed, or one at the path. */
static int open_listener(struct agent *agent, char *why, size_t why_size)
{
    struct options *options = &agent->options;
    long passed = process_passed_descriptors();

    agent->socket_path.path = options->socket;
    agent->socket_path.mode = options->socket_mode;
    agent->socket_path.has_group = options->has_socket_group;
    agent->socket_path.group = options->socket_group;
    if (passed > 1) {
        snprintf(why, why_size,
            "systemd passed %ld sockets, and tallyd serves one; keep a single ListenStream= in its "
            "socket units",
            passed);
        return -EINVAL;
    }
    if (passed == 1)
        return socket_path_adopt(&agent->socket_path, PROCESS_PASSED_FD,
            options->uid_count + options->gid_count == 0, why, why_size);
    return socket_path_listen(&agent->socket_path, why, why_size);
}

/* Returns an exit status; reports errors itself. */
static int listen_at(struct agent *agent)
{
    char why[512];
    int r = open_listener(agent, why, sizeof(why));

    if (r < 0)
        fprintf(stderr, "tallyd: %s\n", why);
    return r == 0 ? STATUS_OK : r == -EINVAL ? STATUS_USAGE : STATUS_FAILURE;
}

/* From here on the process has fewer rights. */
static bool agent_confine(struct agent *agent)
{
    const char *reason = agent->options.no_seccomp ? "--no-seccomp" : sandbox_missing();
    char why[256];

    if (reason != NULL) {
        log_event(LOG_LEVEL_WARN, "no_seccomp", LOG_TEXT("reason", reason));
        return true;
    }
    agent->sandbox = sandbox_enter(agent->loop, why, sizeof(why));
    if (agent->sandbox == NULL)
        fprintf(stderr, "tallyd: %s\n", why);
    return agent->sandbox != NULL;
}

static void log_config_watch(const struct config_watch *watch)
{
    if (watch == NULL)
        log_event(LOG_LEVEL_WARN, "no_config_watch",
            LOG_TEXT("message", "changes of the configuration are taken at SIGHUP only"));
    else if (config_watch_error(watch) < 0)
        log_event(LOG_LEVEL_WARN, "no_config_watch",
            LOG_TEXT("reason", strerror(-config_watch_error(watch))),
            LOG_TEXT("message", "changes of the configuration are noticed every 10 s only: inotify "
                                "is out of watches; "
                                "raise fs.inotify.max_user_instances or max_user_watches"));
}

/* The variables that give other programs of the pod a private certificate authority. */
static void log_ignored_bundle(void)
{
    const char *name;

    for (size_t i = 0; ca_bundle() == NULL && (name = ca_bundle_ignored(process_getenv, i)); i++)
        log_event(LOG_LEVEL_WARN, "ca_bundle_ignored", LOG_TEXT("variable", name),
            LOG_TEXT("message", "AWS_CA_BUNDLE is the only variable that names authorities: "
                                "set it to the same file"));
}

/* No TLS request can succeed then: reported at once, and not at the first count. */
static void log_missing_bundle(void)
{
    const char *path = ca_bundle() == NULL ? tls_default_bundle() : NULL;
    char why[512];

    if (path != NULL && ca_bundle_check(path, why, sizeof(why)) < 0)
        log_event(LOG_LEVEL_WARN, "ca_bundle_missing", LOG_TEXT("reason", why),
            LOG_TEXT("message",
                "no server's certificate can be verified: install ca-certificates, or set "
                "AWS_CA_BUNDLE"));
}

/* Whatever will make counts fail is reported before a client requests one. */
static void log_identities(const struct agent *agent)
{
    struct failure failure;

    for (size_t i = 0; i < identities_count(agent->identities); i++)
        if (identity_find_fault(identities_at(agent->identities, i), &failure))
            log_failure(LOG_LEVEL_WARN, "identity_unusable",
                identity_source(identities_at(agent->identities, i)), &failure);
}

static int agent_serve(struct agent *agent)
{
    struct server_options options = {.loop = agent->loop,
        .counter = agent->counter,
        .identities = agent->identities,
        .client = agent->client,
        .socket_path = &agent->socket_path,
        .uids = agent->options.uids,
        .uid_count = agent->options.uid_count,
        .gids = agent->options.gids,
        .gid_count = agent->options.gid_count,
        .max_buffer = agent->options.max_buffer,
        .grace_ms = agent->options.grace_ms,
        .linger_ms = agent->options.linger_ms,
        .allow_query = agent->options.allow_query,
        .proxies = &agent->proxies,
        .ca_bundle = ca_bundle(),
        .hooks = &dispatch_hooks,
        .drained = agent_drained,
        .data = agent};

    agent->server = server_create(&options);
    agent->config_watch = config_watch_create(agent->loop, agent->options.config,
        agent->options.config_count, agent->config_stamp, take_new_config, agent);
    log_config_watch(agent->config_watch);
    log_missing_bundle();
    log_ignored_bundle();
    log_identities(agent);
    if (agent->server == NULL) {
        fprintf(stderr, "tallyd: no memory to serve\n");
        return STATUS_FAILURE;
    }
    if (!agent_confine(agent))
        return STATUS_FAILURE;
    log_event(LOG_LEVEL_INFO, "listening", LOG_TEXT("socket", agent->socket_path.path),
        LOG_NUMBER("triggers", (int64_t)counter_config(agent->counter)->trigger_count),
        LOG_TEXT("version", TALLY_VERSION), LOG_NUMBER("pid", getpid()));
    process_notify("READY=1");
    loop_run(agent->loop);
    log_event(
        LOG_LEVEL_INFO, "stopped", LOG_NUMBER("requests", (int64_t)agent->server->stats.requests));
    return STATUS_OK;
}

/* In reverse: a user of a module is destroyed before it. The counter answers pending requests, so
 * the sessions are destroyed after it. */
static void agent_destroy(struct agent *agent)
{
    loop_timer_destroy(agent->closing);
    for (size_t i = 0; i < SIGNAL_COUNT; i++)
        loop_signal_destroy(agent->signals[i]);
    config_watch_destroy(agent->config_watch);
    socket_path_close(&agent->socket_path);
    counter_destroy(agent->counter);
    server_destroy(agent->server);
    identities_destroy(agent->identities);
    aws_client_destroy(agent->client);
    http_destroy(agent->http);
    sandbox_destroy(agent->sandbox);
    loop_destroy(agent->loop);
    config_destroy(agent->config);
    options_clear(&agent->options);
}

static int agent_run(struct agent *agent)
{
    char why[512];
    int status;

    if (agent->options.share_table != NULL && !table_is_valid(agent->options.share_table)) {
        fprintf(stderr, "tallyd: --share-table: \"%.80s\" is not the name of a DynamoDB table\n",
            agent->options.share_table);
        return STATUS_USAGE;
    }
    agent->config_stamp = config_stamp(agent->options.config, agent->options.config_count);
    agent->config = read_config(agent);
    if (agent->config == NULL) {
        fprintf(stderr, "tallyd: no memory for the configuration\n");
        return STATUS_FAILURE;
    }
    if (agent->options.check)
        return config_check(agent->config, stdout, stderr);
    if (agent->config->error_count > 0)
        return config_check(agent->config, NULL, stderr);
    log_findings(agent->config);
    if (ca_bundle() != NULL && ca_bundle_check(ca_bundle(), why, sizeof(why)) < 0) {
        fprintf(stderr, "tallyd: AWS_CA_BUNDLE: %s\n", why);
        return STATUS_USAGE;
    }
    if (proxy_environment_check(&agent->proxies, why, sizeof(why)) < 0) {
        fprintf(stderr, "tallyd: %s\n", why);
        return STATUS_USAGE;
    }
    if (agent_build(agent) < 0) {
        fprintf(stderr, "tallyd: no memory or descriptors to start with\n");
        return STATUS_FAILURE;
    }
    heap_give_back();
    status = listen_at(agent);
    return status == STATUS_OK ? agent_serve(agent) : status;
}

/* Debian's libcurl links GnuTLS for protocols that the agent never uses, and GnuTLS initialises
 * itself when loaded, which takes 0.35 ms and 0.9 MB, unless the program defines this function:
 * GNUTLS_SKIP_GLOBAL_INIT in its header. A libcurl that uses GnuTLS initialises it explicitly. */
int _gnutls_global_init_skip(void);

int _gnutls_global_init_skip(void)
{
    return 1;
}

int main(int argc, char **argv)
{
    struct agent agent = {.socket_path = {.fd = -1, .folder = -1}};
    char why[512];
    int status = STATUS_OK;

    process_harden();
    if (options_read(&agent.options, argc, argv, why, sizeof(why)) < 0) {
        fprintf(stderr, "tallyd: %s\n", why);
        status = STATUS_USAGE;
    } else if (agent.options.help) {
        options_help(stdout);
    } else if (agent.options.version) {
        printf("tallyd %s\n", TALLY_VERSION);
    } else {
        log_set_level(agent.options.log_level);
        log_set_json(agent.options.log_json);
        endpoint_environment_read(&agent.environment, process_getenv);
        proxy_environment_read(&agent.proxies, process_getenv);
        agent.environment.allow_http = agent.options.allow_http;
        status = agent_run(&agent);
    }
    agent_destroy(&agent);
    return status;
}
