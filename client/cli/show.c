/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs that show one answer of the agent: list, status, whoami, call, explain, ping. */

#include "client/cli/count.h"
#include "client/cli/prometheus.h"
#include "client/cli/table.h"
#include "client/cli/terminal.h"
#include "client/cli/verbs.h"
#include "proto/clock.h"
#include "proto/duration.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- list ---- */

static void list_add_row(struct table *table, const struct json *trigger)
{
    const char *index = json_get_string(trigger, "index", "");
    const char *state = json_get_string(trigger, "state", "?");
    char rate[64], text[32];

    table_add(table, json_get_string(trigger, "name", "?"));
    table_add_integer(table, trigger, "count");
    table_add(table, strcmp(state, "never") == 0 ? "not yet counted" : state);
    table_add_duration(table, trigger, "age_ms");
    table_add_duration(table, trigger, "polling_interval_ms");
    table_add_integer(table, trigger, "target");
    table_addf(table, "%s%s%s", json_get_string(trigger, "table", "?"), index[0] ? "/" : "", index);
    table_add(table, json_get_string(trigger, "region", ""));
    table_add(table, json_get_string(trigger, "identity", ""));
    count_describe_rate(trigger, rate, sizeof(rate));
    table_add(table, rate);
    double rcu = json_get_real_or(trigger, "rcu_per_hour", 0);
    snprintf(text, sizeof(text), "%.1f", rcu);
    table_add(table, rcu > 0 ? text : "");
    table_add(table, json_get_string(trigger, "counted_by", ""));
}

static void list_print_errors(const struct json *triggers)
{
    for (size_t i = 0; i < json_size(triggers); i++) {
        const struct json *trigger = json_at(triggers, i);
        const struct json *error = json_get(trigger, "last_error");
        char text[1024];

        if (error == NULL)
            continue;
        const char *name = json_get_string(trigger, "name", "?");
        tree_value("last_error", error, text, sizeof(text));
        terminal_print_coloured(stdout, COLOUR_RED, name);
        terminal_print(stdout, ": ");
        terminal_print_wrapped(stdout, text, terminal_width(name) + 2);
        terminal_print(stdout, "\n");
    }
}

static void list_print(const struct json *triggers)
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
        list_add_row(&table, json_at(triggers, i));
    table_print(&table, stdout, 0);
    table_free(&table);
    list_print_errors(triggers);
}

static int list_show(struct cli *cli, const struct json *answer)
{
    const struct json *triggers = json_get(answer, "triggers");

    if (cli->output == OUTPUT_PROMETHEUS)
        prometheus_list(stdout, answer);
    else if (json_size(triggers) == 0)
        cli_note("the agent has no triggers: its configuration holds no aws-dynamodb trigger");
    else
        list_print(triggers);
    return EXIT_OK;
}

int run_list(struct cli *cli)
{
    struct json *answer = NULL;
    int code = cli_ask_list(cli, &answer);

    return cli_show(cli, code, answer, list_show);
}

/* ---- status ---- */

/* A scraper runs one command: it includes the triggers' counts. */
static int status_print_metrics(struct cli *cli, const struct json *status)
{
    struct json *list = NULL;
    int code = cli_ask_list(cli, &list);

    if (code != EXIT_OK)
        return code;
    prometheus_status(stdout, status);
    prometheus_list(stdout, list);
    json_free(list);
    return EXIT_OK;
}

static int status_show(struct cli *cli, const struct json *answer)
{
    if (cli->output == OUTPUT_PROMETHEUS)
        return status_print_metrics(cli, answer);
    tree_print(stdout, answer, 0, NULL);
    return EXIT_OK;
}

int run_status(struct cli *cli)
{
    struct json *answer = NULL;
    int code = cli_ask(
        cli, cli_request(cli, "status", NULL), "connections", JSON_KIND_MAP, &answer);

    return cli_show(cli, code, answer, status_show);
}

/* ---- whoami ---- */

static void identity_print_state(const struct json *identity)
{
    const char *state = json_get_string(identity, "state", "?");
    bool good = strcmp(state, "valid") == 0;
    char text[64], line[200];
    int64_t left = 0;
    size_t used = (size_t)snprintf(line, sizeof(line), "%.80s",
        strcmp(state, "none") == 0 ? "no credentials were needed yet" : state);

    if (json_get_integer(identity, "expires_in_ms", &left)) {
        tree_expiry(left, text, sizeof(text));
        used += (size_t)snprintf(line + used, sizeof(line) - used, ", %s", text);
    }
    if (json_get_integer(identity, "refresh_in_ms", &left)) {
        duration_format(left < 0 ? 0 : left, text, sizeof(text));
        snprintf(line + used, sizeof(line) - used, ", refreshed in %s", text);
    }
    terminal_print(stdout, "  %s", terminal_colour(stdout, good ? COLOUR_GREEN : COLOUR_YELLOW));
    terminal_print_wrapped(stdout, line, 2);
    terminal_print(stdout, "%s\n", terminal_reset(stdout));
}

static void identity_print(const struct json *identity)
{
    static const char *const said[] = {
        "kind", "triggers", "why", "state", "expires_in_ms", "refresh_in_ms", NULL};
    char triggers[512] = "";
    const char *kind = json_get_string(identity, "kind", "?");
    const struct json *names = json_get(identity, "triggers");

    if (names != NULL)
        tree_value("triggers", names, triggers, sizeof(triggers));
    terminal_print_coloured(stdout, COLOUR_BOLD, kind);
    if (triggers[0] != '\0') {
        terminal_print(stdout, " for ");
        terminal_print_wrapped(stdout, triggers, terminal_width(kind) + strlen(" for "));
    }
    terminal_print(stdout, "\n  because ");
    terminal_print_wrapped(stdout, json_get_string(identity, "why", "the agent gives no reason"),
        strlen("  because "));
    terminal_print(stdout, "\n");
    identity_print_state(identity);
    tree_print(stdout, identity, 2, said);
}

