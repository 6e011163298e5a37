/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/cli.h"

#include "client/cli/count.h"
#include "client/cli/prometheus.h"
#include "client/cli/table.h"
#include "client/cli/terminal.h"
#include "proto/duration.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- list ---- */

/* tally list. */

static void add_integer(struct table *table, const struct json *trigger, const char *key)
{
    int64_t number = 0;

    if (json_get_integer(trigger, key, &number))
        table_addf(table, "%" PRId64, number);
    else
        table_add(table, "-");
}

static void add_duration(struct table *table, const struct json *trigger, const char *key)
{
    char text[32] = "-";
    int64_t number = 0;

    if (json_get_integer(trigger, key, &number))
        duration_format(number, text, sizeof(text));
    table_add(table, text);
}

static void add_row(struct table *table, const struct json *trigger)
{
    const char *index = json_get_string(trigger, "index", "");
    const char *state = json_get_string(trigger, "state", "?");
    char rate[64], text[32];

    table_add(table, json_get_string(trigger, "name", "?"));
    add_integer(table, trigger, "count");
    table_add(table, strcmp(state, "never") == 0 ? "not yet counted" : state);
    add_duration(table, trigger, "age_ms");
    add_duration(table, trigger, "polling_interval_ms");
    add_integer(table, trigger, "target");
    table_addf(table, "%s%s%s", json_get_string(trigger, "table", "?"), index[0] ? "/" : "", index);
    table_add(table, json_get_string(trigger, "region", ""));
    table_add(table, json_get_string(trigger, "identity", ""));
    count_describe_rate(trigger, rate, sizeof(rate));
    table_add(table, rate);
    double rcu = 0;
    json_get_real(trigger, "rcu_per_hour", &rcu);
    snprintf(text, sizeof(text), "%.1f", rcu);
    table_add(table, rcu > 0 ? text : "");
    table_add(table, json_get_string(trigger, "counted_by", ""));
}

static void print_errors(const struct json *triggers)
{
    for (size_t i = 0; i < json_size(triggers); i++) {
        const struct json *trigger = json_at(triggers, i);
        const struct json *error = json_get(trigger, "last_error");
        char text[1024];

        if (error == NULL)
            continue;
        const char *name = json_get_string(trigger, "name", "?");
        tree_value("last_error", error, text, sizeof(text));
        terminal_print(stdout, "%s", terminal_colour(stdout, COLOUR_RED));
        terminal_print(stdout, "%s", name);
        terminal_print(stdout, "%s: ", terminal_reset(stdout));
        terminal_print_wrapped(stdout, text, terminal_width(name) + 2);
        terminal_print(stdout, "\n");
    }
}

static void print_list(const struct json *triggers)
{
    static const struct {
        const char *head;
        bool right;
    } columns[] = {{"TRIGGER", false}, {"COUNT", true}, {"STATE", false}, {"AGE", true},
        {"EVERY", true}, {"TARGET", true}, {"TABLE", false}, {"REGION", false}, {"IDENTITY", false},
        {"RATE", false}, {"RCU/H", true}, {"COUNTED BY", false}};
    struct table table;

    table_init(&table);
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
        table_column(&table, columns[i].head, columns[i].right);
    for (size_t i = 0; i < json_size(triggers); i++)
        add_row(&table, json_at(triggers, i));
    table_print(&table, stdout, 0);
    table_free(&table);
    print_errors(triggers);
}

int run_list(struct cli *cli)
{
    struct json *answer = NULL;
    int code = cli_begin(cli);

    if (code == EXIT_OK)
        code = cli_take(cli, tally_list(cli->tally), "triggers", JSON_KIND_ARRAY, &answer);
    if (code != EXIT_OK)
        return code;
    const struct json *triggers = json_get(answer, "triggers");
    if (cli->output == OUTPUT_JSON)
        json_print(stdout, answer, false);
    else if (cli->output == OUTPUT_PROMETHEUS)
        prometheus_list(stdout, answer);
    else if (json_size(triggers) == 0)
        cli_note("the agent has no triggers: its configuration holds no aws-dynamodb trigger");
    else
        print_list(triggers);
    json_free(answer);
    return EXIT_OK;
}

/* ---- status ---- */

/* tally status. */

/* A scraper runs one command: it includes the triggers' counts. */
static int print_prometheus(struct cli *cli, const struct json *status)
{
    struct json *list = NULL;
    int code = cli_begin(cli);

    if (code == EXIT_OK)
        code = cli_take(cli, tally_list(cli->tally), "triggers", JSON_KIND_ARRAY, &list);
    if (code != EXIT_OK)
        return code;
    prometheus_status(stdout, status);
    prometheus_list(stdout, list);
    json_free(list);
    return EXIT_OK;
}

int run_status(struct cli *cli)
{
    struct json *answer = NULL;
    int code = cli_ask(cli, cli_request(cli, "status"), "connections", JSON_KIND_MAP, &answer);

    if (code != EXIT_OK)
        return code;
    if (cli->output == OUTPUT_JSON)
        json_print(stdout, answer, false);
    else if (cli->output == OUTPUT_PROMETHEUS)
        code = print_prometheus(cli, answer);
    else
        tree_print(stdout, answer, 0, NULL);
    json_free(answer);
    return code;
}

