#include "agent/ipc/explanation.h"

#include "agent/aws/call.h"
#include "agent/count/decision.h"
#include "agent/ipc/reply.h"
#include "proto/utf8.h"
#include "proto/writer.h"

#include <stdio.h>
#include <string.h>

/* ==== pack request ============================================================================ */

#define NAME_SIZE  64
#define SHOWN_SIZE 1024
#define MASK       "(masked)"

/* Credential=AKIAIOSFODNN7EXAMPLE/20260201/…, SignedHeaders=…, Signature=5d67… */
static void mask_authorization(const char *value, char *shown, size_t size)
{
    const char *credential = strstr(value, "Credential=");
    const char *scope = credential != NULL ? strchr(credential, '/') : NULL;
    const char *signature = scope != NULL ? strstr(scope, "Signature=") : NULL;
    char id[CREDENTIALS_ID_SIZE], masked[CREDENTIALS_MASKED_SIZE];

    if (signature == NULL || (size_t)(scope - credential) - 11 >= sizeof(id)) {
        snprintf(shown, size, MASK); /* of a form that is not known here */
        return;
    }
    credential += 11;
    snprintf(id, sizeof(id), "%.*s", (int)(scope - credential), credential);
    credentials_mask_id(id, masked);
    snprintf(shown, size, "%.*s%s%.*s%s", (int)(credential - value), value, masked,
        (int)(signature + 10 - scope), scope, MASK);
}

void mask_header(const char *name, const char *value, char *shown, size_t size)
{
    if (strcmp(name, "authorization") == 0)
        mask_authorization(value, shown, size);
    else if (strcmp(name, "x-amz-security-token") == 0)
        snprintf(shown, size, MASK);
    else
        utf8_copy(shown, size, value, strlen(value));
}

/* "Name: value" */
static void pack_header(struct buffer *buffer, const char *line)
{
    const char *colon = strchr(line, ':');
    char name[NAME_SIZE], shown[SHOWN_SIZE];
    size_t len = 0;

    for (; len < NAME_SIZE - 1 && line + len < colon; len++) {
        char c = line[len];

        name[len] = c;
        if (c >= 'A' && c <= 'Z')
            name[len] = (char)(c - 'A' + 'a');
    }
    name[len] = '\0';
    mask_header(name, colon + 1 + strspn(colon + 1, " "), shown, sizeof(shown));
    write_string(buffer, name);
    write_string(buffer, shown);
}

static void pack_headers(
    struct buffer *buffer, const struct aws_request *request, int64_t unix_seconds)
{
    struct header_lines lines;

    write_string(buffer, "headers");
    if (header_lines_build(&lines, request, unix_seconds) < 0)
        lines.count = 0;
    write_map(buffer, (uint32_t)lines.count);
    for (size_t i = 0; i < lines.count; i++)
        pack_header(buffer, lines.lines[i]);
    header_lines_free(&lines);
}

void pack_request(struct buffer *buffer, const struct aws_request *request, int64_t unix_seconds)
{
    write_map(buffer, 3);
    write_string(buffer, "target");
    write_string(buffer, request->target);
    pack_headers(buffer, request, unix_seconds);
    write_string(buffer, "body");
    write_text(buffer, request->body, request->body_len);
}

/* ==== explanation ============================================================================= */

#define DAY_MS 86400000

/* Pairs of the map that is being packed. */
struct pairs {
    struct buffer *buffer;
    size_t map;
    uint16_t count;
};

static struct pairs pairs_begin(struct buffer *buffer)
{
    return (struct pairs){.buffer = buffer, .map = write_map_begin(buffer)};
}

static void pairs_end(const struct pairs *pairs)
{
    write_map_end(pairs->buffer, pairs->map, pairs->count);
}

static struct buffer *put(struct pairs *pairs, const char *name)
{
    write_string(pairs->buffer, name);
    pairs->count++;
    return pairs->buffer;
}

/* Nothing where there is no text. */
static void put_text(struct pairs *pairs, const char *name, const char *text)
{
    if (text != NULL)
        write_string(put(pairs, name), text);
}

static void put_number(struct pairs *pairs, const char *name, int64_t number)
{
    write_int(put(pairs, name), number);
}

/* Nothing where it is not set. */
static void put_set(struct pairs *pairs, const char *name, bool is_set, uint64_t number)
{
    if (is_set)
        write_uint(put(pairs, name), number);
}

/* ---- the configuration ------------------------------------------------------------------------
 */

