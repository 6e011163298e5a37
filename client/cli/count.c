/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/count.h"

#include "client/cli/prometheus.h"
#include "client/cli/terminal.h"
#include "client/cli/verbs.h"
#include "proto/duration.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- value ---- */

/* Wraps what is not an AttributeValue yet. `json` is owned by the result, which may be NULL. */
static struct json *value_typed(const char *type, struct json *json)
{
    struct json *value = json_new_map();

    if (json_set(value, type, json))
        return value;
    json_free(value);
    return NULL;
}

/* The value of some text; NULL and `error` if it is not valid. */
static struct json *value_read(const char *text, char *error, size_t size)
{
    char reason[160];
    struct json *json = json_parse(text, reason, sizeof(reason));

    if (json == NULL && (text[0] == '{' || text[0] == '"')) {
        snprintf(error, size, "invalid JSON: %s", reason);
        return NULL;
    }
    struct json *value = NULL;
    switch (json != NULL ? json_kind(json) : JSON_KIND_STRING) {
    case JSON_KIND_MAP:
        return json;
    case JSON_KIND_BOOL:
        return value_typed("BOOL", json);
    case JSON_KIND_STRING:
        value = value_typed("S", json != NULL ? json : json_new_string(text));
        if (value == NULL)
            snprintf(error, size, "the text is not UTF-8");
        return value;
    case JSON_KIND_INTEGER:
    case JSON_KIND_REAL: /* its digits as written: AWS takes more than a double holds */
        json_free(json);
        return value_typed("N", json_new_string(text));
    case JSON_KIND_NULL:
    case JSON_KIND_ARRAY:
        break;
    }
    json_free(json);
    snprintf(error, size, "write an AttributeValue such as {\"S\": \"text\"} or {\"N\": \"5\"}");
    return NULL;
}

/* Splits "<mark>placeholder=rest"; the rest, or NULL if the text has another form. */
static const char *value_split(const char *text, char mark, char *name, size_t size)
{
    size_t len = strcspn(text, "=");

    if (text[0] != mark || text[len] != '=' || len < 2 || len >= size)
        return NULL;
    memcpy(name, text, len);
    name[len] = '\0';
    return text + len + 1;
}

bool value_add(struct json *values, const char *text, char *error, size_t size)
{
    char name[256], reason[200] = "the placeholder is not UTF-8";
    const char *rest = value_split(text, ':', name, sizeof(name));

    if (rest == NULL) {
        snprintf(error, size, "--value: \"%s\" is not :placeholder=VALUE", text);
        return false;
    }
    struct json *value = value_read(rest, reason, sizeof(reason));
    if (value != NULL && json_set(values, name, value))
        return true;
    snprintf(error, size, "--value %s: %s", name, reason);
    return false;
}

/* Adds one "#placeholder=NAME" to a map of expression attribute names. */
static bool value_add_name(struct json *names, const char *text, char *error, size_t size)
{
    char name[256];
    const char *rest = value_split(text, '#', name, sizeof(name));

    if (rest != NULL && rest[0] != '\0' && json_set(names, name, json_new_string(rest)))
        return true;
    snprintf(error, size, "--name: \"%s\" is not #placeholder=attribute", text);
    return false;
}

/* ---- request ---- */

/* Puts a repeated option into the request as a map, each item added by `add`. False: one of them
 * is invalid, which was reported. */
static bool request_add_list(const struct cli *cli, struct tally_request *request,
    enum option_id option, const char *field,
    bool (*add)(struct json *map, const char *text, char *error, size_t size))
{
    char error[512];
    bool valid = true;
    size_t len = 0, count = cli->arguments.list_count[option];
    struct json *map = json_new_map();

    for (size_t i = 0; i < count && valid; i++)
        valid = add(map, cli->arguments.list[option][i], error, sizeof(error));
    if (valid && count > 0) {
        void *packed = memory_need(json_to_msgpack(map, &len));
        int r = tally_request_set_packed(request, field, packed, len);

        if (r == TALLY_ENOMEM)
            memory_exhausted();
        valid = r == 0;
        snprintf(error, sizeof(error), "the %s are too long, or nested too deep", field);
        free(packed);
    }
    json_free(map);
    if (!valid)
        cli_usage("%s", error);
    return valid;
}

/* A setter that fails makes the request fail when it is sent. */
struct tally_request *count_request(const struct cli *cli, const char *method, const char *operand)
{
    static const struct {
        enum option_id option;
        const char *field;
    } integers[] = {{OPTION_MAX_AGE, "max_age_ms"}, {OPTION_ENOUGH, "enough"},
        {OPTION_REPLICAS, "replicas"}, {OPTION_MAX_PAGES, "max_pages"}},
      texts[] = {{OPTION_FILTER, "filter"}, {OPTION_INDEX, "index"}, {OPTION_REGION, "region"},
          {OPTION_IDENTITY_OF, "identity_of"}, {OPTION_ENDPOINT, "endpoint"}};
    struct tally_request *request = cli_request(cli, method, operand);

