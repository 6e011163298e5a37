/* SPDX-License-Identifier: Apache-2.0 */
/* tally: the command that queries a tally agent. The table of its verbs, help, and the choice of
 * the verb. */
#include "client/cli/json.h"
#include "client/cli/terminal.h"
#include "client/cli/verbs.h"
#include "proto/suggest.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

/* ---- verbs ---- */

struct verb {
    const char *name;
    const char *operands; /* as help shows them */
    size_t operands_min, operands_max;
    uint32_t options; /* OPTION_BITs beyond the global ones */
    unsigned outputs; /* OUTPUT_BITs */
    const char *summary;
    const char *help; /* a paragraph or two, and an example */
    int (*run)(struct cli *cli);
    bool paged; /* its text may be long, and is shown through a pager */
};

#define TEXT_AND_JSON (OUTPUT_BIT(TEXT) | OUTPUT_BIT(JSON))
#define ALL_OUTPUTS   (TEXT_AND_JSON | OUTPUT_BIT(PROMETHEUS))

static const struct verb verbs[] = {
    {"count", "TRIGGER", 1, 1,
        OPTION_BIT(ALL) | OPTION_BIT(MAX_AGE) | OPTION_BIT(ENOUGH) | OPTION_BIT(EXACT) |
            OPTION_BIT(VALUE) | OPTION_BIT(REPLICAS),
        ALL_OUTPUTS, "how many items a trigger counts",
        "Prints the number, nothing else. Where it is stale, or counting stopped at a\n"
        "configured limit, a note on stderr says so; with --exact that is an error (exit 1).\n"
        "Without --max-age the number is at most pollingInterval old; --max-age 0 asks AWS.\n"
        "With --enough N counting ends at N items, which is cheap: `tally count orders\n"
        "--enough 1` reads one item to say whether there is any.\n"
        "\n"
        "  $ tally count orders\n"
        "  25000\n"
        "  $ tally count orders --max-age 0 --value :customer=c-17\n",
        run_count, false},
    {"list", "", 0, 0, OPTION_BIT(ALL), ALL_OUTPUTS, "the triggers and what is known of each",
        "  $ tally list\n", run_list, true},
    {"whoami", "[TRIGGER]", 0, 1, OPTION_BIT(ALL), TEXT_AND_JSON,
        "which AWS identity, why, until when",
        "Prints every identity, or the one of a trigger, without any secret. Exits 0 also\n"
        "where AWS cannot be reached, and says so.\n"
        "\n"
        "  $ tally whoami orders\n",
        run_whoami, true},
    {"status", "", 0, 0, OPTION_BIT(ALL), ALL_OUTPUTS,
        "the agent: clients, cache, AWS calls, costs",
        "With -o prometheus: the counters, and the triggers' counts, in the text format of\n"
        "Prometheus, for a textfile collector.\n"
        "\n"
        "  $ tally status\n"
        "  $ tally -o prometheus status > /var/lib/node_exporter/tally.prom\n",
        run_status, true},
    {"watch", "TRIGGER", 1, 1, OPTION_BIT(MAX_AGE), TEXT_AND_JSON, "a line for each change",
        "Prints a line whenever the count or its error changes, until it is interrupted; with\n"
        "a bar in a terminal, and with -o json one JSON object on each line. The agent keeps\n"
        "the count at most --max-age old (the polling interval). --timeout is for the first\n"
        "line alone. An agent that restarts is waited for.\n"
        "\n"
        "  $ tally watch orders\n",
        run_watch, false},
    {"explain", "TRIGGER", 1, 1, OPTION_BIT(ALL) | OPTION_BIT(VALUE) | OPTION_BIT(REPLICAS),
        TEXT_AND_JSON, "configuration, identity, request, pages, cost, decision",
        "Counts once, bypassing the cache, and shows every step to the decision, what the\n"
        "trigger costs in a day, and what KEDA would report. No secret is shown.\n"
        "\n"
        "  $ tally explain orders\n",
        run_explain, true},
    {"doctor", "[TRIGGER]", 0, 1, OPTION_BIT(ALL) | OPTION_BIT(VALUE), TEXT_AND_JSON,
        "what works and what does not, from the socket to the table",
        "Checks each step of a count: socket, agent, configuration, identity, token, proxy,\n"
        "name, certificates, clock, STS, table, and the cost; and says what to do. Without a\n"
        "trigger it counts one of each identity and table, each up to one item: half a read\n"
        "unit. It changes nothing. Exits 0 if nothing is wrong, 1 if there is a problem, 3\n"
        "without an agent, 4 after --timeout (10s).\n"
        "\n"
        "  $ tally doctor\n"
        "  $ tally doctor orders -o json | jq '.[] | select(.state == \"problem\")'\n",
        run_doctor, true},
    {"top", "", 0, 0, OPTION_BIT(INTERVAL), OUTPUT_BIT(TEXT), "status, live",
        "Needs a terminal. q ends it.\n"
        "\n"
        "  $ tally top --interval 2s\n",
        run_top, false},
    {"sockets", "[PATTERN...]", 0, OPERANDS_MAX - 1, 0, TEXT_AND_JSON,
        "the agents of the pods on this node",
        "Searches for tally*.sock in the emptyDir volumes of kubelet's pods and at the default\n"
        "path; or where the shell patterns say that are given as operands, or in TALLY_SOCKETS\n"
        "with colons between them. All are probed at once, --timeout (1s) together, and shown as\n"
        "they answer, with the uid that listens. Symbolic links are not followed from the first\n"
        "wildcard, or the folder of a pod, on. Paths of any length work with -s; and `tally\n"
        "--all VERB` runs a verb with each agent that is found.\n"
        "\n"
        "  $ tally sockets\n"
        "  $ tally -s \"$(tally sockets -o json | jq -r '.[0].path')\" list\n"
        "  $ tally --all list\n",
        run_sockets, false},
    {"ping", "", 0, 0, OPTION_BIT(ALL), TEXT_AND_JSON, "the round-trip time to the agent",
        "  $ tally ping\n"
        "  0.09 ms\n",
        run_ping, false},
    {"ready", "[TRIGGER]", 0, 1, OPTION_BIT(ALL) | OPTION_BIT(MAX_AGE), TEXT_AND_JSON,
        "for probes: exits 0 when the agent is ready",
        "Without a trigger: the configuration is loaded and the socket answers, whatever\n"
        "AWS does. With one: a count of any quality is at hand, at most --max-age old (15m);\n"
        "where there is none yet, the agent reads one item within --timeout. As a probe:\n"
        "\n"
        "  startupProbe: {exec: {command: [tally, ready, orders]}}\n",
        run_ready, false},
    {"wait", "TRIGGER", 1, 1,
        OPTION_BIT(UNTIL) | OPTION_BIT(INTERVAL) | OPTION_BIT(MAX_AGE) | OPTION_BIT(VALUE) |
            OPTION_BIT(REPLICAS),
        TEXT_AND_JSON, "wait until a condition holds, for init containers and preStop hooks",
        "Counts every --interval (1s) until the condition of --until holds, then prints the\n"
        "count and exits 0; after --timeout (5m) it exits 4. It waits for the agent, too, and\n"
        "through errors that may pass. The agent counts again when its count is older than\n"
        "--max-age, or than the polling interval; and no further than the condition needs:\n"
        "one item shows that 'count <= 0' does not hold yet.\n"
        "\n"
        "A condition compares count, scanned, pages, age_ms, consumed_rcu, desired_replicas,\n"
        "active or fallback with a number, true or false, by < <= == != >= >; and, or and\n"
        "parentheses join several. A stale count never fulfils it, and a count that stopped\n"
        "at its limit only what holds for any larger count, too, such as count >= 100.\n"
        "\n"
        "  $ tally wait orders --until 'count <= 0' --timeout 2m --max-age 5s\n"
        "  0\n",
        run_wait, false},
    {"query", "TABLE KEY_CONDITION", 2, 2,
        OPTION_BIT(ALL) | OPTION_BIT(NAME) | OPTION_BIT(VALUE) | OPTION_BIT(FILTER) |
            OPTION_BIT(INDEX) | OPTION_BIT(REGION) | OPTION_BIT(IDENTITY_OF) |
            OPTION_BIT(ENDPOINT) | OPTION_BIT(CONSISTENT) | OPTION_BIT(MAX_PAGES),
        TEXT_AND_JSON, "count without a trigger, where the agent allows it",
        "Needs an agent that was started with --allow-query.\n"
        "\n"
        "  $ tally query orders '#s = :s' --name '#s=state' --value :s=open\n"
        "  25000\n",
        run_query, false},
    {"install", "DIR", 1, 1, 0, OUTPUT_BIT(TEXT), "copy this command into a folder",
        "For a volume that an application container shares, so that its probes and hooks can\n"
        "run tally. The file appears whole, mode 0755; an older one is replaced.\n"
        "\n"
        "  $ tally install /shared\n"
        "  /shared/tally\n",
        run_install, false},
    {"call", "METHOD [JSON]", 1, 2, OPTION_BIT(ALL), TEXT_AND_JSON, "any method: raw debugging",
        "Sends the JSON as params (an array as it is; anything else inside an array) and\n"
        "prints the result as JSON.\n"
        "\n"
        "  $ tally call count '{\"trigger\": \"orders\", \"max_age_ms\": 0}'\n",
        run_call, false},
};

