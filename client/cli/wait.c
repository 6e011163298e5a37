/* SPDX-License-Identifier: Apache-2.0 */
/* tally wait and tally ready, for init containers, hooks and probes. */
#include "client/cli/condition.h"
#include "client/cli/count.h"
#include "client/cli/terminal.h"
#include "client/cli/verbs.h"
#include "proto/clock.h"
#include "proto/duration.h"

#include <inttypes.h>
#include <poll.h>
#include <string.h>

/* ---- wait ---- */

enum {
    WAIT_DEFAULT_MS = 5 * 60 * 1000,
    CALL_MS_MAX = 30 * 1000, /* of one call, so that an agent that hangs is noticed */
};

struct wait {
    struct cli *cli;
    struct condition condition;
    struct tally_request *request;
    int64_t activation; /* the trigger's; 0 before the first answer */
    int64_t deadline;
    int last_error;        /* of the last call; 0: it was a count */
    struct json *answer;   /* the last count; NULL: none yet */
    char last_remark[400]; /* the last remark, which is not repeated */
};

static void wait_remark(struct wait *wait, const char *name, const char *message)
{
    if (strcmp(wait->last_remark, message) == 0)
        return;
    snprintf(wait->last_remark, sizeof(wait->last_remark), "%s", message);
    cli_note("%s: %s; retrying", name, message);
}

/* Keeps the answer, for an error that may follow. */
static enum verdict wait_judge(struct wait *wait)
{
    struct json *answer = json_from_answer(tally_last_answer(wait->cli->tally));
    int64_t count = 0;

    if (!json_get_integer(answer, "count", &count)) {
        json_free(answer);
        return VERDICT_UNKNOWN;
    }
    json_free(wait->answer);
    wait->answer = answer;
    if (strcmp(json_get_string(answer, "quality", ""), "stale") == 0)
        wait_remark(
            wait, "stale", json_get_string(answer, "last_error.message", "no reason given"));
    return condition_check(&wait->condition, answer);
}

/* Makes the request, which asks for no more than the condition needs. */
static int wait_prepare(struct wait *wait)
{
    int64_t enough = condition_enough(&wait->condition, wait->activation);

    tally_request_free(wait->request);
    wait->request = count_request(wait->cli, "count", "trigger");
    if (wait->request != NULL && enough > 0)
        tally_request_set_integer(wait->request, "enough", enough);
    return wait->request != NULL ? EXIT_OK : EXIT_USAGE;
}

/* Whether the answer has another activation than the request was made with. */
static bool wait_learn_activation(struct wait *wait)
{
    int64_t activation = json_get_integer_or(wait->answer, "activation_target", wait->activation);

    if (activation < 0)
        activation = 0;
    if (activation == wait->activation)
        return false;
    wait->activation = activation;
    return true;
}

/* One call. *done: the exit code is final. */
static int wait_call(struct wait *wait, bool *done)
{
    struct tally *tally = wait->cli->tally;
    int64_t left = wait->deadline - clock_ms();

    tally_set_timeout(tally, left > CALL_MS_MAX ? CALL_MS_MAX : left < 1 ? 1 : (int)left);
    int r = tally_call(tally, wait->request);
    wait->last_error = r;
    if (r < 0) {
        const struct tally_answer *last = tally_last_answer(tally);

        if (!tally_answer_retryable(last)) {
            *done = true;
            return cli_fail(last);
        }
        wait_remark(wait, tally_error_name(r), tally_answer_error_message(last));
        return EXIT_OK;
    }
    enum verdict verdict = wait_judge(wait);
    if (verdict == VERDICT_UNKNOWN && wait_learn_activation(wait))
        return wait_prepare(wait);
    *done = verdict == VERDICT_YES;
    if (*done && wait->cli->output == OUTPUT_JSON)
        json_print(stdout, wait->answer, false);
    else if (*done)
        terminal_print(stdout, "%" PRId64 "\n", json_get_integer_or(wait->answer, "count", 0));
    return EXIT_OK;
}

