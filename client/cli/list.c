/* tally list. */
#include "client/cli/cli.h"
#include "client/cli/prometheus.h"
#include "client/cli/table.h"
#include "client/cli/terminal.h"
#include "client/cli/tree.h"
#include "proto/duration.h"

#include <inttypes.h>
#include <string.h>

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
    table_add(table, json_get_string(trigger, "name", "?"));
    add_integer(table, trigger, "count");
    table_add(table, strcmp(state, "never") == 0 ? "not yet counted" : state);
    add_duration(table, trigger, "age_ms");
    add_duration(table, trigger, "polling_interval_ms");
    add_integer(table, trigger, "target");
    table_addf(table, "%s%s%s", json_get_string(trigger, "table", "?"), index[0] ? "/" : "", index);
    table_add(table, json_get_string(trigger, "region", ""));
    table_add(table, json_get_string(trigger, "identity", ""));
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
        {"EVERY", true}, {"TARGET", true}, {"TABLE", false}, {"REGION", false},
        {"IDENTITY", false}};
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
