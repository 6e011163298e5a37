/* tally call: any method, as it is. */
#include "client/cli/cli.h"

#include <stdlib.h>

static int print_result(const void *packed, size_t len)
{
    struct json *json = json_from_msgpack(packed, len);
    if (json == NULL)
        return cli_refuse(TALLY_EPROTOCOL, "the agent's answer is no msgpack");
    json_print(stdout, json, false);
    json_free(json);
    return EXIT_OK;
}

/* Params are an array: one that was written as such, or one around what was written. */
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
    *params = json_to_msgpack(json, len);
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
