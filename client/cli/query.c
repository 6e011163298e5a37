/* tally query: a count that no trigger describes. */
#include "client/cli/count.h"
#include "client/cli/terminal.h"
#include "client/cli/value.h"

#include <inttypes.h>

static int fill(const struct cli *cli, struct tally_request *request)
{
    static const struct {
        enum option_id option;
        const char *field;
    } texts[] = {
        {OPTION_FILTER, "filter"},
        {OPTION_INDEX, "index"},
        {OPTION_REGION, "region"},
        {OPTION_IDENTITY_OF, "identity_of"},
        {OPTION_ENDPOINT, "endpoint"},
    };
    tally_request_set_string(request, "table", cli_operand(cli, 0));
    tally_request_set_string(request, "key_condition", cli_operand(cli, 1));
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (cli_given(cli, texts[i].option))
            tally_request_set_string(request, texts[i].field, cli->arguments.text[texts[i].option]);
    }
    if (cli_given(cli, OPTION_CONSISTENT))
        tally_request_set_bool(request, "consistent_read", 1);
    if (cli_given(cli, OPTION_MAX_PAGES))
        tally_request_set_integer(request, "max_pages", cli_number(cli, OPTION_MAX_PAGES, 0));
    int code = count_add_list(cli, request, OPTION_NAME, "names", value_add_name);
    if (code == EXIT_OK)
        code = count_add_list(cli, request, OPTION_VALUE, "values", value_add);
    return code;
}

int run_query(struct cli *cli)
{
    struct tally_request *request = NULL;
    struct json *answer = NULL;
    int64_t count = 0;
    if (tally_request_new(&request, "query") < 0)
        return cli_refuse(TALLY_ENOMEM, tally_strerror(TALLY_ENOMEM));
    int code = fill(cli, request);
    if (code != EXIT_OK) {
        tally_request_free(request);
        return code;
    }
    code = cli_ask(cli, request, "count", JSON_KIND_INTEGER, &answer);
    if (code != EXIT_OK)
        return code;
    json_get_integer(answer, "count", &count);
    if (cli->output == OUTPUT_JSON)
        json_print(stdout, answer, false);
    else
        terminal_print(stdout, "%" PRId64 "\n", count);
    count_remark(answer);
    json_free(answer);
    return code;
}
