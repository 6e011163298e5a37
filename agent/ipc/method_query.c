/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/count/adhoc_count.h"
#include "agent/fnv.h"
#include "agent/ipc/client_values.h"
#include "agent/ipc/methods.h"
#include "agent/ipc/reply.h"
#include "proto/utf8.h"
#include "proto/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The params that are strings. */
enum text_id { TABLE, KEY_CONDITION, REGION, INDEX, FILTER, ENDPOINT, IDENTITY_OF, TEXT_COUNT };

static const char *const text_names[TEXT_COUNT] = {[TABLE] = "table",
    [KEY_CONDITION] = "key_condition",
    [REGION] = "region",
    [INDEX] = "index",
    [FILTER] = "filter",
    [ENDPOINT] = "endpoint",
    [IDENTITY_OF] = "identity_of"};

/* A query, from decoding until its answer. */
struct query_call {
    struct pending pending;
    struct adhoc_count *adhoc;
    struct query query; /* its strings: */
    char *texts[TEXT_COUNT];
    char *names;
    char *values;
    const struct trigger
        *trigger; /* of identity_of; NULL: the default chain. Valid until the query starts */
    int64_t timeout_ms;
    uint64_t key; /* of the resource, for denials */
    size_t bytes; /* counted for it in the server */
};

static struct server *server_of(const struct query_call *query)
{
    return query->pending.session->server;
}

static void query_free(struct query_call *query)
{
    for (size_t i = 0; i < TEXT_COUNT; i++)
        free(query->texts[i]);
    free(query->names);
    free(query->values);
    free(query);
}

/* ---- params ---- */

static enum text_id find_text(struct text name)
{
    enum text_id id = TABLE;

    while (id < TEXT_COUNT && !text_equals(name, text_names[id]))
        id++;
    return id;
}

/* A NUL-terminated copy. */
static void query_call_read_text(struct params *params, const char *name, char **copy)
{
    struct text text;

    params_text(params, name, &text);
    if (params->failed)
        return;
    if (text.len == 0 || !utf8_is_valid(text.data, text.len) ||
        memchr(text.data, '\0', text.len) != NULL) {
        params_fail(params, "%s must be a text of at least one character, in UTF-8", name);
        return;
    }
    free(*copy); /* a repeated name */
    *copy = strndup(text.data, text.len);
    if (*copy == NULL)
        params_fail_memory(params);
}

/* A map, as JSON. */
static void read_json(struct params *params, const char *name,
    int (*read)(const struct reader *, char **, char *, size_t), char **json)
{
    struct reader map;
    char why[sizeof(params->why)];
    int r;

    params_map(params, name, &map);
    if (params->failed)
        return;
    free(*json);
    r = read(&map, json, why, sizeof(why));
    if (r == -ENOMEM)
        params_fail_memory(params);
    else if (r < 0)
        params_fail(params, "%s", why);
}

static void read_param(struct query_call *query, struct params *params, struct text name)
{
    enum text_id id = find_text(name);
    int64_t pages = 0;

    if (id < TEXT_COUNT) {
        query_call_read_text(params, text_names[id], &query->texts[id]);
    } else if (text_equals(name, "names")) {
        read_json(params, "names", client_names_read, &query->names);
    } else if (text_equals(name, "values")) {
        read_json(params, "values", client_values_read, &query->values);
    } else if (text_equals(name, "consistent_read")) {
        params_bool(params, "consistent_read", &query->query.consistent_read);
    } else if (text_equals(name, "max_pages")) {
        params_integer(params, "max_pages", 1, UINT32_MAX, &pages);
        query->query.max_pages = (uint32_t)pages;
    } else if (text_equals(name, "timeout_ms")) {
        params_integer(params, "timeout_ms", 1, TIMEOUT_MAX_MS, &query->timeout_ms);
    } else {
        params_skip(params);
    }
}

/* False: answered. */
static bool query_call_read_params(struct query_call *query, struct method_call *call)
{
    struct params params;
    struct text name;

    query->timeout_ms = TIMEOUT_DEFAULT_MS;
    params_open(&params, call);
    while (params_next(&params, &name))
        read_param(query, &params, name);
    for (enum text_id id = TABLE; id <= KEY_CONDITION; id++)
        if (query->texts[id] == NULL)
            params_fail(&params, "%s is missing", text_names[id]);
    return params_close(&params);
}

/* The trigger whose identity to use. False: answered. */
static bool find_trigger(struct query_call *query, struct method_call *call)
{
    const char *name = query->texts[IDENTITY_OF];

    if (name == NULL)
        return true;
    query->trigger = method_trigger(call, (struct text){name, strlen(name)});
    return query->trigger != NULL;
}

