/* SPDX-License-Identifier: Apache-2.0 */
/* tally watch: a line per change. */
#include "client/cli/count.h"
#include "client/cli/table.h"
#include "client/cli/terminal.h"
#include "client/cli/verbs.h"
#include "proto/clock.h"

#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct watch {
    struct cli *cli;
    bool terminal;
    bool utf8;
    bool seen;    /* a count or an error was printed */
    bool alive;   /* the agent answered */
    int64_t most; /* the largest count so far: the bar's scale where the trigger has no target */
    bool done;
    int code;
};

static void watch_print_time(void)
{
    struct timespec now;
    struct tm parts;
    char text[32];

    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &parts);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S%z", &parts);
    terminal_print(stdout, "%s", text);
}

/* The rate has a column of its own, beside the bar where there is space for both. */
enum { BAR_AT = 66, BAR_LEAST = 4, RATE_WIDTH = 26 };

/* The scale is the trigger's target, so that two bars can be compared; a full bar is followed by
 * how often the target is exceeded. */
static void watch_print_bar(struct watch *watch, int64_t count, int64_t target, size_t from)
{
    size_t columns, rows;
    char text[1024];

    terminal_size(stdout, &columns, &rows);
    if (columns < from + BAR_LEAST)
        return;
    if (count > watch->most)
        watch->most = count;
    bar_draw(
        count, target > 0 ? target : watch->most, columns - from, watch->utf8, text, sizeof(text));
    terminal_print(stdout, "  ");
    terminal_print_coloured(stdout, COLOUR_GREEN, text);
    if (target > 0 && count > target)
        terminal_print(stdout, " %.4gx target", (double)count / (double)target);
}

/* Returns the columns that it has used, beside a bar. */
static size_t watch_print_rate(const struct watch *watch, const struct json *answer)
{
    char text[64];

    count_describe_rate(answer, text, sizeof(text));
    if (text[0] == '\0')
        return 0;
    terminal_print(stdout, "  %-*s", watch->terminal ? RATE_WIDTH - 2 : 0, text);
    return RATE_WIDTH;
}

/* Why a stale count is not newer. */
static void watch_print_reason(const struct json *answer)
{
    const char *name = json_get_string(answer, "last_error.name", "");

    if (name[0] == '\0')
        return;
    terminal_print(stdout, "  ");
    terminal_print_coloured(stdout, COLOUR_RED, name);
    terminal_print(stdout, ": %s", json_get_string(answer, "last_error.message", ""));
}

static void watch_print_count(struct watch *watch, const struct json *answer)
{
    int64_t count = json_get_integer_or(answer, "count", 0);
    int64_t target = json_get_integer_or(answer, "target", 0);
    const char *quality = json_get_string(answer, "quality", "?");

    watch_print_time();
    terminal_print(stdout, "  %12" PRId64 "  %s", count, quality);
    watch_print_reason(answer);
    if (strcmp(quality, "stale") != 0) {
        size_t width = strlen(quality);

        if (watch->terminal)
            terminal_print(stdout, "%*s", width < 8 ? (int)(8 - width) : 0, "");
        width = watch_print_rate(watch, answer);
        if (watch->terminal)
            watch_print_bar(watch, count, target, BAR_AT + width);
    }
    terminal_print(stdout, "\n");
}

static void watch_print_error(const struct tally_answer *answer)
{
    watch_print_time();
    terminal_print(stdout, "  %12s  ", "-");
    terminal_print_coloured(stdout, COLOUR_RED, tally_answer_error_name(answer));
    terminal_print(stdout, ": %s\n", tally_answer_error_message(answer));
}

static void on_change(const struct tally_answer *answer, void *data)
{
    struct watch *watch = data;
    int error = tally_answer_error(answer);
    bool first = !watch->seen;

    if (error == TALLY_ECLOSED)
        return;
    watch->seen = true;
    struct json *json = json_from_answer(answer);
    bool is_count = json_get(json, "trigger") != NULL;
    if (error == TALLY_ENOAGENT && !first)
        cli_note("%s; waiting for it", tally_answer_error_message(answer));
    else if (error < 0 && (!is_count || error == TALLY_EUNKNOWN_TRIGGER)) {
        watch->code = cli_fail(answer); /* the watch was refused, or its trigger was removed */
        watch->done = true;
    } else if (watch->cli->output == OUTPUT_JSON && json != NULL)
        json_print(stdout, json, true);
    else if (error < 0)
        watch_print_error(answer);
    else if (json != NULL)
        watch_print_count(watch, json);
    json_free(json);
}

/* Sent beside the watch: an answer distinguishes a first count that takes long from an agent that
 * hangs. */
static void on_ping(const struct tally_answer *answer, void *data)
{
    struct watch *watch = data;

    watch->alive = tally_answer_error(answer) == 0;
}

/* Before the first output: after the deadline a slow first count of a running agent is waited for,
 * unless --timeout was given. EXIT_OK: go on, for at most *timeout. */
static int watch_check_deadline(struct watch *watch, int64_t *deadline, int *timeout)
{
    int64_t left = *deadline - clock_ms();

    if (watch->seen || *deadline == INT64_MAX)
        return EXIT_OK;
    if (left <= 0 && (!watch->alive || cli_given(watch->cli, OPTION_TIMEOUT)))
        return cli_refuse(TALLY_EDEADLINE,
            watch->alive ? "there is no first count yet" : "the agent does not answer");
    if (left <= 0) {
        cli_note("the first count takes long; waiting for it");
        *deadline = INT64_MAX;
    } else if (*timeout < 0 || *timeout > left) {
        *timeout = left < INT_MAX ? (int)left : INT_MAX;
    }
    return EXIT_OK;
}

/* Runs the loop until the watch ends, without an error only by an interrupt, or by the end of the
 * program that reads the lines: poll(2) always reports that. */
static int watch_run(struct watch *watch, struct tally_async *async)
{
    int64_t deadline = clock_ms() + cli_number(watch->cli, OPTION_TIMEOUT, 5000);

    while (!watch->done) {
        struct pollfd fds[] = {
            {tally_async_fd(async), tally_async_events(async), 0}, {STDOUT_FILENO, 0, 0}};
        int timeout = tally_async_timeout(async);
        int code = watch_check_deadline(watch, &deadline, &timeout);

        if (code != EXIT_OK)
            return code;
        poll(fds, 2, timeout);
        if ((fds[1].revents & (POLLERR | POLLHUP)) != 0)
            return watch->code;
        int r = tally_async_process(async);
        if (r < 0)
            return cli_refuse(r, tally_strerror(r));
        if (fflush(stdout) != 0)
            return EXIT_ERROR; /* main reports it */
    }
    return watch->code;
}

int run_watch(struct cli *cli)
{
    struct watch watch = {
        .cli = cli, .terminal = isatty(fileno(stdout)), .utf8 = terminal_is_utf8()};
    struct tally_request *ping = cli_request(cli, "ping", NULL);
    struct tally_async *async = NULL;
    int r = tally_async_open(&async, cli->socket);

    if (r == 0)
        r = tally_async_watch(async, cli_operand(cli, 0), cli_number(cli, OPTION_MAX_AGE, -1),
            on_change, &watch, NULL);
    if (r == 0)
        r = tally_async_call(async, ping, 5000, on_ping, &watch, NULL);
    int code = r < 0 ? cli_refuse(r, tally_strerror(r)) : watch_run(&watch, async);
    tally_async_close(async);
    tally_request_free(ping);
    return code;
}
