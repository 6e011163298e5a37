/* tally wait. */
#include "client/cli/condition.h"
#include "client/cli/count.h"
#include "client/cli/terminal.h"
#include "proto/duration.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum {
    WAIT_DEFAULT_MS = 5 * 60 * 1000,
    LOOK_MS_MAX = 30 * 1000, /* one call, so that an agent that hangs is noticed */
};

struct wait {
    struct cli *cli;
    struct condition condition;
    struct tally_request *request;
    int64_t deadline;
    int last_error; /* of the last look; 0: it was a count */
    int64_t count;  /* the last one, where `counted` */
    bool counted;
    char quality[16];
    char last_told[400]; /* the last remark, which is not repeated */
};

static void remark(struct wait *wait, const char *name, const char *message)
{
    if (strcmp(wait->last_told, message) == 0)
        return;
    snprintf(wait->last_told, sizeof(wait->last_told), "%s", message);
    cli_note("%s: %s; asking again", name, message);
}

/* Keeps what the answer says, for the error that may come. */
static enum verdict judge(struct wait *wait, struct json **answer)
{
    const void *packed = NULL;
    size_t len = 0;
    tally_answer_packed(tally_last_answer(wait->cli->tally), NULL, &packed, &len);
    *answer = json_from_msgpack(packed, len);
    if (*answer == NULL || !json_get_integer(*answer, "count", &wait->count))
        return VERDICT_UNKNOWN;
    wait->counted = true;
    snprintf(wait->quality, sizeof(wait->quality), "%s", json_get_string(*answer, "quality", "?"));
    if (strcmp(wait->quality, "stale") == 0)
        remark(wait, "stale", json_get_string(*answer, "last_error.message", "no reason given"));
    return condition_check(&wait->condition, *answer);
}

/* One look. *done: the exit code is final. */
static int look(struct wait *wait, bool *done)
{
    struct json *answer = NULL;
    struct tally *tally = wait->cli->tally;
    int64_t left = wait->deadline - cli_clock_ms();
    tally_set_timeout(tally, left > LOOK_MS_MAX ? LOOK_MS_MAX : left < 1 ? 1 : (int)left);
    int r = tally_call(tally, wait->request);
    wait->last_error = r;
    if (r < 0) {
        const struct tally_answer *told = tally_last_answer(tally);
        if (!tally_answer_retryable(told)) {
            *done = true;
            return cli_fail(told);
        }
        remark(wait, tally_error_name(r), tally_answer_error_message(told));
        return EXIT_OK;
    }
    if (judge(wait, &answer) == VERDICT_YES) {
        *done = true;
        if (wait->cli->output == OUTPUT_JSON)
            json_print(stdout, answer, false);
        else
            terminal_print(stdout, "%" PRId64 "\n", wait->count);
    }
    json_free(answer);
    return EXIT_OK;
}

static int fail_deadline(const struct wait *wait)
{
    char text[400], waited[32];
    duration_format(cli_number(wait->cli, OPTION_TIMEOUT, WAIT_DEFAULT_MS), waited, sizeof(waited));
    int used = snprintf(text, sizeof(text), "%s: \"%s\" did not come true within %s",
        cli_operand(wait->cli, 0), wait->cli->arguments.text[OPTION_UNTIL], waited);
    if (wait->counted && used > 0 && (size_t)used < sizeof(text))
        snprintf(text + used, sizeof(text) - (size_t)used, "; the last count was %" PRId64 " (%s)",
            wait->count, wait->quality);
    if (!wait->counted && wait->last_error < 0)
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
    wait.deadline = cli_clock_ms() + cli_number(cli, OPTION_TIMEOUT, WAIT_DEFAULT_MS);
    int code = count_request(cli, &wait.request);
    if (code == EXIT_OK)
        code = cli_open_within(cli, LOOK_MS_MAX);
    if (code != EXIT_OK)
        goto finish;
    tally_set_wait_for_agent(cli->tally, 1); /* init containers start before their sidecar */
    for (;;) {
        code = look(&wait, &done);
        if (done)
            break;
        int64_t left = wait.deadline - cli_clock_ms();
        if (left <= interval) {
            code = fail_deadline(&wait);
            break;
        }
        poll(NULL, 0, (int)(interval < LOOK_MS_MAX ? interval : LOOK_MS_MAX));
    }
finish:
    tally_request_free(wait.request);
    return code;
}