static int wait_fail_deadline(const struct wait *wait)
{
    char text[400], waited[32];

    duration_format(cli_number(wait->cli, OPTION_TIMEOUT, WAIT_DEFAULT_MS), waited, sizeof(waited));
    int used = snprintf(text, sizeof(text), "%s: \"%s\" did not come true within %s",
        cli_operand(wait->cli, 0), wait->cli->arguments.text[OPTION_UNTIL], waited);
    if (wait->answer != NULL && used > 0 && (size_t)used < sizeof(text))
        snprintf(text + used, sizeof(text) - (size_t)used, "; the last count was %" PRId64 " (%s)",
            json_get_integer_or(wait->answer, "count", 0),
            json_get_string(wait->answer, "quality", "?"));
    if (wait->answer == NULL && wait->last_error < 0)
        return cli_refuse(
            wait->last_error == TALLY_ENOAGENT ? TALLY_ENOAGENT : TALLY_EDEADLINE, text);
    return cli_refuse(TALLY_EDEADLINE, text);
}

int run_wait(struct cli *cli)
{
    struct wait wait = {.cli = cli};
    char error[400];
    bool done = false;
    int64_t interval = cli_number(cli, OPTION_INTERVAL, 1000);
    const char *until = cli->arguments.text[OPTION_UNTIL];

    if (until == NULL)
        return cli_usage("wait needs a condition: tally wait TRIGGER --until 'count <= 0'");
    if (!condition_parse(&wait.condition, until, error, sizeof(error)))
        return cli_usage("--until: %s", error);
    wait.deadline = clock_ms() + cli_number(cli, OPTION_TIMEOUT, WAIT_DEFAULT_MS);
    int code = wait_prepare(&wait);
    if (code == EXIT_OK)
        code = cli_open(cli, CALL_MS_MAX);
    if (code != EXIT_OK)
        goto finish;
    tally_set_wait_for_agent(cli->tally, 1); /* init containers start before their sidecar */
    for (;;) {
        code = wait_call(&wait, &done);
        if (done)
            break;
        int64_t left = wait.deadline - clock_ms();
        if (left <= interval) {
            code = wait_fail_deadline(&wait);
            break;
        }
        poll(NULL, 0, (int)(interval < CALL_MS_MAX ? interval : CALL_MS_MAX));
    }
finish:
    tally_request_free(wait.request);
    json_free(wait.answer);
    return code;
}

/* ---- ready ---- */

/* The same as the agent's default --max-stale: within it, probing costs no AWS call. Where there is
 * no count yet, one item shows that the agent can count. */
enum { READY_MAX_AGE_MS = 15 * 60 * 1000 };

static int ready_ask_count(struct cli *cli, struct json **answer)
{
    struct tally_request *request = count_request(cli, "count", "trigger");

    if (request != NULL && !cli_given(cli, OPTION_MAX_AGE))
        tally_request_set_integer(request, "max_age_ms", READY_MAX_AGE_MS);
    if (request != NULL)
        tally_request_set_integer(request, "enough", 1);
    return cli_ask(cli, request, "count", JSON_KIND_INTEGER, answer);
}

/* tallyd binds its socket only after it has read its configuration: an answer proves both. */
static int ready_ask_hello(struct cli *cli, struct json **answer)
{
    int code = cli_ask(cli, cli_request(cli, "hello", NULL), "agent", JSON_KIND_STRING, answer);

    if (code == EXIT_OK && !cli_is_hello(*answer))
        return cli_refuse(TALLY_EPROTOCOL, "what answers is not the agent");
    return code;
}

static int ready_show(struct cli *cli, const struct json *answer)
{
    int64_t count = 0;

    (void)cli;
    if (json_get_integer(answer, "count", &count))
        terminal_print(
            stdout, "ready: %" PRId64 " (%s)\n", count, json_get_string(answer, "quality", "?"));
    else
        terminal_print(stdout, "ready\n");
    return EXIT_OK;
}

int run_ready(struct cli *cli)
{
    struct json *answer = NULL;
    int code = cli_operand(cli, 0) != NULL ? ready_ask_count(cli, &answer)
                                           : ready_ask_hello(cli, &answer);

    return cli_show(cli, code, answer, ready_show);
}
