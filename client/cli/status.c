/* tally status. */
#include "client/cli/cli.h"
#include "client/cli/tree.h"

int run_status(struct cli *cli)
{
    struct json *answer = NULL;
    int code = cli_ask(cli, cli_request(cli, "status"), &answer);
    if (code != EXIT_OK)
        return code;
    if (cli->output == OUTPUT_JSON)
        json_print(stdout, answer, false);
    else
        tree_print(stdout, answer, 0, NULL);
    json_free(answer);
    return EXIT_OK;
}
