/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/cli.h"

#include "client/cli/terminal.h"
#include "proto/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *cli_operand(const struct cli *cli, size_t i)
{
    return i + 1 < cli->arguments.operand_count ? cli->arguments.operands[i + 1] : NULL;
}

bool cli_given(const struct cli *cli, enum option_id option)
{
    return (cli->arguments.given & (1u << option)) != 0;
}

int64_t cli_number(const struct cli *cli, enum option_id option, int64_t fallback)
{
    return cli_given(cli, option) ? cli->arguments.number[option] : fallback;
}

/* ---- errors ---- */

static FILE *error_file; /* NULL: stderr */
static bool errors_are_json;

void cli_print_errors(FILE *file, bool as_json)
{
    error_file = file;
    errors_are_json = as_json;
}

/* {"error": {"name": …, "message": …, …}}: the error's own fields, where the agent sent them. */
static void error_print_json(
    FILE *file, const char *name, const char *message, const struct tally_answer *answer)
{
    struct json *line = json_new_map();
    struct json *error = answer != NULL ? json_from_answer(answer) : NULL;

    if (error == NULL || json_kind(error) != JSON_KIND_MAP) {
        json_free(error);
        error = json_new_map();
    }
    if (json_get(error, "name") == NULL)
        json_set(error, "name", json_new_string(name));
    if (json_get(error, "message") == NULL)
        json_set(error, "message", json_new_string(message));
    json_set(line, "error", error);
    json_print(file, line, true);
    json_free(line);
}

/* AWS's reasons, error code and request id, after the message. */
static void error_print_aws(FILE *file, const struct tally_answer *answer)
{
    const char *code = tally_answer_aws_code(answer);
    const char *request_id = tally_answer_aws_request_id(answer);
    const char *reasons = tally_answer_aws_reasons(answer);

    if (reasons[0] != '\0')
        terminal_print(file, " (%s)", reasons);
    if (code[0] != '\0' || request_id[0] != '\0')
        terminal_print(file, " [%s%s%s]", code,
            code[0] != '\0' && request_id[0] != '\0' ? ", " : "", request_id);
}

/* One line. answer: the agent's error; NULL: it is the command's own. */
static void error_print(const char *name, const char *message, const struct tally_answer *answer)
{
    FILE *file = error_file != NULL ? error_file : stderr;

    if (errors_are_json) {
        error_print_json(file, name, message, answer);
        return;
    }
    terminal_print(file, "tally: %s%s%s: %s", terminal_colour(file, COLOUR_RED), name,
        terminal_reset(file), message);
    if (answer != NULL)
        error_print_aws(file, answer);
    terminal_print(file, "\n");
}

int cli_error(const char *name, int code, const char *format, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    error_print(name, text, NULL);
    return code;
}

static int exit_code(int error)
{
    switch (error) {
    case TALLY_EARGUMENT:
        return EXIT_USAGE;
    case TALLY_ENOAGENT:
    case TALLY_EPERMISSION:
        return EXIT_NO_AGENT;
    case TALLY_ETIMEOUT:
    case TALLY_EDEADLINE:
        return EXIT_DEADLINE;
    default:
        return error < 0 ? EXIT_ERROR : EXIT_OK;
    }
}

int cli_refuse(int error, const char *message)
{
    error_print(tally_error_name(error), message, NULL);
    return exit_code(error);
}

int cli_fail(const struct tally_answer *answer)
{
    error_print(tally_answer_error_name(answer), tally_answer_error_message(answer), answer);
    return exit_code(tally_answer_error(answer));
}

void cli_note(const char *format, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    terminal_print(stderr, "tally: note: %s\n", text);
}

/* ---- calls ---- */

int cli_open(struct cli *cli, int64_t timeout_ms)
{
    if (cli->tally != NULL)
        return EXIT_OK;
    int r = tally_open(&cli->tally, cli->socket);
    if (r < 0)
        return cli_refuse(r, tally_strerror(r));
    if (timeout_ms > INT32_MAX || tally_set_timeout(cli->tally, (int)timeout_ms) < 0)
        return cli_usage("--timeout: a deadline is between 1ms and 5m");
    return EXIT_OK;
}

/* One deadline for all calls together: a later call has what the earlier ones leave. */
int cli_begin(struct cli *cli)
{
    int64_t timeout = cli_number(cli, OPTION_TIMEOUT, 5000);
    int code = cli_open(cli, timeout);

    if (code != EXIT_OK)
        return code;
    if (cli->deadline == 0)
        cli->deadline = clock_ms() + timeout;
    int64_t left = cli->deadline - clock_ms();
    tally_set_timeout(cli->tally, left > 0 ? (int)left : 1);
    return EXIT_OK;
}

struct tally_request *cli_request(const struct cli *cli, const char *method, const char *operand)
{
    struct tally_request *request = NULL;

    if (tally_request_new(&request, method) < 0)
        memory_exhausted(); /* the names of methods are the command's own */
    if (operand != NULL && cli_operand(cli, 0) != NULL)
        tally_request_set_string(request, operand, cli_operand(cli, 0));
    return request;
}

/* The outcome of a call that returned r, as cli_ask gives it. */
static int cli_take(
    struct cli *cli, int r, const char *field, enum json_kind kind, struct json **result)
{
    const struct tally_answer *answer = tally_last_answer(cli->tally);

    if (r < 0)
        return cli_fail(answer);
    struct json *json = json_from_answer(answer);
    const struct json *found = json_get(json, field);
    if (found == NULL || json_kind(found) != kind) {
        char text[80];

        snprintf(text, sizeof(text), "the agent's answer has %s %s",
            found == NULL ? "no" : "an invalid", field);
        json_free(json);
        return cli_refuse(TALLY_EPROTOCOL, text);
    }
    *result = json;
    return EXIT_OK;
}

int cli_ask(struct cli *cli, struct tally_request *request, const char *field, enum json_kind kind,
    struct json **result)
{
    if (request == NULL)
        return EXIT_USAGE;
    int code = cli_begin(cli);
    if (code == EXIT_OK)
        code = cli_take(cli, tally_call(cli->tally, request), field, kind, result);
    tally_request_free(request);
    return code;
}

int cli_ask_list(struct cli *cli, struct json **result)
{
    int code = cli_begin(cli);

    if (code != EXIT_OK)
        return code;
    return cli_take(cli, tally_list(cli->tally), "triggers", JSON_KIND_ARRAY, result);
}

int cli_show(struct cli *cli, int code, struct json *result,
    int (*print)(struct cli *cli, const struct json *result))
{
    if (code == EXIT_OK && cli->output == OUTPUT_JSON)
        json_print(stdout, result, false);
    else if (code == EXIT_OK)
        code = print(cli, result);
    json_free(result);
    return code;
}

bool cli_is_hello(const struct json *answer)
{
    return strcmp(json_get_string(answer, "protocol", ""), "tally") == 0 &&
           json_get_string(answer, "agent", NULL) != NULL;
}

/* ---- memory ---- */

_Noreturn void memory_exhausted(void)
{
    static const char message[] = "tally: NOMEM: out of memory\n";

    (void)!write(STDERR_FILENO, message, sizeof(message) - 1);
    _exit(1); /* not exit: the buffered stdout would be half an answer */
}

void *memory_need(void *pointer)
{
    if (pointer == NULL)
        memory_exhausted();
    return pointer;
}

void *memory_allocate(size_t size)
{
    return memory_need(malloc(size));
}