    for (size_t i = 0; i < sizeof(integers) / sizeof(integers[0]); i++) {
        if (cli_given(cli, integers[i].option))
            tally_request_set_integer(
                request, integers[i].field, cli->arguments.number[integers[i].option]);
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (cli_given(cli, texts[i].option))
            tally_request_set_string(request, texts[i].field, cli->arguments.text[texts[i].option]);
    }
    if (cli_given(cli, OPTION_CONSISTENT))
        tally_request_set_bool(request, "consistent_read", 1);
    if (request_add_list(cli, request, OPTION_NAME, "names", value_add_name) &&
        request_add_list(cli, request, OPTION_VALUE, "values", value_add))
        return request;
    tally_request_free(request);
    return NULL;
}

/* ---- count ---- */

void count_describe_rate(const struct json *answer, char *text, size_t size)
{
    double rate = 0;
    int64_t left = 0;
    char when[32];

    text[0] = '\0';
    if (!json_get_real(answer, "rate_per_s", &rate))
        return;
    /* All digits of a large rate, two of a small one. */
    int used = rate == 0 ? snprintf(text, size, "0/s")
                         : snprintf(text, size,
                               rate >= 99.5 || rate <= -99.5 ? "%+.0f/s" : "%+.2g/s", rate);
    if (rate >= 0 || !json_get_integer(answer, "empty_in_ms", &left) || used < 0 ||
        (size_t)used >= size)
        return;
    duration_format(left, when, sizeof(when));
    snprintf(text + used, size - (size_t)used, ", empty in %s", when);
}

void count_remark(const struct cli *cli, const struct json *answer)
{
    const char *quality = json_get_string(answer, "quality", "");
    int64_t pages = json_get_integer_or(answer, "pages", 0);
    char text[32];

    duration_format(json_get_integer_or(answer, "age_ms", 0), text, sizeof(text));
    if (strcmp(quality, "stale") == 0)
        cli_note("stale: counted %s ago, because a newer count failed: %s: %s", text,
            json_get_string(answer, "last_error.name", "UNKNOWN"),
            json_get_string(answer, "last_error.message", "no reason given"));
    else if (strcmp(quality, "at_least") == 0 && json_get(answer, "last_error") != NULL)
        cli_note("at least: %s", json_get_string(answer, "last_error.message", "no reason given"));
    else if (strcmp(quality, "at_least") == 0)
        cli_note("at least: counting stopped %s, after %" PRId64 " page%s",
            cli_given(cli, OPTION_ENOUGH) ? "when it was enough" : "at its configured limit", pages,
            pages == 1 ? "" : "s");
    else if (strcmp(quality, "exact") != 0)
        cli_note("the agent calls the count \"%s\"; this command does not know what that means",
            quality);
    if (json_get_bool(answer, "fallback", false))
        cli_note("the trigger has failed so often that its fallback replicas apply");
}

/* --exact: any other quality is an error, and no number is printed. */
static int count_refuse_inexact(const struct cli *cli, const struct json *answer)
{
    const char *quality = json_get_string(answer, "quality", "");

    count_remark(cli, answer);
    return cli_error("NOT_EXACT", EXIT_ERROR, "the count of %" PRId64 " is %s",
        json_get_integer_or(answer, "count", 0),
        strcmp(quality, "at_least") == 0 ? "a lower bound"
        : strcmp(quality, "stale") == 0  ? "stale"
                                         : "of a quality that this command does not know");
}

static int count_print(struct cli *cli, const struct json *answer)
{
    if (cli_given(cli, OPTION_EXACT) &&
        strcmp(json_get_string(answer, "quality", ""), "exact") != 0)
        return count_refuse_inexact(cli, answer);
    if (cli->output == OUTPUT_JSON)
        json_print(stdout, answer, false);
    else if (cli->output == OUTPUT_PROMETHEUS)
        prometheus_count(stdout, answer);
    else
        terminal_print(stdout, "%" PRId64 "\n", json_get_integer_or(answer, "count", 0));
    count_remark(cli, answer);
    return EXIT_OK;
}

static int count_run(struct cli *cli, struct tally_request *request)
{
    struct json *answer = NULL;
    int code = cli_ask(cli, request, "count", JSON_KIND_INTEGER, &answer);

    if (code == EXIT_OK)
        code = count_print(cli, answer);
    json_free(answer);
    return code;
}

int run_count(struct cli *cli)
{
    return count_run(cli, count_request(cli, "count", "trigger"));
}

/* A count that no trigger describes. */
int run_query(struct cli *cli)
{
    struct tally_request *request = count_request(cli, "query", "table");

    if (request != NULL)
        tally_request_set_string(request, "key_condition", cli_operand(cli, 1));
    return count_run(cli, request);
}
