/* tally status. */
#include "client/cli/cli.h"
#include "client/cli/prometheus.h"
#include "client/cli/tree.h"

/* A scraper runs one command: the triggers' counts come along. */
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