static int whoami_show(struct cli *cli, const struct json *answer)
{
    const struct json *identities = json_get(answer, "identities");

    (void)cli;
    for (size_t i = 0; i < json_size(identities); i++) {
        if (i > 0)
            terminal_print(stdout, "\n");
        identity_print(json_at(identities, i));
    }
    return EXIT_OK;
}

int run_whoami(struct cli *cli)
{
    struct json *answer = NULL;
    int code = cli_ask(
        cli, cli_request(cli, "whoami", "trigger"), "identities", JSON_KIND_ARRAY, &answer);

    return cli_show(cli, code, answer, whoami_show);
}

/* ---- call ---- */

static int call_print(const void *packed, size_t len)
{
    struct json *json = json_from_msgpack(packed, len);

    if (json == NULL)
        return cli_refuse(TALLY_EPROTOCOL, "the agent's answer is not msgpack");
    json_print(stdout, json, false);
    json_free(json);
    return EXIT_OK;
}

/* Params are an array: the given one, or one around the given value. */
static int call_pack_params(const char *text, void **params, size_t *len)
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
        code = call_pack_params(cli_operand(cli, 1), &params, &params_len);
    if (code == EXIT_OK)
        code = cli_begin(cli);
    if (code == EXIT_OK) {
        int r = tally_call_packed(
            cli->tally, cli_operand(cli, 0), params, params_len, &result, &result_len);

        code = r < 0 ? cli_fail(tally_last_answer(cli->tally)) : call_print(result, result_len);
    }
    free(params);
    return code;
}

/* ---- explain ---- */

static void explain_print_head(const char *text)
{
    terminal_print(stdout, "\n");
    terminal_print_coloured(stdout, COLOUR_BOLD, text);
    terminal_print(stdout, "\n");
}

static void explain_print_part(const struct json *answer, const char *key, const char *head)
{
    const struct json *part = json_get(answer, key);

    if (part == NULL || json_kind(part) != JSON_KIND_MAP)
        return;
    explain_print_head(head);
    tree_print(stdout, part, 2, NULL);
}

static void explain_print_source(const struct json *answer)
{
    int64_t line = 0;

    explain_print_head("Configuration");
    if (json_get(answer, "source.file") != NULL) {
        terminal_print(stdout, "  from %s", json_get_string(answer, "source.file", "?"));
        if (json_get_integer(answer, "source.line", &line))
            terminal_print(stdout, ", line %" PRId64, line);
        terminal_print(stdout, "\n");
    }
    tree_print(stdout, json_get(answer, "config"), 2, NULL);
}

/* The array of pages has a heading of its own, so that it gets the whole width. */
static void explain_print_pages(const struct json *answer)
{
    const struct json *pages = json_get(answer, "pages");

    if (json_size(pages) == 0)
        return;
    explain_print_head("Pages");
    tree_table(stdout, pages, 2);
}

static void explain_print_cost(const struct json *answer)
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

static void explain_print_keda(const struct json *answer)
{
    int64_t count = 0, missing = json_get_integer_or(answer, "keda.undercount", 0);
    int64_t ignored = json_get_integer_or(answer, "keda.pages_ignored", 0);
    char text[200];

    if (!json_get_integer(answer, "keda.count", &count))
        return;
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

static int explain_show(struct cli *cli, const struct json *answer)
{
    static const char *const shown[] = {"trigger", "source", "config", "identity", "endpoint",
        "request", "pages", "total", "cost", "decision", "keda", NULL};

    (void)cli;
    terminal_print_coloured(stdout, COLOUR_BOLD, json_get_string(answer, "trigger", "?"));
    terminal_print(stdout, "\n");
    explain_print_source(answer);
    explain_print_part(answer, "identity", "Identity");
    explain_print_part(answer, "endpoint", "Endpoint");
    explain_print_part(answer, "request", "Request (secrets masked)");
    explain_print_pages(answer);
    explain_print_part(answer, "total", "Count");
    explain_print_cost(answer);
    explain_print_part(answer, "decision", "Decision");
    explain_print_keda(answer);
    tree_print(stdout, answer, 0, shown);
    return EXIT_OK;
}

int run_explain(struct cli *cli)
{
    struct json *answer = NULL;
    int code = cli_ask(
        cli, count_request(cli, "explain", "trigger"), "config", JSON_KIND_MAP, &answer);

    return cli_show(cli, code, answer, explain_show);
}

/* ---- ping ---- */

static int ping_show(struct cli *cli, const struct json *answer)
{
    (void)cli;
    terminal_print(stdout, "%.2f ms\n", json_get_real_or(answer, "round_trip_ms", 0));
    return EXIT_OK;
}

/* The first call connects; what is measured is the round trip of the second. */
int run_ping(struct cli *cli)
{
    struct json *answer = NULL;
    int64_t start = 0;
    int code = EXIT_OK;

    for (int i = 0; i < 2 && code == EXIT_OK; i++) {
        json_free(answer);
        answer = NULL;
        start = clock_us();
        code = cli_ask(cli, cli_request(cli, "ping", NULL), "pid", JSON_KIND_INTEGER, &answer);
    }
    if (code == EXIT_OK)
        json_set(answer, "round_trip_ms", json_new_real((double)(clock_us() - start) / 1000));
    return cli_show(cli, code, answer, ping_show);
}
