/* SPDX-License-Identifier: Apache-2.0 */
/* tally-bridge: creates the modules, runs the loop, and destroys them again. */
#include "agent/log.h"
#include "agent/loop.h"
#include "agent/process.h"
#include "agent/sandbox.h"
#include "client/bridge/agent_link.h"
#include "client/bridge/bridge_check.h"
#include "client/bridge/bridge_options.h"
#include "client/bridge/listener.h"
#include "client/bridge/peer.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define GRACE_MS     5000 /* calls have 2 s, and their answers some more */
#define SIGNAL_COUNT 2

enum exit_status { STATUS_OK = 0, STATUS_FAILURE = 1, STATUS_USAGE = 2 };

struct bridge {
    struct bridge_options options;
    struct loop *loop;
    struct loop_signal *signals[SIGNAL_COUNT];
    struct loop_timer *grace;
    struct agent_link *link;
    struct token_file *token;
    struct tls_shared *tls;
    struct bridge_stats stats;
    struct page_shared pages;
    struct stream_shared http2;
    struct peer_shared peers;
    struct listener *listener;
    struct sandbox *sandbox;
};

/* ---- the end ---- */

static void bridge_stop(void *data)
{
    const struct bridge *bridge = data;

    loop_stop(bridge->loop);
}

static void on_signal(void *data)
{
    struct bridge *bridge = data;

    if (bridge->peers.draining) {
        loop_stop(bridge->loop); /* second signal: stops at once */
        return;
    }
    log_event(
        LOG_LEVEL_INFO, "stopping", LOG_NUMBER("connections", (int64_t)bridge->stats.connections));
    process_notify("STOPPING=1");
    listener_close(bridge->listener);
    bridge->listener = NULL;
    loop_timer_start(bridge->grace, bridge->stats.connections == 0 ? 0 : GRACE_MS);
    peer_shared_drain(&bridge->peers);
}

/* ---- the start ---- */

static void on_turned(void *data)
{
    struct bridge *bridge = data;

    peer_shared_flush(&bridge->peers);
}

static void on_connected(void *data, int fd)
{
    struct bridge *bridge = data;

    peer_accept(&bridge->peers, fd);
}

/* The files that the options name. False: reported. */
static bool bridge_read_files(struct bridge *bridge)
{
    const struct bridge_options *options = &bridge->options;
    const struct tls_files files = {options->tls_cert, options->tls_key, options->client_ca};
    char why[512];

    if (options->token_file != NULL) {
        bridge->token = token_file_open(options->token_file, why, sizeof(why));
        if (bridge->token == NULL) {
            fprintf(stderr, "tally-bridge: --token-file: %s\n", why);
            return false;
        }
    }
    if (options->tls_cert != NULL) {
        bridge->tls = tls_shared_create(&files, why, sizeof(why));
        if (bridge->tls == NULL) {
            fprintf(stderr, "tally-bridge: TLS: %s\n", why);
            return false;
        }
    }
    return true;
}

static void bridge_fill_shared(struct bridge *bridge)
{
    bridge->pages = (struct page_shared){.loop = bridge->loop,
        .link = bridge->link,
        .token = bridge->token,
        .stats = &bridge->stats};
    bridge->http2 = (struct stream_shared){.loop = bridge->loop,
        .link = bridge->link,
        .pages = &bridge->pages,
        .stats = &bridge->stats,
        .only_namespace = bridge->options.namespace};
    bridge->peers = (struct peer_shared){.loop = bridge->loop,
        .tls = bridge->tls,
        .http2 = &bridge->http2,
        .pages = &bridge->pages,
        .link = bridge->link,
        .stats = &bridge->stats,
        .emptied = bridge_stop,
        .data = bridge};
    peer_shared_init(&bridge->peers);
}

