/* SPDX-License-Identifier: Apache-2.0 */
/* Method diagnose: what surrounds a count and no other method shows. Sends no request to AWS. */
#include "agent/aws/proxy.h"
#include "agent/aws/tls.h"
#include "agent/endpoint.h"
#include "agent/ipc/methods.h"
#include "agent/ipc/server.h"
#include "agent/process.h"
#include "proto/utf8.h"
#include "proto/writer.h"

#include <stdlib.h>
#include <string.h>

#define FINDINGS_SHOWN  20
#define ENDPOINTS_SHOWN 16

/* Names of files and variables' values are any bytes. NULL or "": no pair. */
static void diagnose_put(struct map *map, const char *key, const char *text)
{
    char shown[1024];

    if (text == NULL || text[0] == '\0')
        return;
    utf8_copy(shown, sizeof(shown), text, strlen(text));
    map_string(map, key, shown);
}

/* ---- the configuration ---- */

static void pack_finding(struct buffer *buffer, const struct finding *finding)
{
    struct map map = map_begin(buffer);

    map_string(&map, "level", finding->level == FINDING_ERROR ? "error" : "warning");
    diagnose_put(&map, "file", finding->file);
    map_uint(&map, "line", finding->line);
    map_uint(&map, "column", finding->column);
    diagnose_put(&map, "subject", finding->subject);
    diagnose_put(&map, "message", finding->message);
    map_end(&map);
}

/* Notes are for authors of configurations: `tallyd --check` lists them. */
static void pack_findings(struct map *outer, const struct config *config)
{
    size_t array = write_array_begin(map_key(outer, "findings"));
    uint16_t shown = 0;

    for (size_t i = 0; i < config->finding_count && shown < FINDINGS_SHOWN; i++) {
        if (config->findings[i].level == FINDING_NOTE)
            continue;
        pack_finding(outer->buffer, &config->findings[i]);
        shown++;
    }
    write_array_end(outer->buffer, array, shown);
}

/* ---- the way to AWS ---- */

static void pack_proxy(struct map *map, const struct proxy *proxy)
{
    struct proxy_parts parts;
    char why[160];

    if (proxy == NULL || proxy_parse(proxy, &parts, why, sizeof(why)) < 0)
        return;
    diagnose_put(map, "proxy", parts.host);
    map_string(map, "proxy_variable", proxy->variable);
}

struct endpoint_list {
    const struct proxy_environment *proxies;
    struct buffer *buffer;
    char urls[ENDPOINTS_SHOWN][ENDPOINT_URL_SIZE]; /* those that are packed */
    uint16_t count;
};

static void endpoint_list_add(
    struct endpoint_list *list, const char *service, const struct endpoint *endpoint)
{
    struct map map;

    for (uint16_t i = 0; i < list->count; i++)
        if (strcmp(list->urls[i], endpoint->url) == 0)
            return;
    if (list->count == ENDPOINTS_SHOWN)
        return;
    memcpy(list->urls[list->count++], endpoint->url, ENDPOINT_URL_SIZE);
    map = map_begin(list->buffer);
    map_string(&map, "service", service);
    diagnose_put(&map, "url", endpoint->url);
    pack_proxy(&map, proxy_choose(list->proxies, endpoint->url));
    map_end(&map);
}

/* One that is not valid is the failure of each count, which says why. */
static void pack_endpoints(struct map *outer, const struct server *server)
{
    const struct config *config = counter_config(server->options.counter);
    const struct endpoint_environment *environment =
        &counter_context(server->options.counter)->environment;
    struct endpoint_list list = {
        .proxies = server->options.proxies, .buffer = map_key(outer, "endpoints")};
    size_t array = write_array_begin(list.buffer);
    struct endpoint endpoint;
    char why[240];

    for (size_t i = 0; i < config->trigger_count && list.count < ENDPOINTS_SHOWN; i++) {
        const struct query *query = &config->triggers[i].query;

        if (endpoint_dynamodb(
                &endpoint, environment, query->region, query->endpoint, why, sizeof(why)) == 0)
            endpoint_list_add(&list, "dynamodb", &endpoint);
        if (endpoint_sts(&endpoint, environment, query->region, why, sizeof(why)) == 0)
            endpoint_list_add(&list, "sts", &endpoint);
    }
    write_array_end(list.buffer, array, list.count);
}

static void pack_ca(struct map *outer, const char *chosen)
{
    const char *path = chosen != NULL ? chosen : tls_default_bundle();
    const char *name;
    char why[512];
    struct map map = map_begin_in(outer, "ca");
    struct buffer *buffer;
    size_t array;
    uint16_t count = 0;

    diagnose_put(&map, "path", path);
    map_bool(&map, "default", chosen == NULL);
    if (path != NULL && ca_bundle_check(path, why, sizeof(why)) < 0)
        diagnose_put(&map, "error", why);
    buffer = map_key(&map, "ignored");
    array = write_array_begin(buffer);
    while (chosen == NULL && (name = ca_bundle_ignored(process_getenv, count)) != NULL) {
        write_string(buffer, name);
        count++;
    }
    write_array_end(buffer, array, count);
    map_end(&map);
}

void method_diagnose(struct method_call *call)
{
    const struct server *server = call->session->server;
    struct session_answer out;
    struct map map;

    out = session_begin(call->session);
    message_begin_answer(out.buffer, call->id);
    map = map_begin(out.buffer);
    pack_findings(&map, counter_config(server->options.counter));
    pack_endpoints(&map, server);
    diagnose_put(&map, "no_proxy", server->options.proxies->no_proxy);
    pack_ca(&map, server->options.ca_bundle);
    map_end(&map);
    session_end(call->session, out, call->id);
}
