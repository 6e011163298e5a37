/* SPDX-License-Identifier: Apache-2.0 */
/* tally ready and tally ping: does the agent answer? */
#include "client/cli/cli.h"
#include "client/cli/count.h"
#include "client/cli/terminal.h"

#include <inttypes.h>
#include <time.h>

/* The same as the agent's default --max-stale: within it, probing costs no AWS call. Where there is
 * no count yet, one item shows that the agent can count. */
enum { READY_MAX_AGE_MS = 15 * 60 * 1000 };

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

int run_ping(struct cli *cli)
{
    struct json *answer = NULL;
    int code = cli_open(cli);
    if (code != EXIT_OK)
        return code;
    /* The first call connects; what is measured is the round trip of the second. */
    code = cli_ask(cli, cli_request(cli, "ping"), "pid", JSON_KIND_INTEGER, &answer);
    if (code != EXIT_OK)
        return code;
    json_free(answer);
    answer = NULL;
    double start = now_ms();
    code = cli_ask(cli, cli_request(cli, "ping"), "pid", JSON_KIND_INTEGER, &answer);
    if (code != EXIT_OK)
        return code;
    double taken = now_ms() - start;
    if (cli->output == OUTPUT_JSON) {
        json_set(answer, "round_trip_ms", json_new_real(taken));
        json_print(stdout, answer, false);
    } else {
        terminal_print(stdout, "%.2f ms\n", taken);
    }
    json_free(answer);
    return EXIT_OK;
}

static int ready_trigger(struct cli *cli, struct json **answer)
{
    struct tally_request *request = NULL;
    int code = count_request(cli, &request);
    if (code != EXIT_OK)
        return code;
    if (!cli_given(cli, OPTION_MAX_AGE))
        tally_request_set_integer(request, "max_age_ms", READY_MAX_AGE_MS);
    tally_request_set_integer(request, "enough", 1);
    return cli_ask(cli, request, "count", JSON_KIND_INTEGER, answer);
}

int run_ready(struct cli *cli)
{
    struct json *answer = NULL;
    int64_t count = 0;
    /* tallyd binds its socket only after it has read its configuration: an answer proves both. */
    int code = cli_operand(cli, 0) != NULL
                   ? ready_trigger(cli, &answer)
                   : cli_ask(cli, cli_request(cli, "hello"), "agent", JSON_KIND_STRING, &answer);
    if (code != EXIT_OK)
        return code;
    if (cli_operand(cli, 0) == NULL && !cli_is_hello(answer)) {
        json_free(answer);
        return cli_refuse(TALLY_EPROTOCOL, "what answers is not the agent");
    }
    if (cli->output == OUTPUT_JSON)
        json_print(stdout, answer, false);
    else if (json_get_integer(answer, "count", &count))
        terminal_print(
            stdout, "ready: %" PRId64 " (%s)\n", count, json_get_string(answer, "quality", "?"));
    else
        terminal_print(stdout, "ready\n");
    json_free(answer);
    return EXIT_OK;
}
