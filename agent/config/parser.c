/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config/parser.h"

#include "agent/process.h"
#include "proto/suggest.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define KEPT_BLOCK    (32u * 1024u)
#define KEPT_MAX      (512u * 1024u * 1024u)
#define SCRATCH_BLOCK (256u * 1024u)
#define SCRATCH_MAX   (256u * 1024u * 1024u)

#define SECRETS_DIR "/var/run/secrets/tally"

void parser_free(struct parser *parser)
{
    findings_free(&parser->findings);
    documents_free(&parser->documents);
    arena_destroy(parser->scratch);
    arena_destroy(parser->kept);
    free(parser->triggers);
    free(parser->specs);
    free(parser);
}

struct parser *parser_create(const struct config_options *options, config_file_fn *read_file)
{
    struct parser *parser = calloc(1, sizeof(*parser));

    if (parser == NULL)
        return NULL;
    parser->secrets_dir = options->secrets_dir != NULL ? options->secrets_dir : SECRETS_DIR;
    parser->getenv = options->getenv != NULL ? options->getenv : process_getenv;
    parser->environment.allow_http = options->allow_http;
    endpoint_environment_read(&parser->environment, parser->getenv);
    parser->read_file = read_file;
    parser->kept = arena_create(KEPT_BLOCK, KEPT_MAX);
    parser->scratch = arena_create(SCRATCH_BLOCK, SCRATCH_MAX);
    findings_init(&parser->findings, parser->kept);
    parser->documents.arena = parser->scratch;
    if (parser->kept == NULL || parser->scratch == NULL) {
        parser_free(parser);
        return NULL;
    }
    return parser;
}

const char *parser_keep(struct parser *parser, const char *text)
{
    return parser_keep_part(parser, text, strlen(text));
}

const char *parser_keep_part(struct parser *parser, const char *text, size_t len)
{
    const char *copy = arena_copy(parser->kept, text, len);

    parser->failed |= copy == NULL;
    return copy;
}

void *parser_array(struct parser *parser, struct arena *arena, size_t count, size_t size)
{
    void *array = arena_alloc_array(arena, count, size);

    parser->failed |= array == NULL;
    return array;
}

const char *parser_printf(struct parser *parser, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    const char *text = arena_vprintf(parser->kept, format, args);
    va_end(args);
    if (text == NULL)
        parser->failed = true;
    return text;
}

struct trigger *parser_add_trigger(struct parser *parser)
{
    struct trigger *triggers = array_grow(
        parser->triggers, parser->trigger_count, &parser->trigger_capacity, sizeof(*triggers));

    parser->failed |= triggers == NULL;
    if (triggers == NULL)
        return NULL;
    parser->triggers = triggers;
    struct trigger *trigger = &parser->triggers[parser->trigger_count++];
    *trigger = (struct trigger){0};
    return trigger;
}

/* ---- parameters ---- */

#define BLANKS " \t\r\n\v\f"

static const char *const known[] = {"awsRegion", "tableName", "targetValue",
    "keyConditionExpression", "expressionAttributeNames", "expressionAttributeValues",
    "identityOwner", "activationTargetValue", "indexName", "awsEndpoint", "filterExpression",
    "awsAccessKeyID", "awsAccessKeyIDFromEnv", "awsSecretAccessKeyFromEnv", "consistentRead",
    "countLimit", "maxPages", "warm", "clientValues", "shareTable", "sumOver", "budget", NULL};

static void check_name(const struct parameters *parameters, const struct node *key)
{
    const struct tree *tree = parameters->tree;
    static const char *const of_auth[] = {
        "awsRoleArn", "awsSecretAccessKey", "awsSessionToken", "awsExternalId", NULL};
    const char *close = suggest(key->text, known);
    const char *other = suggest(key->text, of_auth);

    if (other != NULL)
        tree_report(tree, key, FINDING_WARNING, key->text,
            "ignored here: KEDA and tally read %s from what authenticationRef names", other);
    else if (close != NULL)
        tree_report(tree, key, FINDING_WARNING, key->text,
            "unknown parameter, so it is ignored; did you mean %s?", close);
    else
        tree_report(tree, key, FINDING_NOTE, key->text,
            "not a parameter of aws-dynamodb, so it is ignored");
}

static bool parameter_is_among(const char *name, const char *const *names)
{
    return names[text_index(name, names)] != NULL;
}

/* The suggested spelling of an unquoted scalar: its YAML 1.1 value if the parameter is a number or
 * a boolean (24 for 030, true for yes), else the literal text, which tally uses. */