/* The default chain's, or the trigger's of identity_of. */
static struct identity_spec spec_of(const struct query_call *query)
{
    if (query->trigger != NULL)
        return *query->trigger->identity;
    return (struct identity_spec){.kind = IDENTITY_CHAIN,
        .reason = "query without identity_of",
        .region = query->query.region};
}

/* Whether the configuration sends these credentials to the endpoint: in the environment, or by a
 * trigger with the same identity. A client must not choose where credentials are sent. */
static bool endpoint_is_configured(const struct query_call *query, const struct config *config,
    const struct endpoint_environment *environment, const char *url)
{
    struct identity_spec spec = spec_of(query);
    struct endpoint endpoint;
    char why[300];

    if (endpoint_dynamodb(&endpoint, environment, query->query.region, NULL, why, sizeof(why)) ==
            0 &&
        strcmp(endpoint.url, url) == 0)
        return true;
    for (size_t i = 0; i < config->trigger_count; i++) {
        const struct trigger *trigger = &config->triggers[i];

        spec.region = trigger->identity->region; /* the region of STS does not matter here */
        if (trigger->query.endpoint != NULL && identity_spec_equal(&spec, trigger->identity) &&
            endpoint_dynamodb(&endpoint, environment, trigger->query.region,
                trigger->query.endpoint, why, sizeof(why)) == 0 &&
            strcmp(endpoint.url, url) == 0)
            return true;
    }
    return false;
}

/* False: answered. */
static bool check_endpoint(struct query_call *query, struct method_call *call)
{
    struct counter *counter = call->session->server->options.counter;
    const struct endpoint_environment *environment = &counter_context(counter)->environment;
    struct endpoint endpoint;
    char why[300];

    if (query->query.endpoint == NULL && query->trigger != NULL)
        query->query.endpoint = query->trigger->query.endpoint;
    if (endpoint_dynamodb(&endpoint, environment, query->query.region, query->query.endpoint, why,
            sizeof(why)) < 0) {
        method_fail(call, ERROR_INVALID_REQUEST, "%s", why);
        return false;
    }
    if (query->texts[ENDPOINT] == NULL ||
        endpoint_is_configured(query, counter_config(counter), environment, endpoint.url))
        return true;
    method_fail(call, ERROR_NOT_ALLOWED,
        "endpoint is not one to which the configuration sends these credentials: that of the "
        "environment, or the awsEndpoint of a trigger with the same identity (identity_of)");
    return false;
}

/* Builds the query, and checks whether it can be sent at all. False: answered. */
static bool method_query_complete(struct query_call *query, struct method_call *call)
{
    const struct endpoint_environment *environment =
        &counter_context(call->session->server->options.counter)->environment;

    query->query.region = query->texts[REGION];
    if (query->query.region == NULL)
        query->query.region = query->trigger != NULL ? query->trigger->query.region
                                                     : environment->region;
    if (query->query.region == NULL) {
        method_fail(call, ERROR_INVALID_REQUEST,
            "region is missing, and the agent's environment names none (AWS_REGION)");
        return false;
    }
    query->query.table = query->texts[TABLE];
    query->query.key_condition = query->texts[KEY_CONDITION];
    query->query.index = query->texts[INDEX];
    query->query.filter = query->texts[FILTER];
    query->query.endpoint = query->texts[ENDPOINT];
    query->query.names = query->names;
    query->query.values = query->values;
    return check_endpoint(query, call);
}

/* ---- what others pay for it ---- */

static size_t length_of(const char *text)
{
    return text != NULL ? strlen(text) : 0;
}

/* The params of the query and the AWS request made of them are both kept until the answer. */
static size_t query_call_measure(const struct query_call *query)
{
    size_t bytes = length_of(query->names) + length_of(query->values);

    for (size_t i = 0; i < TEXT_COUNT; i++)
        bytes += length_of(query->texts[i]);
    return 2 * bytes;
}

/* AWS denies an identity access to a resource, whatever the expressions are. A new configuration
 * may be a reaction to the denial. */
static uint64_t key_of(const struct query_call *query, const struct server *server)
{
    const char *parts[] = {query->texts[IDENTITY_OF], query->query.region, query->query.endpoint,
        query->query.table, query->query.index};
    uint64_t key = FNV_START ^ counter_generation(server->options.counter);

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        key = fnv_text(key, parts[i] != NULL ? parts[i] : "");
    return key;
}

