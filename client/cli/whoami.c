/* tally whoami. */
#include "client/cli/cli.h"
#include "client/cli/terminal.h"
#include "client/cli/tree.h"
#include "proto/duration.h"

#include <string.h>

static void print_state(const struct json *identity)
{
    const char *state = json_get_string(identity, "state", "?");
    bool good = strcmp(state, "valid") == 0;
    char text[32];
    int64_t left = 0;
    printf("  %s", terminal_colour(stdout, good ? COLOUR_GREEN : COLOUR_YELLOW));
    if (strcmp(state, "none") == 0)
        fputs("no credentials were needed yet", stdout);
    else
        terminal_print(stdout, state);
    fputs(terminal_reset(stdout), stdout);
    if (json_get_integer(identity, "expires_in_ms", &left)) {
        duration_format(left < 0 ? -left : left, text, sizeof(text));
        printf(left < 0 ? ", expired %s ago" : ", expires in %s", text);
    }
    if (json_get_integer(identity, "refresh_in_ms", &left)) {
        duration_format(left < 0 ? 0 : left, text, sizeof(text));
        printf(", refreshed in %s", text);
    }
    putchar('\n');
}

static void print_identity(const struct json *identity)
{
    static const char *const said[] = {
        "kind", "triggers", "why", "state", "expires_in_ms", "refresh_in_ms", NULL};
    char triggers[512] = "";
    const struct json *names = json_get(identity, "triggers");
    if (names != NULL)
        tree_value("triggers", names, triggers, sizeof(triggers));
    fputs(terminal_colour(stdout, COLOUR_BOLD), stdout);
    terminal_print(stdout, json_get_string(identity, "kind", "?"));
    fputs(terminal_reset(stdout), stdout);
    if (triggers[0] != '\0') {
        fputs(" for ", stdout);
        terminal_print(stdout, triggers);
    }
    fputs("\n  because ", stdout);
    terminal_print(stdout, json_get_string(identity, "why", "the agent does not say"));
    putchar('\n');
    print_state(identity);
    tree_print(stdout, identity, 2, said);
}

int run_whoami(struct cli *cli)
{
    struct json *answer = NULL;
    int code = cli_ask(cli, cli_request(cli, "whoami"), &answer);
    if (code != EXIT_OK)
        return code;
    const struct json *identities = json_get(answer, "identities");
    if (cli->output == OUTPUT_JSON) {
        json_print(stdout, answer, false);
    } else {
        for (size_t i = 0; identities != NULL && i < json_size(identities); i++) {
            if (i > 0)
                putchar('\n');
            print_identity(json_at(identities, i));
        }
    }
    json_free(answer);
    return EXIT_OK;
}