static const char *quoted_text(
    const struct parameters *parameters, const char *name, const struct node *value)
{
    static const char *const integers[] = {
        "targetValue", "activationTargetValue", "countLimit", "maxPages", NULL};
    static const char *const truths[] = {"consistentRead", "warm", NULL};
    int64_t number = 0;
    const char *text = value->text;

    if (value->kind == NODE_BOOL && parameter_is_among(name, truths))
        return strchr("tTyY", *text) != NULL || strcasecmp(text, "on") == 0 ? "true" : "false";
    if (value->kind != NODE_NUMBER || !parameter_is_among(name, integers) ||
        !node_to_int64(value, &number))
        return text;
    text = arena_printf(parameters->parser->scratch, "%" PRId64, number);
    return text != NULL ? text : value->text;
}

static void parameters_check_value(
    const struct parameters *parameters, const char *name, const struct node *value)
{
    const struct tree *tree = parameters->tree;

    if (!node_is_scalar(value))
        tree_report(tree, value, FINDING_ERROR, name,
            "must be a text, not %s; write it in quotes%s", node_kind_name(value->kind),
            strncmp(name, "expressionAttribute", 19) == 0 ? ", as JSON" : "");
    else if (value->kind == NODE_NUMBER || value->kind == NODE_BOOL)
        tree_report(tree, value, FINDING_WARNING, name,
            "is not quoted, and Kubernetes refuses %s here; write \"%s\"",
            value->kind == NODE_NUMBER ? "a number" : "true and false",
            quoted_text(parameters, name, value));
}

void parameters_check(const struct parameters *parameters)
{
    const struct node *metadata = parameters->metadata;

    for (uint32_t i = 0; metadata != NULL && i < metadata->count; i++) {
        const struct node_pair *pair = &metadata->pairs[i];

        if (!parameter_is_among(pair->key->text, known))
            check_name(parameters, pair->key);
        else
            parameters_check_value(parameters, pair->key->text, pair->value);
    }
}

const char *parameter_text(const struct parameters *parameters, const char *name)
{
    const char *text = node_text(node_get(parameters->metadata, name));
    size_t len = 0;

    if (text == NULL)
        return NULL;
    text += strspn(text, BLANKS);
    len = strlen(text);
    while (len > 0 && strchr(BLANKS, text[len - 1]) != NULL)
        len--;
    if (len == 0)
        return NULL;
    if (text[len] == '\0')
        return text;
    text = arena_copy(parameters->parser->scratch, text, len);
    if (text == NULL)
        parameters->parser->failed = true;
    return text;
}

const char *parameter_next_item(const char **list, size_t *len)
{
    const char *item = *list + strspn(*list, " \t");
    const char *end = item + strcspn(item, ",");

    *list = *end != '\0' ? end + 1 : NULL;
    while (end > item && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *len = (size_t)(end - item);
    return item;
}

const char *parameter_keep(const struct parameters *parameters, const char *name)
{
    const char *text = parameter_text(parameters, name);

    return text != NULL ? parser_keep(parameters->parser, text) : NULL;
}

/* At the parameter, or at the trigger if it is absent. */
__attribute__((format(printf, 4, 0))) static void parameter_report(
    const struct parameters *parameters, enum finding_level level, const char *name,
    const char *format, va_list args)
{
    const struct node *node = node_get(parameters->metadata, name);

    tree_vreport(
        parameters->tree, node != NULL ? node : parameters->trigger, level, name, format, args);
}

void parameter_error(const struct parameters *parameters, const char *name, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    parameter_report(parameters, FINDING_ERROR, name, format, args);
    va_end(args);
}

void parameter_warning(
    const struct parameters *parameters, const char *name, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    parameter_report(parameters, FINDING_WARNING, name, format, args);
    va_end(args);
}

void parameter_note(const struct parameters *parameters, const char *name, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    parameter_report(parameters, FINDING_NOTE, name, format, args);
    va_end(args);
}

bool parameter_bool(const struct parameters *parameters, const char *name, bool fallback)
{
    const char *text = parameter_text(parameters, name);

    if (text == NULL)
        return fallback;
    if (strcasecmp(text, "true") == 0)
        return true;
    if (strcasecmp(text, "false") == 0)
        return false;
    parameter_error(parameters, name, "must be \"true\" or \"false\", not \"%s\"", text);
    return fallback;
}

bool parameter_to_int64(const struct parameters *parameters, const char *name, int64_t *value)
{
    const struct node *node = node_get(parameters->metadata, name);
    const char *text = parameter_text(parameters, name);

    if (text == NULL)
        return false;
    return node->kind == NODE_NUMBER ? node_to_int64(node, value) : text_to_int64(text, value);
}

int64_t parameter_integer(
    const struct parameters *parameters, const char *name, int64_t least, int64_t fallback)
{
    const char *text = parameter_text(parameters, name);
    int64_t value = 0;

    if (text == NULL)
        return fallback;
    if (!parameter_to_int64(parameters, name, &value)) {
        parameter_error(parameters, name, "must be a whole number, not \"%s\"", text);
        return fallback;
    }
    if (value < least) {
        parameter_error(parameters, name, "must be at least %lld, not %lld", (long long)least,
            (long long)value);
        return fallback;
    }
    return value;
}