static void put_query(struct pairs *pairs, const struct query *query)
{
    put_text(pairs, "table", query->table);
    put_text(pairs, "index", query->index);
    put_text(pairs, "endpoint", query->endpoint);
    put_text(pairs, "key_condition", query->key_condition);
    put_text(pairs, "filter", query->filter);
    put_text(pairs, "names", query->names);
    put_text(pairs, "values", query->values);
    write_bool(put(pairs, "consistent_read"), query->consistent_read);
    put_set(pairs, "count_limit", query->count_limit > 0, query->count_limit);
    put_set(pairs, "max_pages", query->max_pages > 0, query->max_pages);
    if (query->client_value_count == 0)
        return;
    write_array(put(pairs, "client_values"), (uint32_t)query->client_value_count);
    for (size_t i = 0; i < query->client_value_count; i++)
        write_string(pairs->buffer, query->client_values[i]);
}

static void put_scaling(struct pairs *pairs, const struct trigger_scaling *scaling)
{
    put_text(pairs, "metric_type",
        scaling->metric_type == METRIC_AVERAGE_VALUE ? "AverageValue" : "Value");
    put_number(pairs, "target", scaling->target);
    put_number(pairs, "activation_target", scaling->activation);
    put_number(pairs, "min_replicas", scaling->min_replicas);
    put_number(pairs, "max_replicas", scaling->max_replicas);
    if (scaling->idle_replicas >= 0)
        put_number(pairs, "idle_replicas", scaling->idle_replicas);
    if (!scaling->has_fallback)
        return;
    put_number(pairs, "fallback_threshold", scaling->fallback_threshold);
    put_number(pairs, "fallback_replicas", scaling->fallback_replicas);
    if (scaling->fallback_behavior != FALLBACK_STATIC)
        put_text(pairs, "fallback_behavior", fallback_behavior_name(scaling->fallback_behavior));
}

static const char *kind_name(enum trigger_owner owner)
{
    switch (owner) {
    case OWNER_SCALED_OBJECT:
        return "ScaledObject";
    case OWNER_SCALED_JOB:
        return "ScaledJob";
    case OWNER_SNIPPET:
        return "triggers";
    }
    return "triggers";
}

static void pack_config(struct buffer *buffer, const struct trigger *trigger)
{
    struct pairs pairs = pairs_begin(buffer);

    put_text(&pairs, "kind", kind_name(trigger->owner));
    put_query(&pairs, &trigger->query);
    put_scaling(&pairs, &trigger->scaling);
    put_number(&pairs, "polling_interval_ms", trigger->polling_ms);
    write_bool(put(&pairs, "warm"), trigger->warm);
    pairs_end(&pairs);
}

static void pack_source(struct buffer *buffer, const struct trigger *trigger)
{
    struct pairs pairs = pairs_begin(buffer);

    put_text(&pairs, "file", trigger->file);
    put_number(&pairs, "line", trigger->line);
    pairs_end(&pairs);
}

/* ---- the request and the pages ----------------------------------------------------------------
 */

static void pack_endpoint(struct buffer *buffer, const struct endpoint *endpoint)
{
    struct pairs pairs = pairs_begin(buffer);

    put_text(&pairs, "url", endpoint->url);
    put_text(&pairs, "region", endpoint->region);
    put_text(&pairs, "host", endpoint->host);
    pairs_end(&pairs);
}

static void pack_pages(struct buffer *buffer, const struct explanation *explanation)
{
    write_array(buffer, (uint32_t)explanation->pages->count);
    for (size_t i = 0; i < explanation->pages->count; i++) {
        const struct count_query_page *page = &explanation->pages->pages[i];
        struct pairs pairs = pairs_begin(buffer);

        put_set(&pairs, "count", true, page->count);
        put_set(&pairs, "scanned", true, page->scanned);
        write_float(put(&pairs, "rcu"), page->consumed_rcu);
        write_float(put(&pairs, "elapsed_ms"), (double)page->elapsed_us / 1000);
        put_number(&pairs, "attempts", page->attempts);
        pairs_end(&pairs);
    }
}

/* ---- what follows -----------------------------------------------------------------------------
 */

static void pack_total(struct buffer *buffer, const struct explanation *explanation)
{
    struct count_answer answer = {.trigger = explanation->trigger,
        .value = explanation->value,
        .age_ms = explanation->age_ms,
        .quality = explanation->value->at_least ? QUALITY_AT_LEAST : QUALITY_EXACT};

    pack_count(buffer, &answer, explanation->replicas);
}

static void put_cost(struct pairs *pairs, const struct explanation *explanation)
{
    double rcu = explanation->value->consumed_rcu;
    int64_t interval = explanation->trigger->polling_ms;
    struct pairs cost;

    put(pairs, "cost");
    cost = pairs_begin(pairs->buffer);
    write_float(put(&cost, "rcu_per_poll"), rcu);
    if (interval > 0) { /* else there is no saying */
        if (DAY_MS % interval == 0)
            put_number(&cost, "polls_per_day", DAY_MS / interval);
        else
            write_float(put(&cost, "polls_per_day"), (double)DAY_MS / (double)interval);
        write_float(put(&cost, "rcu_per_day"), rcu * (double)DAY_MS / (double)interval);
    }
    pairs_end(&cost);
}

