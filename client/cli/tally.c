/* SPDX-License-Identifier: Apache-2.0 */
/* tally: the command that asks a tally agent. Options, the choice of the verb, and help. */
#include "client/cli/cli.h"
#include "client/cli/json.h"
#include "client/cli/terminal.h"
#include "client/cli/verbs.h"
#include "proto/suggest.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < verb_count; i++) {
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    }
    return NULL;
}

static int refuse_verb(const char *name)
{
    size_t best = 0;
    unsigned least = UINT_MAX;

    for (size_t i = 0; i < verb_count; i++) {
        unsigned distance = suggest_distance(name, verbs[i].name);

        if (distance < least) {
            least = distance;
            best = i;
        }
    }
    if (suggest_is_near(name, least))
        return cli_usage("unknown verb \"%s\"; did you mean %s?", name, verbs[best].name);
    return cli_usage("unknown verb \"%s\"; `tally --help` lists them", name);
}

static bool take_output(struct cli *cli, const struct verb *verb)
{
    static const char *const names[] = {"text", "json", "prometheus"};
    const char *name = cli->arguments.text[OPTION_OUTPUT];

    if (name == NULL)
        return true;
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], name) == 0 && (verb->outputs & (1u << i))) {
            cli->output = (enum cli_output)i;
            return true;
        }
    }
    cli_usage("--output: %s has no \"%s\": it has text%s%s", verb->name, name,
        verb->outputs & OUTPUT_BIT(JSON) ? ", json" : "",
        verb->outputs & OUTPUT_BIT(PROMETHEUS) ? ", prometheus" : "");
    return false;
}

static int tally_run(struct cli *cli, const struct verb *verb)
{
    const struct arguments *arguments = &cli->arguments;
    size_t operands = arguments->operand_count - 1;
    const char *misplaced = options_misplaced(arguments, OPTIONS_GLOBAL | verb->options);

    if (misplaced != NULL)
        return cli_usage("%s does not take option --%s; `tally %s --help` lists what it takes",
            verb->name, misplaced, verb->name);
    if (operands < verb->operands_min)
        return cli_usage("%s needs more: tally %s %s", verb->name, verb->name, verb->operands);
    if (operands > verb->operands_max)
        return cli_usage("%s takes no \"%s\": tally %s %s", verb->name,
            arguments->operands[verb->operands_max + 1], verb->name, verb->operands);
    if (!take_output(cli, verb))
        return EXIT_USAGE;
    if (cli_given(cli, OPTION_ALL) && cli->output == OUTPUT_PROMETHEUS)
        return cli_usage("--all: has text and json; a scraper asks each agent by its socket");
    if (cli->output == OUTPUT_JSON)
        cli_print_errors_as_json();
    if (verb->paged && cli->output == OUTPUT_TEXT)
        pager_begin();
    int code = cli_given(cli, OPTION_ALL) ? sockets_run_all(cli, verb->run) : verb->run(cli);
    pager_end();
    return code;
}

static int run_command(struct cli *cli)
{
    const struct arguments *arguments = &cli->arguments;
    bool help = cli_given(cli, OPTION_HELP);

    cli->socket = arguments->text[OPTION_SOCKET];
    if (cli_given(cli, OPTION_VERSION)) {
        terminal_print(stdout, "tally %s\n", tally_version());
        return EXIT_OK;
    }
    const char *name = arguments->operand_count > 0 ? arguments->operands[0] : NULL;
    if (name != NULL && strcmp(name, "help") == 0) {
        help = true;
        name = cli_operand(cli, 0);
    }
    if (name == NULL) {
        help_print(help ? stdout : stderr);
        return help ? EXIT_OK : EXIT_USAGE;
    }
    const struct verb *verb = find_verb(name);
    if (verb == NULL)
        return refuse_verb(name);
    if (help) {
        help_print_verb(verb, stdout);
        return EXIT_OK;
    }
    return tally_run(cli, verb);
}

int main(int argc, char **argv)
{
    struct cli cli = {0};
    char error[256];

    json_set_allocator(memory_allocate);
    int code = options_parse(&cli.arguments, argc, argv, error, sizeof(error))
                   ? run_command(&cli)
                   : cli_usage("%s", error);
    tally_close(cli.tally);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        terminal_print(stderr, "tally: OUTPUT: cannot write the result: %s\n", strerror(errno));
        return code != EXIT_OK ? code : EXIT_ERROR;
    }
    return code;
}
