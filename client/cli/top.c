/* SPDX-License-Identifier: Apache-2.0 */
/* tally top: status, live. */
#include "client/cli/count.h"
#include "client/cli/table.h"
#include "client/cli/terminal.h"
#include "client/cli/verbs.h"
#include "proto/clock.h"
#include "proto/duration.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

/* The previous state of the terminal, restored however the command ends. */
static struct screen {
    struct termios before;
    bool open, raw;
} screen;

static void screen_close(void)
{
    if (!screen.open)
        return;
    screen.open = false;
    terminal_print(stdout, "\x1b[?25h\x1b[?1049l");
    fflush(stdout);
    if (screen.raw)
        tcsetattr(STDIN_FILENO, TCSANOW, &screen.before);
}

/* A separate screen, without echo, so that a single key ends it. */
static void screen_open(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    if (tcgetattr(STDIN_FILENO, &screen.before) == 0) {
        struct termios raw = screen.before;

        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        screen.raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
    }
    screen.open = true;
    atexit(screen_close);
    terminal_print(stdout, "\x1b[?1049h\x1b[?25l");
}

static int64_t top_number(const struct json *status, const char *path)
{
    return json_get_integer_or(status, path, 0);
}

static double top_real(const struct json *status, const char *path)
{
    return json_get_real_or(status, path, 0);
}

/* How much a counter grew, per second. */
static double top_rate(
    const struct json *before, const struct json *now, const char *path, int64_t elapsed_ms)
{
    if (before == NULL || elapsed_ms <= 0)
        return 0;
    double grown = top_real(now, path) - top_real(before, path);
    return grown > 0 ? grown * 1000 / (double)elapsed_ms : 0; /* an agent restarts from 0 */
}

/* One line, cut at the width of the terminal. */
__attribute__((format(printf, 2, 3))) static void top_draw_line(
    size_t columns, const char *format, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    terminal_print_cut(stdout, text, columns);
    terminal_print(stdout, "\n");
}

static void top_draw_summary(
    const struct json *before, const struct json *now, int64_t elapsed_ms, size_t columns)
{
    char uptime[32];
    int64_t hits = top_number(now, "cache.hits"), misses = top_number(now, "cache.misses");

    duration_format(top_number(now, "uptime_ms"), uptime, sizeof(uptime));
    terminal_print(stdout, "%s", terminal_colour(stdout, COLOUR_BOLD));
    top_draw_line(columns,
        "tallyd %s  pid %" PRId64 "  up %s  %" PRId64 " triggers  %" PRId64 " kB",
        json_get_string(now, "version", "?"), top_number(now, "pid"), uptime,
        top_number(now, "config.triggers"), top_number(now, "memory.rss_kb"));
    terminal_print(stdout, "%s\n", terminal_reset(stdout));
    top_draw_line(columns,
        "requests  %8.1f/s   in flight %" PRId64 "   errors %" PRId64 "   p50 %.3g ms   p99 "
        "%.3g ms",
        top_rate(before, now, "requests.answered", elapsed_ms),
        top_number(now, "requests.in_flight"), top_number(now, "requests.errors"),
        top_real(now, "latency_ms.p50"), top_real(now, "latency_ms.p99"));
    top_draw_line(columns,
        "cache     %8.1f %%   hits %" PRId64 "   misses %" PRId64 "   joined %" PRId64
        "   stale %" PRId64,
        (double)hits + (double)misses > 0 ? 100.0 * (double)hits / ((double)hits + (double)misses)
                                          : 0.0,
        hits, misses, top_number(now, "cache.joined"), top_number(now, "cache.stale_served"));
    top_draw_line(columns,
        "dynamodb  %8.1f/s   calls %" PRId64 "   throttled %" PRId64 "   failed %" PRId64
        "   flights %" PRId64 "   failed %" PRId64,
        top_rate(before, now, "aws.dynamodb.calls", elapsed_ms),
        top_number(now, "aws.dynamodb.calls"), top_number(now, "aws.dynamodb.throttled"),
        top_number(now, "aws.dynamodb.failed"), top_number(now, "flights.started"),
        top_number(now, "flights.failed"));
    top_draw_line(columns, "capacity  %8.1f RCU/s   %.10g RCU in all",
        top_rate(before, now, "consumed_rcu", elapsed_ms), top_real(now, "consumed_rcu"));
    terminal_print(stdout, "\n");
}