static void put_decision(struct pairs *pairs, const struct explanation *explanation)
{
    const struct trigger_scaling *scaling = &explanation->trigger->scaling;
    uint64_t count = explanation->value->count;
    struct decision decision = decision_make(scaling, count, explanation->replicas);
    struct pairs packed;
    char why[400];

    decision_explain(&decision, scaling, count, explanation->replicas, why, sizeof(why));
    put(pairs, "decision");
    packed = pairs_begin(pairs->buffer);
    write_bool(put(&packed, "active"), decision.active);
    put_set(&packed, "desired_replicas", decision.has_desired, (uint64_t)decision.desired);
    put_text(&packed, "why", why);
    pairs_end(&packed);
}

/* ---- KEDA -------------------------------------------------------------------------------------
 */

/* Whether the finding is about this trigger: about none in the same file that begins behind it. */
static bool is_about(
    const struct finding *finding, const struct trigger *trigger, const struct config *config)
{
    if (finding->line < trigger->line || strcmp(finding->file, trigger->file) != 0)
        return false;
    for (size_t i = 0; i < config->trigger_count; i++) {
        const struct trigger *other = &config->triggers[i];

        if (other->line > trigger->line && other->line <= finding->line &&
            strcmp(other->file, trigger->file) == 0)
            return false;
    }
    return true;
}

/* Whether it tells what KEDA would make of a parameter of the trigger. */
static bool is_about_keda(const struct finding *finding)
{
    static const char *const parameters[] = {"expressionAttributeNames",
        "expressionAttributeValues", "identityOwner", "awsAccessKeyID", NULL};

    for (const char *const *name = parameters; *name != NULL; name++)
        if (strcmp(finding->subject, *name) == 0)
            return strstr(finding->message, "KEDA") != NULL;
    return false;
}

static void put_note(struct pairs *pairs, const struct explanation *explanation)
{
    const struct config *config = explanation->config;
    bool one_page = explanation->value->pages <= 1 && !explanation->value->at_least;
    char note[1000];
    size_t len;

    len = (size_t)snprintf(note, sizeof(note), "%s",
        one_page ? "KEDA reads the first page only, and this is all on one page"
                 : "KEDA reads the first page only");
    for (size_t i = 0; i < config->finding_count && len < sizeof(note); i++) {
        const struct finding *finding = &config->findings[i];
        bool named = strncmp(finding->message, finding->subject, strlen(finding->subject)) == 0;

        if (is_about_keda(finding) && is_about(finding, explanation->trigger, config))
            len += (size_t)snprintf(note + len, sizeof(note) - len, "; %s%s%s",
                named ? "" : finding->subject, named ? "" : " ", finding->message);
    }
    utf8_copy(note, sizeof(note), note, strlen(note)); /* cut between characters */
    put_text(pairs, "note", note);
}

static void put_keda(struct pairs *pairs, const struct explanation *explanation)
{
    const struct count_value *value = explanation->value;
    struct pairs keda;

    put(pairs, "keda");
    keda = pairs_begin(pairs->buffer);
    put_set(&keda, "count", true, explanation->pages->first_count);
    put_number(&keda, "pages_ignored", value->pages - 1);
    put_set(&keda, "undercount", true, value->count - explanation->pages->first_count);
    put_note(&keda, explanation);
    pairs_end(&keda);
}

void explanation_pack(struct buffer *buffer, const struct explanation *explanation)
{
    const struct trigger *trigger = explanation->trigger;
    struct pairs pairs = pairs_begin(buffer);
    struct pairs identity;

    put_text(&pairs, "trigger", trigger->name);
    pack_source(put(&pairs, "source"), trigger);
    pack_config(put(&pairs, "config"), trigger);
    put(&pairs, "identity");
    identity = pairs_begin(buffer);
    identity.count = pack_identity(buffer, explanation->counter, explanation->identity);
    pairs_end(&identity);
    pack_endpoint(put(&pairs, "endpoint"), explanation->request->endpoint);
    pack_request(put(&pairs, "request"), explanation->request, explanation->pages->unix_seconds);
    pack_pages(put(&pairs, "pages"), explanation);
    pack_total(put(&pairs, "total"), explanation);
    put_cost(&pairs, explanation);
    put_decision(&pairs, explanation);
    put_keda(&pairs, explanation);
    pairs_end(&pairs);
}
