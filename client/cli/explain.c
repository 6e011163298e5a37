/* SPDX-License-Identifier: Apache-2.0 */
/* tally explain: from the configuration to the decision. */
#include "client/cli/cli.h"
#include "client/cli/count.h"
#include "client/cli/table.h"
#include "client/cli/terminal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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