/* ---- whoami ---- */

/* tally whoami. */

static void print_state(const struct json *identity)
{
    const char *state = json_get_string(identity, "state", "?");
    bool good = strcmp(state, "valid") == 0;
    char text[32], line[200];
    int64_t left = 0;
    size_t used = (size_t)snprintf(line, sizeof(line), "%.80s",
        strcmp(state, "none") == 0 ? "no credentials were needed yet" : state);

    if (json_get_integer(identity, "expires_in_ms", &left)) {
        duration_format(left >= 0           ? left
                        : left == INT64_MIN ? INT64_MAX
                                            : -left,
            text, sizeof(text));
        used += (size_t)snprintf(line + used, sizeof(line) - used,
            left < 0 ? ", expired %s ago" : ", expires in %s", text);
    }
    if (json_get_integer(identity, "refresh_in_ms", &left)) {
        duration_format(left < 0 ? 0 : left, text, sizeof(text));
        snprintf(line + used, sizeof(line) - used, ", refreshed in %s", text);
    }
    terminal_print(stdout, "  %s", terminal_colour(stdout, good ? COLOUR_GREEN : COLOUR_YELLOW));
    terminal_print_wrapped(stdout, line, 2);
    terminal_print(stdout, "%s\n", terminal_reset(stdout));
}

static void print_identity(const struct json *identity)
{
    static const char *const said[] = {
        "kind", "triggers", "why", "state", "expires_in_ms", "refresh_in_ms", NULL};
    char triggers[512] = "";
    const struct json *names = json_get(identity, "triggers");

    if (names != NULL)
        tree_value("triggers", names, triggers, sizeof(triggers));
    terminal_print(stdout, "%s", terminal_colour(stdout, COLOUR_BOLD));
    terminal_print(stdout, "%s", json_get_string(identity, "kind", "?"));
    terminal_print(stdout, "%s", terminal_reset(stdout));
    if (triggers[0] != '\0') {
        terminal_print(stdout, " for ");
        terminal_print_wrapped(stdout, triggers,
            terminal_width(json_get_string(identity, "kind", "?")) + strlen(" for "));
    }
    terminal_print(stdout, "\n  because ");
    terminal_print_wrapped(
        stdout, json_get_string(identity, "why", "the agent does not say"), strlen("  because "));
    terminal_print(stdout, "\n");
    print_state(identity);
    tree_print(stdout, identity, 2, said);
}

int run_whoami(struct cli *cli)
{
    struct json *answer = NULL;
    int code = cli_ask(cli, cli_request(cli, "whoami"), "identities", JSON_KIND_ARRAY, &answer);

    if (code != EXIT_OK)
        return code;
    const struct json *identities = json_get(answer, "identities");
    if (cli->output == OUTPUT_JSON) {
        json_print(stdout, answer, false);
    } else {
        for (size_t i = 0; i < json_size(identities); i++) {
            if (i > 0)
                terminal_print(stdout, "\n");
            print_identity(json_at(identities, i));
        }
    }
    json_free(answer);
    return EXIT_OK;
}

/* ---- call ---- */

/* tally call: any method, unchanged. */

static int print_result(const void *packed, size_t len)
{
    struct json *json = json_from_msgpack(packed, len);

    if (json == NULL)
        return cli_refuse(TALLY_EPROTOCOL, "the agent's answer is not msgpack");
    json_print(stdout, json, false);
    json_free(json);
    return EXIT_OK;
}

/* Params are an array: the given one, or one around the given value. */
static int pack_params(const char *text, void **params, size_t *len)
{
    char error[200];
    struct json *json = json_parse(text, error, sizeof(error));

    if (json == NULL)
        return cli_usage("call: invalid JSON: %s", error);
    if (json_kind(json) != JSON_KIND_ARRAY) {
        struct json *array = json_new_list();

        json_append(array, json);
        json = array;
    }
    *params = memory_need(json_to_msgpack(json, len));
    json_free(json);
    return EXIT_OK;
}

int run_call(struct cli *cli)
{
    const void *result = NULL;
    void *params = NULL;
    size_t params_len = 0, result_len = 0;
    int code = EXIT_OK;

    if (cli_operand(cli, 1) != NULL)
        code = pack_params(cli_operand(cli, 1), &params, &params_len);
    if (code == EXIT_OK)
        code = cli_open(cli);
    if (code == EXIT_OK) {
        int r = tally_call_packed(
            cli->tally, cli_operand(cli, 0), params, params_len, &result, &result_len);

        code = r < 0 ? cli_fail(tally_last_answer(cli->tally)) : print_result(result, result_len);
    }
    free(params);
    return code;
}

/* ---- explain ---- */

/* tally explain: from the configuration to the decision. */

static void explain_print_head(const char *text)
{
    terminal_print(
        stdout, "\n%s%s%s\n", terminal_colour(stdout, COLOUR_BOLD), text, terminal_reset(stdout));
}