/* Whether the query may start now; it is then counted. False: answered. */
static bool query_call_reserve(struct query_call *query, struct method_call *call)
{
    struct server *server = call->session->server;
    const struct failure *denied;
    size_t bytes = query_call_measure(query);

    query->key = key_of(query, server);
    denied = denials_find(&server->denials, query->key, loop_now(server->options.loop));
    if (denied != NULL) {
        session_fail(call->session, call->id, denied);
        return false;
    }
    if (server->query_count >= LIMIT_QUERIES) {
        method_fail(call, ERROR_BUSY,
            "%u queries are under way, the limit of all clients; ask again when some are done",
            LIMIT_QUERIES);
        return false;
    }
    /* The other half is for clients that read slowly, or send in pieces. */
    if (server->channels.reserved_bytes + bytes > server->channels.max / 2) {
        method_fail(call, ERROR_BUSY,
            "what the queries under way ask takes its half of --max-buffer; ask again when some "
            "are done, or start tallyd with a larger one");
        return false;
    }
    query->bytes = bytes;
    server->channels.reserved_bytes += bytes;
    server->query_count++;
    return true;
}

static void method_query_release(const struct query_call *query)
{
    server_of(query)->channels.reserved_bytes -= query->bytes;
    server_of(query)->query_count--;
}

/* failure NULL: the count succeeded. */
static void query_call_remember(const struct query_call *query, const struct failure *failure)
{
    struct server *server = server_of(query);

    if (failure == NULL)
        denials_forget(&server->denials, query->key);
    else if (failure->code == ERROR_ACCESS_DENIED)
        denials_add(&server->denials, query->key, failure, loop_now(server->options.loop));
}

/* ---- the count ---- */

static struct query_call *query_call_of(struct pending *pending)
{
    return RING_MEMBER(pending, struct query_call, pending);
}

static void on_leave(struct pending *pending)
{
    struct query_call *query = query_call_of(pending);

    adhoc_count_cancel(query->adhoc);
    method_query_release(query);
    query_free(query);
}

static void on_done(void *data, const struct count_value *value, const struct failure *failure)
{
    struct query_call *query = data;
    struct session *session = query->pending.session;
    uint32_t id = query->pending.id;
    struct session_answer out;
    struct map map;

    pending_end(&query->pending);
    query_call_remember(query, failure);
    method_query_release(query);
    query_free(query);
    if (value == NULL) {
        session_fail(session, id, failure);
        return;
    }
    out = session_begin(session);
    message_begin_answer(out.buffer, id);
    map = map_begin(out.buffer);
    pack_count_fields(&map, value, value->at_least ? QUALITY_AT_LEAST : QUALITY_EXACT, 0);
    map_end(&map);
    session_end(session, out, id);
}

/* The trigger's identity, or the default chain's, which stays for the next query: otherwise its
 * credentials would be lost. NULL: out of memory. */
static struct identity *find_identity(struct server *server, const struct query_call *query)
{
    struct identity_spec chain = spec_of(query);
    struct identity *identity;

    if (query->trigger != NULL)
        return identity_acquire(server->options.identities, query->trigger->identity);
    identity = identity_acquire(server->options.identities, &chain);
    if (identity != NULL) {
        identity_release(server->query_identity);
        server->query_identity = identity_ref(identity);
    }
    return identity;
}

/* False: out of memory. */
static bool method_query_start(struct query_call *query, const struct method_call *call)
{
    static const struct adhoc_count_events events = {.done = on_done};
    struct server *server = call->session->server;
    struct counter *counter = server->options.counter;
    struct adhoc_count_options options = {.snapshot = counter_snapshot(counter),
        .query = &query->query,
        .identity = find_identity(server, query),
        .timeout_ms = query->timeout_ms};

    if (options.identity == NULL)
        return false;
    query->adhoc = adhoc_count_start(counter_context(counter), &options, &events, query);
    if (query->adhoc == NULL)
        identity_release(options.identity);
    return query->adhoc != NULL;
}

void method_query(struct method_call *call)
{
    struct query_call *query;

    if (!call->session->server->options.allow_query) {
        method_fail(call, ERROR_NOT_ALLOWED,
            "queries that no trigger describes are not allowed here; start tallyd with "
            "--allow-query to allow them");
        return;
    }
    if (!pending_may_begin(call))
        return;
    query = calloc(1, sizeof(*query));
    if (query == NULL) {
        method_fail(call, ERROR_INTERNAL, "no memory for the query");
        return;
    }
    if (!query_call_read_params(query, call) || !find_trigger(query, call) ||
        !method_query_complete(query, call) || !query_call_reserve(query, call)) {
        query_free(query);
        return;
    }
    query->pending.session = call->session;
    if (!method_query_start(query, call)) {
        method_query_release(query);
        query_free(query);
        method_fail(call, ERROR_INTERNAL, "no memory for the query");
        return;
    }
    pending_begin(&query->pending, call, on_leave);
}
