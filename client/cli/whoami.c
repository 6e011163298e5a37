/* tally whoami. */
#include "client/cli/cli.h"
#include "client/cli/terminal.h"
#include "client/cli/tree.h"
#include "proto/duration.h"

#include <stdio.h>
#include <string.h>

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
