/* tally count. */
#include "client/cli/count.h"
#include "client/cli/terminal.h"

#include "client/cli/memory.h"
#include "client/cli/prometheus.h"
#include "client/cli/value.h"
#include "proto/duration.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int count_add_list(const struct cli *cli, struct tally_request *request, enum option_id option,
    const char *field, bool (*add)(struct json *, const char *, char *, size_t))
{
    char error[512];
    int code = EXIT_OK;
    size_t len = 0, count = cli->arguments.list_count[option];
    if (count == 0)
        return EXIT_OK;
    struct json *map = json_new_map();
    for (size_t i = 0; i < count; i++) {
        if (!add(map, cli->arguments.list[option][i], error, sizeof(error))) {
            json_free(map);
            return cli_usage("%s", error);
        }
    }
    void *packed = json_to_msgpack(map, &len);
    int r = tally_request_set_packed(request, field, packed, len);
    if (r == TALLY_ENOMEM)
        memory_exhausted();
    if (r < 0)
        code = cli_usage("the %s are too long, or nested too deep", field);
    free(packed);
    json_free(map);
    return code;
}

int count_request(const struct cli *cli, struct tally_request **request)
{
    int code = EXIT_OK;
    *request = cli_request(cli, "count");
    if (*request == NULL)
        return cli_refuse(TALLY_ENOMEM, tally_strerror(TALLY_ENOMEM));
    if (cli_given(cli, OPTION_MAX_AGE))
        tally_request_set_integer(*request, "max_age_ms", cli_number(cli, OPTION_MAX_AGE, 0));
    if (cli_given(cli, OPTION_REPLICAS))
        tally_request_set_integer(*request, "replicas", cli_number(cli, OPTION_REPLICAS, 0));
    code = count_add_list(cli, *request, OPTION_VALUE, "values", value_add);
    if (code != EXIT_OK) {
        tally_request_free(*request);
        *request = NULL;
    }
    return code;
}

void count_remark(const struct json *answer)
{
    const char *quality = json_get_string(answer, "quality", "");
    int64_t age = 0, pages = 0;
    char text[32];
    json_get_integer(answer, "age_ms", &age);
    json_get_integer(answer, "pages", &pages);
    duration_format(age, text, sizeof(text));
    if (strcmp(quality, "stale") == 0)
        cli_note("stale: counted %s ago, because asking again failed: %s: %s", text,
            json_get_string(answer, "last_error.name", "UNKNOWN"),
            json_get_string(answer, "last_error.message", "no reason given"));
    else if (strcmp(quality, "at_least") == 0)
        cli_note("at least: counting stopped at its configured limit, after %" PRId64 " page%s",
            pages, pages == 1 ? "" : "s");
    else if (strcmp(quality, "exact") != 0)
        cli_note("the agent calls the count \"%s\"; this command does not know what that means",
            quality);
    if (json_get_bool(answer, "fallback", false))
        cli_note("the trigger has failed so often that its fallback replicas apply");
}

static int print_count(struct cli *cli, const struct json *answer, int64_t count)
{
    if (cli->output == OUTPUT_JSON)
        json_print(stdout, answer, false);
    else if (cli->output == OUTPUT_PROMETHEUS)
        prometheus_count(stdout, answer);
    else
        terminal_print(stdout, "%" PRId64 "\n", count);
    count_remark(answer);
    return EXIT_OK;
}

/* --exact: any other quality is an error, and no number is printed. */
static int refuse_inexact(const struct json *answer, int64_t count)
{
    const char *quality = json_get_string(answer, "quality", "");

    count_remark(answer);
    return cli_error("NOT_EXACT", EXIT_ERROR, "the count of %" PRId64 " is %s", count,
        strcmp(quality, "at_least") == 0 ? "a lower bound"
        : strcmp(quality, "stale") == 0  ? "stale"
                                         : "of a quality that this command does not know");
}

static bool is_exact(const struct json *answer)
{
    return strcmp(json_get_string(answer, "quality", ""), "exact") == 0;
}

int run_count(struct cli *cli)
{
    struct tally_request *request = NULL;
    struct json *answer = NULL;
    int64_t count = 0;
    int code = count_request(cli, &request);
    if (code == EXIT_OK)
        code = cli_ask(cli, request, "count", JSON_KIND_INTEGER, &answer);
    if (code != EXIT_OK)
        return code;
    json_get_integer(answer, "count", &count);
    if (cli_given(cli, OPTION_EXACT) && !is_exact(answer))
        code = refuse_inexact(answer, count);
    else
        code = print_count(cli, answer, count);
    json_free(answer);
    return code;
}