#define VERB_COUNT (sizeof(verbs) / sizeof(verbs[0]))

/* ---- help ---- */

static void help_print(FILE *file)
{
    fputs("tally asks the tally agent how many DynamoDB items wait.\n"
          "\n"
          "  tally [-s SOCKET] [-o text|json|prometheus] VERB [operands and options]\n"
          "\n"
          "Verbs\n",
        file);
    for (size_t i = 0; i < VERB_COUNT; i++) {
        char text[64];

        snprintf(text, sizeof(text), "%s %s", verbs[i].name, verbs[i].operands);
        fprintf(file, "  %-24s %s\n", text, verbs[i].summary);
    }
    fputs("\nOptions of every verb (they may also stand behind it)\n", file);
    options_print(OPTIONS_GLOBAL, file);
    fputs("\n"
          "A duration D is milliseconds, or a number with ms, s, m or h, at most 8760h.\n"
          "Exit codes: 0 ok, 1 the agent answered with an error, 2 usage,\n"
          "3 no agent at the socket, 4 the deadline passed.\n"
          "`tally VERB --help` says more about a verb, with an example.\n",
        file);
}

static void help_print_verb(const struct verb *verb, FILE *file)
{
    fprintf(file, "tally %s%s%s: %s\n\n%s", verb->name, verb->operands[0] != '\0' ? " " : "",
        verb->operands, verb->summary, verb->help);
    if (verb->options != 0) {
        fputs("\nOptions\n", file);
        options_print(verb->options, file);
    }
    fputs("\nOptions of every verb\n", file);
    options_print(OPTIONS_GLOBAL, file);
}

/* ---- the command line ---- */

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    }
    return NULL;
}

static int refuse_verb(const char *name)
{
    const char *known[VERB_COUNT + 1] = {NULL};

    for (size_t i = 0; i < VERB_COUNT; i++)
        known[i] = verbs[i].name;
    const char *close = suggest(name, known);
    if (close != NULL)
        return cli_usage("unknown verb \"%s\"; did you mean %s?", name, close);
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
        cli_print_errors(stderr, true);
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