static void top_draw_triggers(const struct json *list, size_t rows)
{
    const struct json *triggers = json_get(list, "triggers");
    struct table table;

    table_init(&table);
    table_column(&table, "TRIGGER", false);
    table_column(&table, "COUNT", true);
    table_column(&table, "STATE", false);
    table_column(&table, "AGE", true);
    table_column(&table, "RATE", false);
    table_column(&table, "ERROR", false);
    for (size_t i = 0; i < json_size(triggers) && i < rows; i++) {
        const struct json *trigger = json_at(triggers, i);
        char rate_text[64];

        count_describe_rate(trigger, rate_text, sizeof(rate_text));
        table_add(&table, json_get_string(trigger, "name", "?"));
        table_add_integer(&table, trigger, "count");
        table_add(&table, json_get_string(trigger, "state", "?"));
        table_add_duration(&table, trigger, "age_ms");
        table_add(&table, rate_text);
        table_add(&table, json_get_string(trigger, "last_error.name", ""));
    }
    table_print(&table, stdout, 0);
    table_free(&table);
}

static void top_draw_peers(const struct json *status, size_t rows)
{
    const struct json *peers = json_get(status, "connections.peers");
    struct table table;

    table_init(&table);
    table_column(&table, "UID", true);
    table_column(&table, "PID", true);
    table_column(&table, "REQUESTS", true);
    table_column(&table, "CONNECTED", true);
    for (size_t i = 0; i < json_size(peers) && i < rows; i++) {
        const struct json *peer = json_at(peers, i);

        table_add_integer(&table, peer, "uid");
        table_add_integer(&table, peer, "pid");
        table_add_integer(&table, peer, "requests");
        table_add_duration(&table, peer, "age_ms");
    }
    terminal_print(stdout, "\n");
    table_print(&table, stdout, 0);
    table_free(&table);
}

/* Waits for a key, or for the next refresh. True: end. */
static bool top_wait_for_key(int64_t interval)
{
    struct pollfd keys = {STDIN_FILENO, POLLIN, 0};

    if (poll(&keys, 1, (int)interval) <= 0)
        return interrupted;
    char key = 0;
    ssize_t n = read(STDIN_FILENO, &key, 1);
    return interrupted || n <= 0 || key == 'q' || key == 'Q';
}

static void top_draw(
    const struct json *before, const struct json *now, const struct json *list, int64_t elapsed_ms)
{
    size_t columns, rows;

    terminal_size(stdout, &columns, &rows);
    size_t room = rows > 14 ? rows - 14 : 2;
    terminal_print(stdout, "\x1b[H\x1b[2J");
    top_draw_summary(before, now, elapsed_ms, columns);
    top_draw_triggers(list, room * 2 / 3);
    top_draw_peers(now, room / 3);
    terminal_print(stdout, "\n");
    terminal_print_coloured(stdout, COLOUR_DIM, "q ends");
    fflush(stdout);
}

/* Does not report an error: that has to wait until the terminal is restored. */
static bool top_ask(struct cli *cli, const char *method, struct json **result)
{
    json_free(*result);
    *result = NULL;
    if (tally_call_packed(cli->tally, method, NULL, 0, NULL, NULL) == 0)
        *result = json_from_answer(tally_last_answer(cli->tally));
    return *result != NULL;
}

static void top_show(struct cli *cli, int64_t interval)
{
    struct json *before = NULL, *now = NULL, *list = NULL;
    int64_t last = 0;

    while (top_ask(cli, "status", &now) && top_ask(cli, "list", &list)) {
        int64_t time = clock_ms();

        top_draw(before, now, list, time - last);
        if (top_wait_for_key(interval))
            break;
        json_free(before);
        before = now;
        now = NULL;
        last = time;
    }
    json_free(before);
    json_free(now);
    json_free(list);
}

int run_top(struct cli *cli)
{
    int64_t interval = cli_number(cli, OPTION_INTERVAL, 1000);

    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return cli_usage("top needs a terminal; `tally status` prints the same once");
    if (terminal_is_dumb())
        return cli_usage("top needs a terminal that can move its cursor, and TERM names none; "
                         "`tally status` prints the same once");
    if (interval < 100 || interval > 3600 * 1000)
        return cli_usage("--interval: between 100ms and 1h");
    int code = cli_begin(cli);
    if (code != EXIT_OK)
        return code;
    if (tally_ping(cli->tally) < 0)
        return cli_fail(tally_last_answer(cli->tally));
    screen_open();
    top_show(cli, interval);
    screen_close();
    const struct tally_answer *answer = tally_last_answer(cli->tally);
    return tally_answer_error(answer) < 0 ? cli_fail(answer) : EXIT_OK;
}
