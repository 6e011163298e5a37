/* tally watch: a line per change. */
#include "client/cli/bar.h"
#include "client/cli/cli.h"
#include "client/cli/terminal.h"

#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct watch {
    struct cli *cli;
    bool terminal;
    bool utf8;
    bool seen;    /* something was told */
    int64_t most; /* the largest count so far, for the bar */
    bool done;
    int code;
};

static void print_time(void)
{
    struct timespec now;
    struct tm parts;
    char text[32];
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &parts);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S%z", &parts);
    fputs(text, stdout);
}

static void print_bar(struct watch *watch, int64_t count, int64_t target)
{
    size_t columns, rows;
    char text[1024];
    terminal_size(stdout, &columns, &rows);
    if (columns < 60)
        return;
    if (count > watch->most)
        watch->most = count;
    int64_t scale = watch->most > target ? watch->most : target;
    bar_draw(count, scale, columns - 54, watch->utf8, text, sizeof(text));
    printf("  %s%s%s", terminal_colour(stdout, COLOUR_GREEN), text, terminal_reset(stdout));
}

static void print_count(struct watch *watch, const struct json *answer)
{
    int64_t count = 0, target = 0;
    const char *quality = json_get_string(answer, "quality", "?");
    json_get_integer(answer, "count", &count);
    json_get_integer(answer, "target", &target);
    print_time();
    printf("  %12" PRId64 "  ", count);
    terminal_print(stdout, quality);
    if (watch->terminal) {
        size_t width = strlen(quality);
        printf("%*s", width < 8 ? (int)(8 - width) : 0, "");
        print_bar(watch, count, target);
    }
    putchar('\n');
}

static void print_error(const struct tally_answer *answer)
{
    print_time();
    printf("  %12s  %s%s%s: ", "-", terminal_colour(stdout, COLOUR_RED),
        tally_answer_error_name(answer), terminal_reset(stdout));
    terminal_print(stdout, tally_answer_error_message(answer));
    putchar('\n');
}

static void on_change(const struct tally_answer *answer, void *data)
{
    struct watch *watch = data;
    const void *packed = NULL;
    size_t len = 0;
    int error = tally_answer_error(answer);
    bool first = !watch->seen;
    if (error == TALLY_ECLOSED)
        return;
    watch->seen = true;
    struct json *json = tally_answer_packed(answer, NULL, &packed, &len) == 0
                            ? json_from_msgpack(packed, len)
                            : NULL;
    bool told = json != NULL && json_get(json, "trigger") != NULL;
    if (error == TALLY_ENOAGENT && !first)
        cli_note("%s; waiting for it", tally_answer_error_message(answer));
    else if (error < 0 && (!told || error == TALLY_EUNKNOWN_TRIGGER)) {
        watch->code = cli_fail(answer); /* the watch was refused, or its trigger is gone */
        watch->done = true;
    } else if (watch->cli->output == OUTPUT_JSON && json != NULL)
        json_print(stdout, json, true);
    else if (error < 0)
        print_error(answer);
    else if (json != NULL)
        print_count(watch, json);
    json_free(json);
}

/* Turns the loop until the watch ends, which without an error only an interrupt does. */
static int turn(struct watch *watch, struct tally_async *async)
{
    int64_t deadline = cli_clock_ms() + cli_number(watch->cli, OPTION_TIMEOUT, 5000);
    while (!watch->done) {
        struct pollfd fd = {tally_async_fd(async), tally_async_events(async), 0};
        int timeout = tally_async_timeout(async);
        if (!watch->seen) {
            int64_t left = deadline - cli_clock_ms();
            if (left <= 0)
                return cli_refuse(TALLY_EDEADLINE, "the agent told nothing before the deadline");
            if (timeout < 0 || timeout > left)
                timeout = (int)left;
        }
        poll(&fd, 1, timeout);
        int r = tally_async_process(async);
        if (r < 0)
            return cli_refuse(r, tally_strerror(r));
        if (fflush(stdout) != 0)
            return EXIT_ERROR; /* main tells */
    }
    return watch->code;
}

int run_watch(struct cli *cli)
{
    struct watch watch = {.cli = cli, .terminal = isatty(fileno(stdout)), .utf8 = bar_has_utf8()};
    struct tally_async *async = NULL;
    int r = tally_async_open(&async, cli->socket);
    if (r == 0)
        r = tally_async_watch(async, cli_operand(cli, 0), cli_number(cli, OPTION_MAX_AGE, -1),
            on_change, &watch, NULL);
    int code = r < 0 ? cli_refuse(r, tally_strerror(r)) : turn(&watch, async);
    tally_async_close(async);
    return code;
}