static void print_part(const struct json *answer, const char *key, const char *head)
{
    const struct json *part = json_get(answer, key);

    if (part == NULL || json_kind(part) != JSON_KIND_MAP)
        return;
    explain_print_head(head);
    tree_print(stdout, part, 2, NULL);
}

static void print_source(const struct json *answer)
{
    int64_t line = 0;

    explain_print_head("Configuration");
    if (json_get(answer, "source.file") != NULL) {
        terminal_print(stdout, "  from ");
        terminal_print(stdout, "%s", json_get_string(answer, "source.file", "?"));
        if (json_get_integer(answer, "source.line", &line))
            terminal_print(stdout, ", line %" PRId64, line);
        terminal_print(stdout, "\n");
    }
    const struct json *config = json_get(answer, "config");
    tree_print(stdout, config, 2, NULL);
}

/* The array of pages has a heading of its own, so that it gets the whole width. */
static void print_pages(const struct json *answer)
{
    const struct json *pages = json_get(answer, "pages");

    if (pages == NULL || json_size(pages) == 0)
        return;
    explain_print_head("Pages");
    tree_table(stdout, pages, 2);
}

static void print_cost(const struct json *answer)
{
    double poll = 0, polls = 0, day = 0, month = 0;
    char text[300];

    if (!json_get_real(answer, "cost.rcu_per_poll", &poll) ||
        !json_get_real(answer, "cost.polls_per_day", &polls) ||
        !json_get_real(answer, "cost.rcu_per_day", &day))
        return;
    explain_print_head("Cost");
    snprintf(text, sizeof(text),
        "%.10g read capacity units a count x %.10g counts a day = %.10g a day", poll, polls, day);
    if (json_get_real(answer, "cost.cost_per_month", &month)) {
        size_t used = strlen(text);

        snprintf(text + used, sizeof(text) - used, ", %.2f a month at the agent's price", month);
    }
    terminal_print(stdout, "  ");
    terminal_print_wrapped(stdout, text, 2);
    terminal_print(stdout, "\n");
}

static void print_keda(const struct json *answer)
{
    int64_t count = 0, missing = 0, ignored = 0;
    char text[200];

    if (!json_get_integer(answer, "keda.count", &count))
        return;
    json_get_integer(answer, "keda.undercount", &missing);
    json_get_integer(answer, "keda.pages_ignored", &ignored);
    explain_print_head("What KEDA would report");
    int width = snprintf(text, sizeof(text), "%" PRId64, count);
    terminal_print(stdout,
        "  %s%s%s: ", terminal_colour(stdout, missing > 0 ? COLOUR_YELLOW : COLOUR_NONE), text,
        terminal_reset(stdout));
    if (missing > 0)
        snprintf(text, sizeof(text),
            "%" PRId64 " too few, on %" PRId64 " page%s that it does not read", missing, ignored,
            ignored == 1 ? "" : "s");
    else
        snprintf(text, sizeof(text), "the same");
    terminal_print_wrapped(stdout, text, strlen("  ") + (size_t)width + strlen(": "));
    const char *note = json_get_string(answer, "keda.note", "");
    if (note[0] != '\0') {
        terminal_print(stdout, "\n  ");
        terminal_print_wrapped(stdout, note, 2);
    }
    terminal_print(stdout, "\n");
}

static void print_explanation(const struct json *answer)
{
    static const char *const shown[] = {"trigger", "source", "config", "identity", "endpoint",
        "request", "pages", "total", "cost", "decision", "keda", NULL};

    terminal_print(stdout, "%s", terminal_colour(stdout, COLOUR_BOLD));
    terminal_print(stdout, "%s", json_get_string(answer, "trigger", "?"));
    terminal_print(stdout, "%s\n", terminal_reset(stdout));
    print_source(answer);
    print_part(answer, "identity", "Identity");
    print_part(answer, "endpoint", "Endpoint");
    print_part(answer, "request", "Request (secrets masked)");
    print_pages(answer);
    print_part(answer, "total", "Count");
    print_cost(answer);
    print_part(answer, "decision", "Decision");
    print_keda(answer);
    tree_print(stdout, answer, 0, shown);
}

int run_explain(struct cli *cli)
{
    struct json *answer = NULL;
    struct tally_request *request = cli_request(cli, "explain");
    int code = EXIT_OK;

    if (request != NULL && cli_given(cli, OPTION_REPLICAS))
        tally_request_set_integer(request, "replicas", cli_number(cli, OPTION_REPLICAS, 0));
    if (request != NULL)
        code = count_add_list(cli, request, OPTION_VALUE, "values", value_add);
    if (code != EXIT_OK) {
        tally_request_free(request);
        return code;
    }
    code = cli_ask(cli, request, "config", JSON_KIND_MAP, &answer);
    if (code != EXIT_OK)
        return code;
    if (cli->output == OUTPUT_JSON)
        json_print(stdout, answer, false);
    else
        print_explanation(answer);
    json_free(answer);
    return EXIT_OK;
}