/* False: out of memory or descriptors. */
static bool bridge_build(struct bridge *bridge)
{
    const int numbers[SIGNAL_COUNT] = {SIGTERM, SIGINT};

    peer_shared_init(&bridge->peers); /* which is closed also where the rest cannot be made */
    bridge->loop = loop_create();
    if (bridge->loop == NULL)
        return false;
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        bridge->signals[i] = loop_signal_create(bridge->loop, numbers[i], on_signal, bridge);
        if (bridge->signals[i] == NULL)
            return false;
    }
    bridge->grace = loop_timer_create(bridge->loop, bridge_stop, bridge);
    bridge->link = agent_link_create(&(struct agent_link_options){.loop = bridge->loop,
        .socket = bridge->options.socket,
        .turned = on_turned,
        .data = bridge});
    bridge_fill_shared(bridge);
    return bridge->grace != NULL && bridge->link != NULL;
}

/* From here on the process has fewer rights. */
static bool bridge_confine(struct bridge *bridge)
{
    const char *reason = bridge->options.no_seccomp ? "--no-seccomp" : sandbox_missing();
    char why[256];

    if (reason != NULL) {
        log_event(LOG_LEVEL_WARN, "no_seccomp", LOG_TEXT("reason", reason));
        return true;
    }
    bridge->sandbox = sandbox_enter(bridge->loop, why, sizeof(why));
    if (bridge->sandbox == NULL)
        fprintf(stderr, "tally-bridge: %s\n", why);
    return bridge->sandbox != NULL;
}

static int bridge_serve(struct bridge *bridge)
{
    char why[256];

    bridge->listener = listener_open(bridge->options.listen, why, sizeof(why));
    if (bridge->listener == NULL) {
        fprintf(stderr, "tally-bridge: %s\n", why);
        return STATUS_FAILURE;
    }
    if (listener_begin(bridge->listener, bridge->loop, on_connected, bridge) < 0) {
        fprintf(stderr, "tally-bridge: no memory to serve\n");
        return STATUS_FAILURE;
    }
    if (!bridge_confine(bridge))
        return STATUS_FAILURE;
    log_event(LOG_LEVEL_INFO, "listening", LOG_TEXT("address", listener_address(bridge->listener)),
        LOG_TEXT("tls", bridge->tls == NULL                 ? "off"
                        : bridge->options.client_ca == NULL ? "on"
                                                            : "mutual"),
        LOG_TEXT("version", TALLY_VERSION), LOG_NUMBER("pid", getpid()));
    process_notify("READY=1");
    loop_run(bridge->loop);
    log_event(
        LOG_LEVEL_INFO, "stopped", LOG_NUMBER("connections", (int64_t)bridge->stats.accepted));
    return STATUS_OK;
}

/* In reverse: a user of a module is destroyed before it. */
static void bridge_take_apart(struct bridge *bridge)
{
    for (size_t i = 0; i < SIGNAL_COUNT; i++)
        loop_signal_destroy(bridge->signals[i]);
    listener_close(bridge->listener);
    if (bridge->loop != NULL) {
        bridge->peers.draining = false;
        peer_shared_close(&bridge->peers);
        agent_link_destroy(bridge->link);
        loop_timer_destroy(bridge->grace);
        sandbox_destroy(bridge->sandbox);
        loop_destroy(bridge->loop);
    }
    tls_shared_destroy(bridge->tls);
    token_file_close(bridge->token);
}

static int bridge_run(struct bridge *bridge)
{
    if (!bridge_read_files(bridge))
        return STATUS_USAGE;
    if (bridge->options.check)
        return bridge_check_agent(bridge->options.socket, stdout, stderr) ? STATUS_OK
                                                                          : STATUS_FAILURE;
    if (!bridge_build(bridge)) {
        fprintf(stderr, "tally-bridge: no memory or descriptors to start with\n");
        return STATUS_FAILURE;
    }
    return bridge_serve(bridge);
}

int main(int argc, char **argv)
{
    static struct bridge bridge;
    char why[512];
    int status = STATUS_OK;

    process_harden();
    if (bridge_options_read(&bridge.options, argc, argv, why, sizeof(why)) < 0) {
        fprintf(stderr, "tally-bridge: %s\n", why);
        status = STATUS_USAGE;
    } else if (bridge.options.help) {
        bridge_options_help(stdout);
    } else if (bridge.options.version) {
        printf("tally-bridge %s\n", TALLY_VERSION);
    } else {
        log_set_level(bridge.options.log_level);
        log_set_json(bridge.options.log_json);
        status = bridge_run(&bridge);
    }
    bridge_take_apart(&bridge);
    return status;
}
